"""The steps of a run as Prefect tasks: the lines of Algorithm 1, trainings, the end of a run, and whole studies."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from prefect import get_run_logger

from lapt.archive import Archive
from lapt.evaluation import Evaluation, Evaluator, OnEpoch, best
from lapt.pipeline.config import Pipeline
from lapt.pipeline.objectives import costs, front
from lapt.pipeline.results import ControlResult, FinalResult, Found, RunResult
from lapt.pipeline.sources import Source
from lapt.pipeline.steps import Steps
from lapt.principles import Principles
from lapt.reasoning.language.ledger import Ledger
from lapt.report.summary import summary
from lapt.report.tables import Table, text
from lapt.spaces import Architecture, SearchSpace
from storage.runs.evaluator import StoredEvaluator
from storage.runs.record import RunRecord
from storage.runs.replies import StoredRecordings
from tasks import artifacts
from tasks.step import logged, step


@step(name="evaluate-source", task_run_name="evaluate {source.named}")
def evaluate_source(
    steps: Steps, evaluator: Evaluator, record: RunRecord, source: Source, space: SearchSpace
) -> Archive:
    """Line 1: the archive of good architectures, recorded as the evaluations of the source stage. ``space``: its
    own."""
    archive = steps.build_archive(evaluator, source, space)
    record.archive(archive, fingerprint=evaluator.fingerprint)
    artifacts.archive(steps.pipeline.name, archive)
    return archive


@step(name="learn-principles", task_run_name="learn principles")
def learn_principles(steps: Steps, archives: Sequence[Archive], record: RunRecord) -> Principles:
    """Line 2: principles from the archives, one for each source."""
    principles, source = steps.learn(*archives), steps.pipeline.source.named
    record.principles(principles, task=source, iteration=0)
    artifacts.principles(steps.pipeline.name, source, principles)
    return principles


@step(name="refine-space", task_run_name="iteration {g}: refine")
def refine_space(steps: Steps, record: RunRecord, principles: Principles, *, target: str, g: int) -> SearchSpace:
    """Line 6: Omega_r of iteration g."""
    refined = steps.refine(principles, task=target)
    record.subspace(refined, principles, task=target, iteration=g)
    artifacts.refined_space(steps.pipeline.name, target, g, steps.space, refined)
    return refined


@step(name="train-supernet", task_run_name="{label}: train supernet")
def train_supernet(
    evaluator: StoredEvaluator,
    record: RunRecord,
    on_epoch: OnEpoch,
    *,
    g: int,
    subspace_id: str | None,
    label: str,
) -> None:
    """Train or read the supernet from which iteration g's scores are inherited (0: that of the whole space)."""
    prepared = evaluator.prepare(logged(on_epoch))
    record.supernet(
        prepared,
        task=evaluator.task,
        iteration=g,
        subspace_id=subspace_id,
        fingerprint=evaluator.fingerprint,
        device=str(getattr(evaluator.evaluator, "device", "cpu")),
    )


@step(name="evaluate-batch", task_run_name="iteration {g}: evaluate from {first}")
def evaluate_batch(
    evaluator: Evaluator, architectures: Sequence[Architecture], *, g: int, first: int
) -> list[Evaluation]:
    """Lines 7 and 8: scores of one batch, in the order asked. ``first``: the batch's first number on the target."""
    return evaluator.evaluate(architectures)


@step(name="adapt-principles", task_run_name="iteration {g}: adapt")
def adapt_principles(
    steps: Steps,
    record: RunRecord,
    principles: Principles,
    base: float,
    best_found: float,
    evaluations: Sequence[Evaluation],
    *,
    target: str,
    g: int,
) -> tuple[Principles, float]:
    """Line 9: Algorithm 2."""
    adapted, base = steps.adapt(principles, base, best_found, evaluations, task=target)
    record.principles(adapted, task=target, iteration=g)
    artifacts.principles(steps.pipeline.name, target, adapted)
    return adapted, base


@step(name="search-control", task_run_name="{method}, whole space")
def search_control(
    steps: Steps, evaluator: Evaluator, record: RunRecord, archive: Archive | None, *, method: str
) -> ControlResult:
    """A control with the same budget. The run id of its trials is ``<run>-<method>``."""
    began = time.monotonic()
    evaluations, searcher = steps.control(method, evaluator, archive)
    record.beside(method).trials(
        steps.space, evaluations, task=evaluator.task, iteration=1, first=1, fingerprint=evaluator.fingerprint
    )
    found = best(evaluations)
    return ControlResult.of(
        steps.space,
        evaluator,
        found,
        evaluations,
        began,
        method=method,
        lacking=searcher.lacking,
        quantities=steps.quantities(evaluator, found),
        front=front(steps.pipeline, steps.space, evaluator, evaluations),
        costs=costs(steps.pipeline, evaluator, evaluations),
    )


@step(name="train-batch", task_run_name="{label}: from {first}")
def train_batch(
    evaluator: Evaluator, architectures: Sequence[Architecture], *, label: str, first: int
) -> list[Evaluation]:
    """Scores in the order given. ``first``: the batch's first number under ``label``."""
    return evaluator.evaluate(architectures)


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
        tested_on=evaluator.tested_on,
    )


@step(name="report-run", task_run_name="report {result.run_id}")
def report_run(pipeline: Pipeline, result: RunResult, record: RunRecord) -> None:
    """Publish the table of targets as an artifact, and write the summary to the store."""
    artifacts.targets(result, pipeline.label)
    learned = {task: record.principles_of(task) for task in (pipeline.source.named, *pipeline.targets)}
    ledger = Ledger.of(StoredRecordings(record.store, record.run_id).rows())
    record.report(summary(pipeline, result, learned, ledger))


EVERY = 20
"""Number of progress lines that a study logs."""


@step(name="run-study", task_run_name="{name}")
def run_comparison(study: Any, *, name: str) -> Any:
    """Run a study that ``flows.studies.prepared`` made, and show its rows as an artifact."""
    logger = get_run_logger()

    def heard(done: int, total: int) -> None:
        if total and done * EVERY // total > (done - 1) * EVERY // total:
            logger.info("%d of %d jobs", done, total)

    result = study.run(heard)
    columns = ("method", "target", "quantity", "mean", "ci_low", "ci_high", "seeds", "published")
    rows = ([text(getattr(row, column)) for column in columns] for row in result.rows)
    artifacts.table(Table.of(columns, rows), f"Study {name}", "study", name)
    return result
