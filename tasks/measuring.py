"""Training for a benchmark: one task for each batch of trainings."""

from __future__ import annotations

from collections.abc import Sequence

from lapt.evaluation import Evaluation, Evaluator
from lapt.spaces import Architecture
from tasks.step import step


@step(name="train-batch", task_run_name="{label}: from {first}")
def train_batch(
    evaluator: Evaluator, architectures: Sequence[Architecture], *, label: str, first: int
) -> list[Evaluation]:
    """Scores in the order given. ``first``: the batch's first number under ``label``."""
    return evaluator.evaluate(architectures)
