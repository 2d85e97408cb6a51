"""Base class of tasks: examples, a head, a loss and a metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lapt.data.images import ImageData
from lapt.errors import DataError
from lapt.evaluation import Metric
from lapt.training.meters import Collected, Meter
from lapt.training.metrics import METRICS, PLAIN, Answers
from lapt.training.recipe import Recipe


class Task(ABC):
    """A task, built from training data. It keeps their shape, classes and targets, but no data, and never changes.

    ``data``: the whole training split. Raises DataError when the task cannot be made from it.
    """

    name: ClassVar[str]
    measured: ClassVar[Metric]
    loss_name: ClassVar[str] = "cross_entropy"
    answers: ClassVar[Answers] = "images"
    augmentations: ClassVar[frozenset[str]] = frozenset({"crop", "flip", "cutout", "colour"})
    """Augmentations that keep this task's targets right."""
    variants: ClassVar[int] = 1
    """Number of ways to make an example of one image (rotations, permutations); one is drawn."""

    def __init__(self, data: ImageData, *, score: str = "metric") -> None:
        """``score``: ``metric``, ``loss`` (it still tells networks apart when accuracy is saturated), or a name of
        ``METRICS``. Raises DataError for a metric of other answers."""
        self.score = score
        if score not in PLAIN and METRICS[score].answers != self.answers:
            fitting = [name for name, one in METRICS.items() if one.answers == self.answers]
            raise DataError(
                f"evaluator.score to be a metric of {self.answers}, as {self.name} answers with",
                f"{score}, of {METRICS[score].answers}",
                f"choose {', '.join([*PLAIN, *fitting])}",
            )
        self.shape = data.shape
        self.classes = data.classes
        self.flippable = data.flippable

    @property
    def metric(self) -> Metric:
        """The metric of the score."""
        if self.score == "metric":
            return self.measured
        return Metric(self.loss_name, higher_is_better=False) if self.score == "loss" else METRICS[self.score].metric

    @property
    def settings(self) -> dict[str, Any]:
        """Everything beside the data that a score depends on, for fingerprints."""
        return {"task": self.name, "score": self.score, "variants": self.variants}

    def check(self, data: ImageData) -> None:
        """Raises DataError when ``data`` (a validation or test split) does not fit the training data."""
        if len(data) == 0:
            raise DataError(f"images in {data.name}", "none", "check the data")
        if data.shape != self.shape:
            raise DataError(
                f"images of the training data's shape {list(self.shape)} in {data.name}",
                f"{list(data.shape)}",
                "give every split one size",
            )

    def given(self, data: ImageData) -> Tensor:
        """Targets for ``example`` beside the images: labels [N], or targets [N, ...]."""
        return data.labels

    def guess(self, labels: Tensor) -> float | None:
        """The share of images of these labels, int64 [N], that the best constant answer gets right.

        None where answers are not right or wrong.
        """
        return None

    def draw(self, images: int, generator: torch.Generator) -> Tensor:
        """A variant for each image, int64 [images] on the CPU."""
        if self.variants == 1:
            return torch.zeros(images, dtype=torch.int64)
        return torch.randint(self.variants, (images,), generator=generator)

    def example(self, images: Tensor, given: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """(inputs, targets) of float images [B, C, H, W] in 0..1; all on one device. The images stay as they are."""
        return images, given

    @abstractmethod
    def head(self, out_channels: int, reduction: int) -> nn.Module:
        """The head, from features [B, out_channels, H / reduction, W / reduction] to the output."""

    @abstractmethod
    def loss(self, output: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """Mean over the batch, a scalar."""

    def training_loss(self, data: ImageData, recipe: Recipe) -> Callable[[Tensor, Tensor], Tensor]:
        """The loss of (output, target) in a training on ``data``."""
        return partial(self.loss, label_smoothing=recipe.label_smoothing)

    def order(self, data: ImageData, recipe: Recipe, generator: torch.Generator) -> Tensor:
        """The images of an epoch in order, int64 [N] on the CPU: each once, unless the recipe balances classes."""
        return torch.randperm(len(data), generator=generator)

    def mixer(self, recipe: Recipe) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None:
        """Function of a batch's (inputs, targets) that mixes images and their targets; None if nothing is mixed."""
        return None

    @abstractmethod
    def meter(self) -> Meter:
        """A new meter of ``measured``."""

    def meters(self) -> dict[str, Meter]:
        """New meters by the name of their metric: of ``measured``, and of the score's own metric if it has one."""
        found = {self.measured.name: self.meter()}
        if self.score not in PLAIN:
            chosen = METRICS[self.score]
            found[chosen.metric.name] = Collected(chosen.compute, probabilities=self.answers == "labels")
        return found
