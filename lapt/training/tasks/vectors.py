"""Tasks of a training whose targets are several labels an image, or quantities."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lapt.data.images import ImageData
from lapt.errors import DataError
from lapt.evaluation import Metric
from lapt.training.meters import Collected, MeanAbsoluteError, Meter
from lapt.training.tasks.heads import Rescaled, pooled
from lapt.training.tasks.kinds import Targeted


class MultiLabel(Targeted):
    """Any number of the given labels an image. The outputs are logits; the loss is binary cross-entropy."""

    name = "multilabel"
    measured = Metric("mAP", "%")
    loss_name = "binary_cross_entropy"
    answers = "sets"
    augmentations = frozenset({"crop", "flip", "cutout", "colour", "any"})
    wanted = "float targets [N, K] of zeros and ones"
    or_list = ", or a .csv file with the columns file and labels"

    def suits(self, targets: Tensor) -> bool:
        return targets.is_floating_point() and targets.dim() == 2 and bool(((targets == 0) | (targets == 1)).all())

    def head(self, out_channels: int, reduction: int) -> nn.Module:
        return pooled(out_channels, self.target_shape[0])

    def loss(self, output: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
        smooth = target * (1 - label_smoothing) + label_smoothing / 2
        return F.binary_cross_entropy_with_logits(output, smooth)

    def meter(self) -> Meter:
        return Collected(mean_average_precision, probabilities=False)


def mean_average_precision(outputs: np.ndarray, targets: np.ndarray) -> float:
    """Mean over the labels that are there of the average precision (area under precision against recall, as sum over
    the steps of recall), in %. Both [N, K]; NaN without any label."""
    from sklearn.metrics import average_precision_score  # type: ignore[import-untyped]

    shown = np.flatnonzero(targets.any(0))
    if not len(shown):
        return float("nan")
    return 100 * float(np.mean([average_precision_score(targets[:, label], outputs[:, label]) for label in shown]))


class Regression(Targeted):
    """A quantity an image, or several. The outputs have their units.

    The loss is the mean squared error of the quantities divided by their standard deviations in the training data.
    """

    name = "regression"
    measured = Metric("mae", higher_is_better=False)
    loss_name = "l2_standardised"
    answers = "vectors"
    augmentations = frozenset({"crop", "flip", "cutout", "colour"})
    wanted = "float targets [N, K]"
    or_list = ", or a .csv file with the column file and columns of numbers"

    def __init__(self, data: ImageData, *, score: str = "metric") -> None:
        super().__init__(data, score=score)
        targets = self._targets(data).double().cpu()
        self.mean = targets.mean(0).float()
        self.deviation = targets.std(0, correction=0).float()
        if len(targets) > 1 and bool((self.deviation == 0).any()):
            constant = [name for name, spread in zip(self._named(data), self.deviation, strict=True) if not spread]
            raise DataError(
                f"quantities that differ between the images of {data.name}",
                f"{', '.join(constant)}, the same for all",
                "leave it out",
            )

    def _named(self, data: ImageData) -> tuple[str, ...]:
        return data.components or tuple(f"component {number}" for number in range(self.target_shape[0]))

    def suits(self, targets: Tensor) -> bool:
        return targets.is_floating_point() and targets.dim() == 2

    def head(self, out_channels: int, reduction: int) -> nn.Module:
        scale = Rescaled(self.target_shape[0])
        scale.mean.copy_(self.mean)
        scale.deviation.copy_(self._divisor(self.mean))
        return nn.Sequential(*pooled(out_channels, self.target_shape[0]), scale)

    def loss(self, output: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
        return F.mse_loss(output / self._divisor(output), target / self._divisor(output))

    def _divisor(self, like: Tensor) -> Tensor:
        return self.deviation.to(like.device).clamp(min=torch.finfo().tiny)

    def meter(self) -> Meter:
        return MeanAbsoluteError()
