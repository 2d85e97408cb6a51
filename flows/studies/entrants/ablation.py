"""Ablation: the pipeline without one part of LAPT at a time (Figure 4 of the paper)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from flows.studies.entrants.methods import Entrant, alone, counting, lapt_entrant
from lapt.errors import ConfigError
from lapt.pipeline.config import Pipeline, validated
from lapt.reasoning.config import FrequencyReasoner, PatternsReasoner
from lapt.search import SEARCHERS

FULL = "full"
SEARCHES = ("rea", "gp")


def ablation(declared: Pipeline, named: Sequence[Pipeline], draws: int) -> tuple[Entrant, ...]:
    """LAPT with each search method, whole and without one part at a time. Each variant is compared with the whole.

    The reasoner is ``patterns`` unless one is named.
    """
    if len(named) > 1:
        raise ConfigError("one reasoner in this study", f"{len(named)}", "lapt study reasoners compares several")
    pipeline = declared.model_copy(update={"reasoner": PatternsReasoner()}) if not named else named[0]
    found: list[Entrant] = []
    for method in SEARCHES:
        searched = pipeline.model_copy(update={"search": pipeline.search.by(method)})
        whole = lapt_entrant(searched, variant=FULL, draws=draws)
        found.append(replace(whole, against=whole.who))  # itself: it is no variant to be tested
        for variant, changed in _variants(searched, counting(declared)):
            found.append(replace(lapt_entrant(changed, variant=variant, draws=draws), against=whole.who))
        nothing = Entrant(method, searched, partial(alone, method), searched.budget, variant="without transfer")
        found.append(replace(nothing, against=whole.who))
    return tuple(found)


def _variants(pipeline: Pipeline, counted: FrequencyReasoner) -> Iterator[tuple[str, Pipeline]]:
    yield "without adaptation", _changed(pipeline, adaptation={"iterations": 1}, search=_at_once(pipeline))
    if pipeline.reasoner.kind == "patterns":
        yield "without experts", _changed(pipeline, reasoner={"knowledge": 0.0})
        yield "experts alone", _changed(pipeline, reasoner={"evidence": False})
        yield "never widened", _changed(pipeline, reasoner={"growth": 1.0})
        yield "start unguided", _changed(pipeline, guidance={"initial": False})
        if SEARCHERS[pipeline.search.method].guided:
            yield "search unguided", _changed(pipeline, guidance={"prior": False})
    if pipeline.reasoner.kind != "frequency":
        yield "by counting", pipeline.model_copy(update={"reasoner": counted})


def _at_once(pipeline: Pipeline) -> dict[str, int]:
    """The pipeline with its whole budget in one iteration: as many generations as all iterations had."""
    search = pipeline.search
    return {"generations": pipeline.budget // search.population_size - 1}


def _changed(pipeline: Pipeline, **sections: dict[str, Any]) -> Pipeline:
    whole = pipeline.model_dump(mode="json")
    return validated(whole | {key: {**whole.get(key, {}), **change} for key, change in sections.items()}, "the study")
