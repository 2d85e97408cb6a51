"""The entrants of the study of fidelity: each method with whole trainings, and with trainings that stop early."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from flows.studies.entrants.methods import (
    Entrant,
    alone,
    lapt_entrant,
    other_searches,
    stopping_early,
    under_one,
)
from lapt.errors import ConfigError
from lapt.pipeline.config import Pipeline
from lapt.search import SEARCHERS

WHOLE = "whole trainings"
USUAL = ("gp", "rea", "random")
"""Methods that are compared unless others are named."""


def halved(declared: Pipeline, named: Sequence[Pipeline], draws: int) -> tuple[Entrant, ...]:
    """Each search method alone and in LAPT, at equal epochs, with and without rungs. The baseline of a search by rungs
    is the same search with whole trainings.

    Raises ConfigError for a pipeline without ``fidelity``.
    """
    pipeline = under_one(declared, named)
    if pipeline.fidelity is None:
        raise ConfigError("a pipeline with rungs, to compare with whole trainings", "none", "declare fidelity.epochs")
    by_rungs = f"rungs {', '.join(map(str, pipeline.fidelity.epochs))}"
    found: list[Entrant] = []
    for method, section in other_searches(pipeline.search):
        searched = pipeline.model_copy(update={"search": section})
        whole = searched.model_copy(update={"fidelity": None})
        inside = lapt_entrant(whole, variant=WHOLE, draws=draws)
        pairs = [(inside, lapt_entrant(searched, variant=by_rungs, draws=draws))]
        if not SEARCHERS[method].transfers:
            budget = pipeline.budget
            without = Entrant(method, whole, partial(alone, method), budget, variant=WHOLE)
            stops = Entrant(method, searched, partial(stopping_early, method), budget, variant=by_rungs)
            pairs.append((without, stops))
        usual = method in (*USUAL, pipeline.search.method)
        for baseline, other in pairs:
            found += [replace(entrant, against=baseline.who, default=usual) for entrant in (baseline, other)]
    return tuple(found)


def halved_notes(pipeline: Pipeline) -> Sequence[str]:
    """Remarks on the study."""
    if pipeline.fidelity is None:
        return ()
    return (
        f"evaluations: of {pipeline.fidelity.whole} epochs each; a search by rungs has as many epochs in all, and what "
        "it returns was trained to the end",
    )
