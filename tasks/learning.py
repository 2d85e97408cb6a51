"""The learning stage: Algorithm 1, lines 1 and 2."""

from __future__ import annotations

from lapt.archive import Archive
from lapt.evaluation import Evaluator
from lapt.pipeline.steps import Steps
from lapt.principles import Principles
from storage.runs.record import RunRecord
from tasks import artifacts
from tasks.step import step


@step(name="evaluate-source", task_run_name="evaluate source")
def evaluate_source(steps: Steps, evaluator: Evaluator, record: RunRecord) -> Archive:
    """Line 1: the archive of good architectures, recorded as the evaluations of the source stage."""
    archive = steps.build_archive(evaluator)
    record.archive(archive, fingerprint=evaluator.fingerprint)
    artifacts.archive(steps.pipeline.name, archive)
    return archive


@step(name="learn-principles", task_run_name="learn principles from {archive.task}")
def learn_principles(steps: Steps, archive: Archive, record: RunRecord) -> Principles:
    """Line 2: principles from the archive."""
    principles = steps.learn(archive)
    record.principles(principles, task=archive.task, iteration=0)
    artifacts.principles(steps.pipeline.name, archive.task, principles)
    return principles
