"""The entrants of the study of every pair: LAPT from each task to each other one, and each search alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import permutations

from flows.studies.entrants.methods import (
    Entrant,
    alone,
    lapt_entrant,
    other_searches,
    under_one,
    with_other_archives,
)
from lapt.errors import ConfigError
from lapt.pipeline.config import Pipeline
from lapt.pipeline.sources import only_source
from lapt.search import SEARCHERS


def pairs(declared: Pipeline, named: Sequence[Pipeline], draws: int, budget: int | None = None) -> tuple[Entrant, ...]:
    """LAPT on every ordered pair of the pipeline's tasks, and the search alone once on each of them.

    The default is the declared search method. All others follow, but for those that read a source's scores themselves:
    they are never without a source. ``budget``: evaluations of the searches alone; LAPT's if unset.

    Raises ConfigError if the declared search method is one of those, and for several reasoners.
    """
    pipeline = under_one(declared, named)
    method = pipeline.search.method
    if SEARCHERS[method].transfers:
        raise ConfigError(
            "a search that can do without a source, to stand against LAPT", method, "write --set search.method=gp"
        )
    found = _of(pipeline, budget)
    for other, section in other_searches(pipeline.search):
        if other != method and not SEARCHERS[other].transfers:
            searched = pipeline.model_copy(update={"search": section})
            found += [replace(entrant, default=False) for entrant in _of(searched, budget)]
    return tuple(found)


def tasks_of(pipeline: Pipeline) -> tuple[str, ...]:
    """Every task that the pipeline names: its source, then its targets."""
    return (only_source(pipeline.source).task, *pipeline.targets)


def _of(pipeline: Pipeline, budget: int | None) -> list[Entrant]:
    tasks, method = tasks_of(pipeline), pipeline.search.method
    found: list[Entrant] = []
    for source, target in permutations(tasks, 2):
        found += with_other_archives(lapt_entrant(_between(pipeline, source, target)))
    for target in tasks:
        any_other = next(task for task in tasks if task != target)  # a pipeline has one; the search does not read it
        of_target = _between(pipeline, any_other, target)
        found.append(Entrant(method, of_target, partial(alone, method), max(budget or 0, pipeline.budget)))
    return found


def _between(pipeline: Pipeline, source: str, target: str) -> Pipeline:
    there = only_source(pipeline.source).model_copy(update={"task": source})
    return pipeline.model_copy(update={"source": there, "targets": (target,)})
