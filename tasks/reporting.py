"""The end of a run: the one place that reads test scores."""

from __future__ import annotations

from lapt.evaluation import Evaluator
from lapt.results import RunResult, TargetResult
from lapt.spaces import SearchSpace
from tasks import artifacts
from tasks.step import step


@step(name="test-incumbent", task_run_name="test {result.task}")
def test_incumbent(space: SearchSpace, evaluator: Evaluator, result: TargetResult) -> TargetResult:
    """The test score of the architecture found, where the task has a test split."""
    if result.architecture is None:
        return result
    return result.model_copy(update={"test": evaluator.test(space.decode(result.architecture))})


@step(name="report-run", task_run_name="report {result.run_id}")
def report_run(result: RunResult) -> None:
    """The table of targets as an artifact."""
    artifacts.leaderboard(result)
