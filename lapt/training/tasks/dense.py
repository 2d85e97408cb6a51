"""Tasks that predict an image or a vector: reconstruction, surface normals, segmentation, room layout."""

from __future__ import annotations

import warnings
from abc import abstractmethod

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from lapt.data.images import IGNORED, DataError, ImageData
from lapt.evaluation import Metric
from lapt.training.heads import Decoder, pooled
from lapt.training.meters import MeanIoU, MeanSquaredError, Meter, Ssim
from lapt.training.tasks.task import Score, Task

ARRAYS = "y as floats [N, K] (layouts) or [N, H, W, 3] (normals), or integers [N, H, W] (segmentation)"


class Autoencoding(Task):
    """The image itself, in 0..1. The loss is L1, which gives a higher SSIM than L2 (Zhao et al. 2017)."""

    name = "autoencoding"
    measured = Metric("SSIM")
    loss_name = "l1"
    augmentations = frozenset({"crop", "flip"})

    def example(self, images: Tensor, given: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        return images, images

    def head(self, out_channels: int, reduction: int) -> nn.Module:
        channels, height, width = self.shape
        return Decoder(out_channels, channels, reduction, height, width)

    def loss(self, output: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
        return F.l1_loss(output, target)

    def meter(self) -> Meter:
        return Ssim()


class _Targeted(Task):
    """Base class of tasks with targets in the data. There are no augmentations: they would have to change targets
    too."""

    augmentations = frozenset()
    wanted: str

    def __init__(self, data: ImageData, *, score: Score = "metric") -> None:
        super().__init__(data, score=score)
        self.target_shape = tuple(self._targets(data).shape[1:])

    @abstractmethod
    def suits(self, targets: Tensor) -> bool:
        """Whether the targets have the type and shape that the task predicts."""

    def _targets(self, data: ImageData) -> Tensor:
        targets = data.targets
        if targets is None or not self.suits(targets):
            got = "no targets" if targets is None else f"{targets.dtype} {list(targets.shape)}"
            raise DataError(f"{self.wanted} in {data.name} for {self.name}", got, f"bring an npz file with {ARRAYS}")
        return targets

    def check(self, data: ImageData) -> None:
        super().check(data)
        if tuple(self._targets(data).shape[1:]) != self.target_shape:
            raise DataError(
                f"targets {list(self.target_shape)} in {data.name}",
                f"{list(self._targets(data).shape[1:])}",
                "give every split the same targets",
            )

    def given(self, data: ImageData) -> Tensor:
        return self._targets(data)

    def example(self, images: Tensor, given: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        return images, given


class SurfaceNormal(_Targeted):
    """A normal for each pixel, components in -1..1."""

    name = "surface_normal"
    measured = Metric("SSIM")
    loss_name = "l1"
    wanted = "float targets [N, 3, H, W]"

    def suits(self, targets: Tensor) -> bool:
        return targets.is_floating_point() and tuple(targets.shape[1:]) == (3, *self.shape[1:])

    def head(self, out_channels: int, reduction: int) -> nn.Module:
        _, height, width = self.shape
        return Decoder(out_channels, 3, reduction, height, width)

    def loss(self, output: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
        return F.l1_loss(output, target)

    def meter(self) -> Meter:
        return Ssim(-1.0, 1.0)


class Segmentation(_Targeted):
    """A class for each pixel; pixels labelled 255 are ignored. The classes are those of the training targets."""

    name = "segmentation"
    measured = Metric("mIoU", "%")
    wanted = "integer targets [N, H, W]"

    def __init__(self, data: ImageData, *, score: Score = "metric") -> None:
        super().__init__(data, score=score)
        self.outputs = 0
        self.outputs = self._highest(data) + 1
        if self.outputs < 2:
            raise DataError(f"at least two classes of pixels in {data.name}", f"{self.outputs}", "correct the targets")
        used = len(np.unique(self._targets(data).numpy(force=True)))
        if 2 * used < self.outputs:
            warnings.warn(
                f"expected pixels labelled 0, 1, 2, ... in {data.name}; got {used} labels up to {self.outputs - 1}, so "
                f"networks get {self.outputs} outputs; number the classes without gaps",
                stacklevel=2,
            )

    def suits(self, targets: Tensor) -> bool:
        return not targets.is_floating_point() and tuple(targets.shape[1:]) == self.shape[1:]

    def _highest(self, data: ImageData) -> int:
        targets = self._targets(data)
        counted = targets[targets != IGNORED]
        if counted.numel() == 0 or int(counted.min()) < 0:
            got = "none" if counted.numel() == 0 else f"{int(counted.min())}"
            raise DataError(f"segmentation labels from 0 in {data.name}", got, "correct the targets")
        return int(counted.max())

    def check(self, data: ImageData) -> None:
        super().check(data)
        highest = self._highest(data)
        if highest >= self.outputs:
            raise DataError(
                f"segmentation labels below {self.outputs} in {data.name}, as in the training data",
                f"{highest}",
                "label every class in the training data too",
            )

    def head(self, out_channels: int, reduction: int) -> nn.Module:
        _, height, width = self.shape
        return Decoder(out_channels, self.outputs, reduction, height, width)

    def loss(self, output: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
        # Written out, because the mean of a batch without counted pixels would be NaN.
        summed = F.cross_entropy(output, target, ignore_index=IGNORED, label_smoothing=label_smoothing, reduction="sum")
        return summed / (target != IGNORED).sum().clamp(min=1)

    def meter(self) -> Meter:
        return MeanIoU(self.outputs)


class RoomLayout(_Targeted):
    """A vector of floats, such as the corners of a room. Scale it to a range near -1..1."""

    name = "room_layout"
    measured = Metric("l2", higher_is_better=False)
    loss_name = "l2"
    wanted = "float targets [N, K]"

    def suits(self, targets: Tensor) -> bool:
        return targets.is_floating_point() and targets.dim() == 2

    def head(self, out_channels: int, reduction: int) -> nn.Module:
        return pooled(out_channels, self.target_shape[0])

    def loss(self, output: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
        return F.mse_loss(output, target)

    def meter(self) -> Meter:
        return MeanSquaredError()
