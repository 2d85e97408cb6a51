"""The end of a run: the only place that reads test scores."""

from __future__ import annotations

from typing import Any

from lapt.evaluation import Evaluator, OnEpoch
from lapt.pipeline.config import Pipeline
from lapt.pipeline.results import FinalResult, Found, RunResult
from lapt.reasoning.language.ledger import Ledger
from lapt.report.summary import summary
from lapt.spaces import Architecture, SearchSpace
from storage.runs.evaluator import StoredEvaluator
from storage.runs.record import RunRecord
from storage.runs.recordings import StoredRecordings
from tasks import artifacts
from tasks.step import logged, step


@step(name="test-incumbent", task_run_name="test {result.task}")
def test_incumbent(space: SearchSpace, evaluator: Evaluator, result: Found) -> Any:
    """The test score of the architecture found, where the task has a test split."""
    if result.architecture is None:
        return result
    return result.model_copy(update={"test": evaluator.test(space.decode(result.architecture))})


@step(name="train-final", task_run_name="train from scratch")
def train_final(
    space: SearchSpace, evaluator: StoredEvaluator, on_epoch: OnEpoch, architecture: Architecture
) -> FinalResult | None:
    """Train a found architecture from scratch and test it; None without a test split."""
    found = evaluator.final(architecture, logged(on_epoch))
    if found is None:
        return None
    return FinalResult(
        test=found.value,
        parameters=found.parameters,
        flops=found.flops,
        device_seconds=found.cost_seconds,
        error=found.error,
    )


@step(name="report-run", task_run_name="report {result.run_id}")
def report_run(pipeline: Pipeline, result: RunResult, record: RunRecord) -> None:
    """Publish the table of targets as an artifact, and write the summary to the store."""
    artifacts.targets(result, pipeline.label)
    learned = {task: record.principles_of(task) for task in (pipeline.source.task, *pipeline.targets)}
    ledger = Ledger.of(StoredRecordings(record.store, record.run_id).rows())
    record.report(summary(pipeline, result, learned, ledger))
