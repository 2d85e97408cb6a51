"""Study of the worth of a source archive: transfer from more and more source evaluations, beside no transfer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flows.studies.entrants.methods import Entrant, lapt_entrant, with_controls
from lapt.errors import ConfigError
from lapt.pipeline.config import Pipeline, RandomArchive, TopArchive

BUDGETS = ("50", "100", "200", "500", "full")
TRANSFERS = ("lapt-rea", "lapt-gp", "source_ranking", "source_predictor", "mode", "warm_start")
NOTHING_TRANSFERRED = ("gp", "rea", "random")
KEPT = 10
"""One in so many of the source's random architectures is shown as good."""
TOP = 50
"""Number of architectures kept of a whole table, as in the paper."""


def source_budgets(
    declared: Pipeline, named: Sequence[Pipeline], draws: int, budgets: Sequence[str] = BUDGETS, whole: int = 0
) -> tuple[Entrant, ...]:
    """Every method that transfers, for each source budget; then the searches without transfer. All have LAPT's budget.

    ``whole``: number of evaluations that the full table counts for.
    """
    if len(named) > 1:
        raise ConfigError("one reasoner in this study", f"{len(named)}", "lapt study reasoners compares several")
    pipeline = named[0] if named else declared
    if len({pipeline.search.method, "rea", "gp"}) == 3:
        raise ConfigError("search.method rea or gp in this study", pipeline.search.method, "leave it as it is")
    found: list[Entrant] = []
    for budget in budgets:
        archive, cost = _archive(budget, whole)
        source = pipeline.source.model_copy(update={"archive": archive})
        of_budget = _entrants(pipeline.model_copy(update={"source": source}))
        found += [replace(of_budget[method], source_budget=cost) for method in TRANSFERS]
    alone = _entrants(pipeline)
    found += [replace(alone[method], source_budget=0) for method in NOTHING_TRANSFERRED]
    return tuple(replace(entrant, default=True) for entrant in found)


def _entrants(pipeline: Pipeline) -> dict[str, Entrant]:
    rea, gp = (pipeline.model_copy(update={"search": pipeline.search.by(method)}) for method in ("rea", "gp"))
    known = {entrant.method: entrant for entrant in with_controls(rea, pipeline.budget)}
    return known | {"lapt-gp": lapt_entrant(gp)}


def _archive(budget: str, whole: int) -> tuple[TopArchive | RandomArchive, int]:
    if budget == "full":
        return TopArchive(size=TOP), whole
    if not budget.isdecimal() or int(budget) < KEPT:
        raise ConfigError(f"source budgets from {KEPT}, or full", repr(budget), "write, for example, --budgets 50,full")
    samples = int(budget)
    return RandomArchive(strategy="random", size=samples // KEPT, samples=samples), samples
