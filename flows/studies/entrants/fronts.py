"""The entrants of the study of fronts: searches for accuracy and latency, and searches under caps on the latency."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from flows.studies.entrants.methods import Entrant, alone, lapt_entrant, under_one
from lapt.errors import ConfigError, or_meant
from lapt.evaluators import Table
from lapt.pipeline.config import Pipeline, overridden
from lapt.pipeline.constraints import Bound
from lapt.search import SEARCHERS

QUANTILES = (5, 10, 25, 50, 75)
"""Caps, as quantiles of the latencies of all architectures, in %."""
CAPPED = 20
"""Evaluations under a cap, as nearly as the pipeline's iterations allow."""
REFERENCE = "nsga2"
"""The method whose hypervolume after twice the pipeline's budget the others have to reach."""
POPULATION = 10
"""Population of Optuna's NSGA-II, as large as that of ``nsga2``: with its own 50 it begins to search after 50."""
SAMPLERS = {"optuna:NSGAIISampler": {"population_size": POPULATION}, "optuna:TPESampler": {}}
SLOW = "optuna:TPESampler"
"""The sampler that fits a model for every ask."""


def fronts(
    declared: Pipeline,
    named: Sequence[Pipeline],
    draws: int,
    table: Table,
    devices: Sequence[str] | None = None,
    quantiles: Sequence[float] = QUANTILES,
) -> tuple[Entrant, ...]:
    """Every method with two objectives on every device, then LAPT, its search and random search under caps.

    ``devices``: columns of ``table`` with latencies; if unset, those whose name has latency, without those that name
    another task. ``draws`` does not matter: every seed has its own. Methods that fit a model have the pipeline's
    budget; the others have twice as much. Raises ConfigError for a method of one objective, and if there is no such
    column.
    """
    pipeline = under_one(declared, named)
    method = pipeline.search.method
    if not SEARCHERS[method].objectives or SEARCHERS[method].transfers:
        raise ConfigError("a search with two objectives", f"search.method {method}", "write --set search.method=gp")
    found: list[Entrant] = []
    for device in _devices(table, pipeline, devices):
        found += _of_both(pipeline.model_copy(update={"objectives": (_score(table, pipeline), device)}))
        for quantile in quantiles:
            found += _capped(pipeline, device, float(np.nanquantile(table.quantities[device], quantile / 100)))
    return tuple(found)


def device_of(entrant: Entrant) -> str:
    """The column of an entrant."""
    pipeline = entrant.pipeline
    return pipeline.cost or list(pipeline.constraints)[-1]


def cap_of(entrant: Entrant) -> float | None:
    """The largest latency that an entrant may ask for; None of a search with two objectives."""
    return None if entrant.pipeline.cost else entrant.pipeline.constraints[device_of(entrant)].max


def _of_both(pipeline: Pipeline) -> Iterator[Entrant]:
    method, longer = pipeline.search.method, 2 * pipeline.budget
    yield lapt_entrant(pipeline)
    yield Entrant(method, pipeline, partial(alone, method), longer if method == REFERENCE else pipeline.budget)
    yield Entrant("random", pipeline, partial(alone, "random"), longer)
    if method != REFERENCE:
        yield Entrant(REFERENCE, pipeline, partial(alone, REFERENCE), longer)
    for name, options in SAMPLERS.items():
        section = pipeline.search.by("optuna")
        section = section.model_copy(update={"sampler": name.partition(":")[2], "options": options})
        budget = pipeline.budget if name == SLOW else longer
        yield Entrant(name, pipeline.model_copy(update={"search": section}), partial(alone, "optuna"), budget)


def _capped(pipeline: Pipeline, device: str, cap: float) -> Iterator[Entrant]:
    """LAPT, its search and random search for the score alone, under the cap."""
    method, each = pipeline.search.method, max(1, round(CAPPED / (1 + pipeline.adaptation.iterations)))
    capped = overridden(pipeline, ["objectives=[]", f"search.population_size={each}", "search.generations=1"])
    capped = capped.model_copy(update={"constraints": {**pipeline.constraints, device: Bound(max=cap)}})
    yield lapt_entrant(capped)
    for other in (method, "random"):
        yield Entrant(other, capped, partial(alone, other), capped.budget)


def _score(table: Table, pipeline: Pipeline) -> str:
    return table.metrics[pipeline.targets[0]].name


def _devices(table: Table, pipeline: Pipeline, named: Sequence[str] | None) -> Sequence[str]:
    for device in named or ():
        if device not in table.quantities:
            known = sorted(table.quantities)
            raise ConfigError(
                f"columns of table {table.name} among {known}", repr(device), or_meant(device, known, "name one")
            )
    if named:
        return named
    others = [task for task in table.scores if task not in pipeline.targets]
    found = [name for name in table.columns if "latency" in name and not any(task in name for task in others)]
    if not found:
        raise ConfigError(
            f"a column of latencies in table {table.name}",
            "none",
            f"lapt benchmark import columns FILE --table {table.name}, or name columns: --devices parameters",
        )
    return found
