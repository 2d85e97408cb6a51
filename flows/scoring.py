"""Scores of a user's list of architectures, by a pipeline's evaluator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flows.evaluators import dispatched_to, evaluators_of, space_of
from flows.running.progress import Listener, listener
from lapt.errors import ConfigError, LaptError, SpaceError
from lapt.evaluation import Evaluation, Evaluator
from lapt.evaluators.config import SupernetEvaluation, TableEvaluation
from lapt.pipeline.config import Execution, Pipeline
from lapt.spaces import Architecture, SearchSpace
from storage.runs.evaluator import StoredEvaluator
from storage.store import Store
from storage.upkeep.listed import Line

NAMED, SHOWN = 10, 120
"""Number of lines that an error names, and characters of each."""
_BATCH = 1_000
"""Look-ups and predictions between two reports of progress."""


@dataclass(frozen=True)
class Listed:
    """A list, read in a space: each architecture with its first line; the number of repeats; the lines that are
    none."""

    architectures: dict[Architecture, Line]
    repeated: int
    unknown: tuple[tuple[Line, str], ...]

    def example(self, space: SearchSpace) -> Architecture:
        return next(iter(self.architectures), None) or space.sample(np.random.default_rng(0))


def read(space: SearchSpace, lines: Sequence[Line]) -> Listed:
    """Read a list. It raises nothing: a line that is no architecture of the space is returned with the reason."""
    found: dict[Architecture, Line] = {}
    unknown = []
    for line in lines:
        try:
            architecture = space.as_member(space.decode(line.text))
        except SpaceError as error:
            unknown.append((line, error.got))
        else:
            found.setdefault(architecture, line)
    return Listed(found, len(lines) - len(found) - len(unknown), tuple(unknown))


@dataclass(frozen=True)
class Scoring:
    """The evaluators of the tasks, ready for use. ``space``: of the pipeline."""

    space: SearchSpace
    evaluators: tuple[Evaluator, ...]

    @classmethod
    def by(cls, pipeline: Pipeline, execution: Execution, tasks: Sequence[str] = ()) -> Scoring:
        """The evaluators of ``tasks``, or of the pipeline's targets if none is named.

        Raises LaptError for data, a table or a task that is not there, and ConfigError for scores that depend on a
        search.
        """
        config = pipeline.evaluator
        if isinstance(config, SupernetEvaluation):
            raise ConfigError(
                "evaluator.kind table, surrogate or training",
                "supernet, whose scores are those of one search",
                "name a pipeline that trains each network: --set evaluator.kind=training",
            )
        if isinstance(config, TableEvaluation):  # what the table lacks is told, architecture by architecture
            lenient = config.model_copy(update={"missing": "fail", "pool": "space"})
            pipeline = pipeline.model_copy(update={"evaluator": lenient})
        space = space_of(pipeline)
        _, evaluator_of = evaluators_of(pipeline, execution, space, Store(execution.store))
        if execution.dispatch == "deployment":
            evaluator_of = dispatched_to(pipeline, execution, evaluator_of)
        return cls(space, tuple(evaluator_of(task) for task in tasks or pipeline.targets))

    def rows(self, listed: Listed, heard: Callable[[int, int], None]) -> Iterator[dict[str, Any]]:
        """A row for each architecture and task, task by task in the order of the list.

        ``heard(done, total)``: called as they come. Each measurement is stored at once: an interruption loses only
        those under way.
        """
        asked, total = list(listed.architectures), len(listed.architectures) * len(self.evaluators)
        for place, evaluator in enumerate(self.evaluators):
            before, batch = place * len(asked), _BATCH
            if isinstance(evaluator, StoredEvaluator):  # it tells of each score itself
                before, batch = before + len(asked) - len(evaluator.missing(asked)), len(asked)
            token = listener.set(_Counted(heard, before, total))
            try:
                for first in range(0, len(asked), batch):
                    heard(before + first, total)
                    for evaluation in evaluator.evaluate(asked[first : first + batch]):
                        yield self._row(evaluator, evaluation, listed.architectures[evaluation.architecture])
            finally:
                listener.reset(token)
        heard(total, total)

    def _row(self, evaluator: Evaluator, evaluation: Evaluation, line: Line) -> dict[str, Any]:
        return {
            "line": line.number,
            "architecture": self.space.encode(evaluation.architecture),
            "task": evaluator.task,
            "value": evaluation.value,
            "metric": evaluator.metric.name,
            "unit": evaluator.metric.unit,
            "error": evaluation.error,
            "parameters": evaluation.parameters,
            "flops": evaluation.flops,
            "origin": evaluation.origin,
        }


class _Counted(Listener):
    """Listener that counts measurements."""

    def __init__(self, heard: Callable[[int, int], None], done: int, total: int) -> None:
        self.heard, self.done, self.total = heard, done, total

    def scored(self, task: str) -> None:
        self.done += 1
        self.heard(self.done, self.total)


def complain(listed: Listed, rows: Sequence[dict[str, Any]], space: SearchSpace) -> None:
    """Raise Unscored if a line is no architecture, or one has no score. The others are scored by then."""
    failed = [row for row in rows if row["value"] is None]
    lines = [f"line {line.number} ({why[:SHOWN]})" for line, why in listed.unknown]
    lines += [f"line {row['line']} ({row['task']}: {row['error']})" for row in failed]
    if not lines:
        return
    more = f" and {len(lines) - NAMED} more" if len(lines) > NAMED else ""
    raise Unscored(
        f"architectures of {space.name} that can be scored, such as {space.encode(listed.example(space))}",
        f"{len(listed.unknown)} that are none and {len(failed)} without a score: {'; '.join(lines[:NAMED])}{more}",
        "mend those lines; the others are scored",
    )


class Unscored(LaptError):
    """A list with architectures that could not be scored."""
