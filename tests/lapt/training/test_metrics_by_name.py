"""Metrics that ``evaluator.score`` names."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from lapt.base import offered
from lapt.data.images import ImageData
from lapt.errors import ConfigError, DataError
from lapt.evaluation import Metric
from lapt.evaluators.config import TrainingEvaluation
from lapt.training import metrics, tasks
from lapt.training.metrics import METRICS, MetricOf
from lapt.training.tasks import make_task
from lapt.training.tasks.kinds import Classification

PROBABILITIES = np.array([[0.9, 0.1, 0.0], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1]], dtype=np.float32)
LABELS = np.array([0, 0, 0, 1])


def images(n: int = 6, **more: Any) -> ImageData:
    return ImageData(torch.zeros(n, 3, 8, 8, dtype=torch.uint8), torch.arange(n) % 3, ("a", "b", "c"), **more)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("balanced_accuracy", 100 * (2 / 3 + 0) / 2),  # two of three, none of one; class c is not there
        ("f1", 100 * (2 * 2 / (2 * 2 + 1 + 1) + 0) / 2),
        ("auroc", 100 * (2 / 3 + 2 / 3) / 2),  # of three pairs of images, two are in order
    ],
)
def test_metrics_of_labels_by_hand(name: str, value: float) -> None:
    assert METRICS[name].compute(PROBABILITIES, LABELS) == pytest.approx(value)


def test_the_absolute_error_by_hand() -> None:
    outputs, targets = np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[0.0, 2.0], [1.0, -1.0]])
    assert METRICS["mae"].compute(outputs, targets) == pytest.approx(3 / 4)
    assert METRICS["mae"].metric.score(1.0) < METRICS["mae"].metric.score(0.5)


def test_a_named_score_is_measured_beside_the_tasks_own() -> None:
    task = make_task("classification", images(), score="balanced_accuracy")
    meters = task.meters()
    assert list(meters) == ["accuracy", "balanced_accuracy"]
    for at in (slice(0, 2), slice(2, 4)):
        for meter in meters.values():
            meter.update(torch.from_numpy(np.log(PROBABILITIES[at] + 1e-9)), torch.from_numpy(LABELS[at]))
    assert meters["accuracy"].value() == pytest.approx(50)
    assert meters["balanced_accuracy"].value() == pytest.approx(100 / 3)
    assert task.metric == METRICS["balanced_accuracy"].metric
    assert task.settings["score"] == "balanced_accuracy"
    assert list(make_task("classification", images()).meters()) == ["accuracy"]


def test_a_metric_of_other_answers_is_refused_with_those_that_fit() -> None:
    said = r"evaluator\.score to be a metric of images, as autoencoding answers with; got f1, of labels; choose metric, loss"  # noqa: E501
    with pytest.raises(DataError, match=said):
        make_task("autoencoding", images(), score="f1")
    layouts = images(targets=torch.rand(6, 4))
    with pytest.raises(DataError, match=r"got auroc, of labels; choose metric, loss, mae"):
        make_task("room_layout", layouts, score="auroc")
    assert make_task("room_layout", layouts, score="mae").metric.name == "mae"


def test_an_unknown_score_is_refused_when_the_pipeline_is_read() -> None:
    with pytest.raises(ValidationError, match=r"not among metric, loss, balanced_accuracy, f1, auroc, mae"):
        TrainingEvaluation.model_validate({"kind": "training", "data": "digits", "score": "acuracy"})


OWN = MetricOf(Metric("top2", "%"), "labels", lambda outputs, targets: 100.0)
WRONG = "no metric"


def test_metrics_of_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    offers = [EntryPoint(name, f"{__name__}:{value}", metrics.GROUP) for name, value in
              (("top2", "OWN"), ("wrong", "WRONG"), ("gone", "GONE"))]  # fmt: skip
    monkeypatch.setattr(offered, "entry_points", lambda group: offers if group == metrics.GROUP else [])
    assert METRICS["top2"] is OWN
    assert TrainingEvaluation.model_validate({"kind": "training", "data": "digits", "score": "top2"}).score == "top2"
    for name in ("wrong", "gone"):
        with pytest.raises(ConfigError, match=f"MetricOf behind the metric {name}"):
            METRICS[name]


class Halves(Classification):
    """A task of another package: the classes in two halves."""

    name = "halves"


def test_tasks_of_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    offers = [EntryPoint(name, f"{__name__}:{value}", tasks.GROUP) for name, value in
              (("halves", "Halves"), ("wrong", "WRONG"))]  # fmt: skip
    monkeypatch.setattr(offered, "entry_points", lambda group: offers if group == tasks.GROUP else [])
    assert isinstance(make_task("halves", images()), Halves)
    with pytest.raises(ConfigError, match=r"a subclass of lapt\.training\.tasks\.Task behind the task wrong"):
        make_task("wrong", images())
    with pytest.raises(DataError, match=r"'halves'.*'wrong'\]; got 'other'"):
        make_task("other", images())
