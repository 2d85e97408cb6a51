"""Base class of tasks: examples, a head, a loss and a metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from lapt.data.images import ImageData
from lapt.errors import DataError
from lapt.evaluation import Metric
from lapt.training.meters import Meter

Score = Literal["metric", "loss"]
"""The score of a task. The loss still tells networks apart when accuracy is saturated."""


class Task(ABC):
    """A task, built from training data. It keeps their shape, classes and targets, but no data, and never changes.

    ``data``: the whole training split. Raises DataError when the task cannot be made from it.
    """

    name: ClassVar[str]
    measured: ClassVar[Metric]
    loss_name: ClassVar[str] = "cross_entropy"
    augmentations: ClassVar[frozenset[str]] = frozenset({"crop", "flip", "cutout"})
    """Augmentations that keep this task's targets right."""
    variants: ClassVar[int] = 1
    """Number of ways to make an example of one image (rotations, permutations); one is drawn."""

    def __init__(self, data: ImageData, *, score: Score = "metric") -> None:
        self.score: Score = score
        self.shape = data.shape
        self.classes = data.classes
        self.flippable = data.flippable

    @property
    def metric(self) -> Metric:
        """The metric of the score."""
        return self.measured if self.score == "metric" else Metric(self.loss_name, higher_is_better=False)

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

    @abstractmethod
    def meter(self) -> Meter:
        """A new meter of ``measured``."""
