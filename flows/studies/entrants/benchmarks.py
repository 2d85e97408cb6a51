"""The benchmark of a study: a table, or a surrogate of a space that cannot be listed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

from flows.evaluators import EvaluatorOf, evaluator_of, predicted, space_of, table_of
from lapt.base.statistics import Scores
from lapt.evaluation import Evaluator
from lapt.evaluators import Table
from lapt.evaluators.config import SurrogateEvaluation, TableEvaluation
from lapt.pipeline.config import Pipeline


@dataclass(frozen=True)
class Benchmark:
    """The scores of a study. ``checksum``: of the data. ``evaluators``: task -> its evaluator. ``table``: None if there
    is none."""

    checksum: str
    evaluators: EvaluatorOf
    table: Table | None = None

    def evaluator(self, task: str) -> Evaluator:
        """The evaluator of a task. Raises LaptError for a task that is not there."""
        return self.evaluators(task)

    def scores(self, task: str) -> Scores | None:
        """Scores of every architecture that has one, higher is better, for ranks; None if they cannot be listed."""
        return None if self.table is None else self.table.comparable(task)


def benchmark_of(pipeline: Pipeline, data: str | None) -> Benchmark:
    """The benchmark of a pipeline.

    Raises LaptError for a table or surrogate that is not there, and a pipeline that trains its networks.
    """
    space, config = space_of(pipeline), pipeline.evaluator
    if isinstance(config, SurrogateEvaluation):
        return Benchmark(*predicted(pipeline, config, space, data))
    table = table_of(pipeline, data)
    assert isinstance(config, TableEvaluation)
    return Benchmark(table.checksum, cache(partial(evaluator_of, table, config, space)), table)
