"""The evidence that a run adds to a library of principles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lapt.archive import Archive
from lapt.evaluation import Evaluation, Evaluator
from lapt.evaluators.config import SurrogateEvaluation, TableEvaluation
from lapt.library.entries import Library
from lapt.library.growing import Read, compared, conditions_in, grown
from lapt.pipeline.config import Pipeline
from lapt.pipeline.sources import Source
from lapt.principles import Principles
from lapt.spaces import SearchSpace
from storage.library import grow


def read_of(pipeline: Pipeline, archive: Archive, source: Source, evaluator: Evaluator, run: str) -> Read:
    """The evidence of a source's archive."""
    return Read(
        task=source.task,
        data=source.table or data_of(pipeline),
        kind=evaluator.metric.name,
        good=[entry.architecture for entry in archive.entries],
        run=run,
        reasoner=pipeline.reasoner.named[:200],
    )


def with_conditions(seen: Read, learned: Principles) -> Read:
    """The same, with the conditions that the reasoner stated of it."""
    named = {seen.task, f"{seen.data} {seen.task}"}
    mine = [one for one in learned.principles if any(pattern.task in named for pattern in one.patterns)]
    return replace(seen, found=conditions_in(learned.model_copy(update={"principles": tuple(mine)})))


def shown_by(
    pipeline: Pipeline, space: SearchSpace, evaluator: Evaluator, evaluations: Sequence[Evaluation], run: str
) -> Read:
    """The evidence of a target's evaluations: the best quarter of them against the others."""
    good, others = compared(evaluations, space)
    return Read(
        task=evaluator.task,
        data=data_of(pipeline),
        kind=evaluator.metric.name,
        good=good,
        others=others,
        run=run,
        reasoner=pipeline.reasoner.named[:200],
    )


def data_of(pipeline: Pipeline) -> str:
    """The name of a pipeline's table, surrogate or images, for evidence."""
    config = pipeline.evaluator
    if isinstance(config, TableEvaluation):
        return config.table
    if isinstance(config, SurrogateEvaluation):
        return config.model
    data = getattr(config, "data", None)
    return Path(data).stem if isinstance(data, str) else pipeline.name


def grow_library(path: str, seen: Sequence[tuple[SearchSpace, Read]]) -> str:
    """Add what tasks showed to the library in a file; say what was added. Raises ConfigError, StoreError."""
    new = judged = 0

    def change(library: Library) -> Library:
        nonlocal new, judged
        new = judged = 0
        for space, read in seen:
            library, more, readings = grown(library, space, read)
            new, judged = new + more, judged + readings
        return library

    after = grow(Path(path), change)
    return (
        f"library {path}: {new} new principles, {judged} readings added; {len(after.entries)} principles in all "
        f"(lapt principles list --library {path})"
    )
