"""Metrics by name, for ``evaluator.score``: scikit-learn's, and those of installed packages. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lapt.base.offered import Offered
from lapt.evaluation import Metric

GROUP = "lapt.metrics"
"""Group of entry points through which other packages offer metrics: a name, and a ``MetricOf``."""

PLAIN = ("metric", "loss")
"""Values of ``evaluator.score`` that every task has: its own metric, and its loss."""

Answers = Literal["labels", "sets", "vectors", "images"]
"""The kind of a task's answers: outputs [N, K] for a label each, logits [N, K] for any of K labels, vectors [N, K], or
images."""


@dataclass(frozen=True)
class MetricOf:
    """A metric of all answers together.

    ``compute(outputs, targets)``: of labels, probabilities float32 [N, K] and int64 [N]; of sets, logits float32 [N, K]
    and zeros and ones; of vectors, float32 [N, K] both. It returns the value in the metric's unit.
    """

    metric: Metric
    answers: Answers
    compute: Callable[[np.ndarray, np.ndarray], float]


def _balanced_accuracy(outputs: np.ndarray, targets: np.ndarray) -> float:
    from sklearn.metrics import recall_score  # type: ignore[import-untyped]

    shown = np.unique(targets)
    return 100 * float(recall_score(targets, outputs.argmax(1), labels=shown, average="macro", zero_division=0))


def _f1(outputs: np.ndarray, targets: np.ndarray) -> float:
    from sklearn.metrics import f1_score

    return 100 * float(f1_score(targets, outputs.argmax(1), average="macro", zero_division=0))


def _auroc(outputs: np.ndarray, targets: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    shown = np.unique(targets)
    if len(shown) < 2:
        return float("nan")
    return 100 * float(np.mean([roc_auc_score(targets == label, outputs[:, label]) for label in shown]))


def _absolute_error(outputs: np.ndarray, targets: np.ndarray) -> float:
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(targets, outputs))


_OWN = {
    "balanced_accuracy": MetricOf(Metric("balanced_accuracy", "%"), "labels", _balanced_accuracy),
    "f1": MetricOf(Metric("f1", "%"), "labels", _f1),
    "auroc": MetricOf(Metric("auroc", "%"), "labels", _auroc),
    "mae": MetricOf(Metric("mae", higher_is_better=False), "vectors", _absolute_error),
}
"""Balanced accuracy: mean recall over the classes that are there. F1: macro mean. AUROC: mean over the classes, each
against the rest. MAE: over all components."""


METRICS: Offered[MetricOf] = Offered(
    GROUP,
    _OWN,
    kind="metric",
    wanted="a lapt.training.metrics.MetricOf",
    suits=lambda found: isinstance(found, MetricOf),
)
"""Name -> metric, for ``evaluator.score``."""


def known_score(name: str) -> str:
    """The name itself. Raises ValueError if there is no such score."""
    if name not in PLAIN and name not in METRICS:
        raise ValueError(f"not among {', '.join([*PLAIN, *METRICS])}")
    return name
