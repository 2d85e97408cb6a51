"""The search stage: Algorithm 1, lines 6 to 9, one task a line."""

from __future__ import annotations

import time
from collections.abc import Sequence

from lapt.archive import Archive
from lapt.evaluation import Evaluation, Evaluator, OnEpoch, best
from lapt.pipeline.results import ControlResult
from lapt.pipeline.steps import Steps
from lapt.principles import Principles
from lapt.spaces import Architecture, SearchSpace
from storage.runs.evaluator import StoredEvaluator
from storage.runs.record import RunRecord
from tasks import artifacts
from tasks.step import logged, step


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
    return ControlResult.of(
        steps.space, evaluator, best(evaluations), evaluations, began, method=method, lacking=searcher.lacking
    )
