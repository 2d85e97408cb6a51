"""Tasks of a training whose target is one label (classes, the rotation, the order of patches), an image or a vector."""

from __future__ import annotations

import itertools
import warnings
from abc import abstractmethod
from collections.abc import Callable
from functools import cache
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lapt.base.guessing import largest_share
from lapt.data.arrays import remedy_of
from lapt.data.images import IGNORED, ImageData
from lapt.errors import DataError
from lapt.evaluation import Metric
from lapt.training.meters import Accuracy, MeanIoU, MeanSquaredError, Meter, Ssim
from lapt.training.recipe import Recipe
from lapt.training.tasks.heads import Decoder, pooled
from lapt.training.tasks.task import Task


class _Labelled(Task):
    """Base class of tasks with cross-entropy over ``outputs`` labels."""

    measured = Metric("accuracy", "%")
    answers = "labels"
    outputs: int

    def head(self, out_channels: int, reduction: int) -> nn.Module:
        return pooled(out_channels, self.outputs)

    def loss(self, output: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
        return F.cross_entropy(output, target, label_smoothing=label_smoothing)

    def meter(self) -> Meter:
        return Accuracy()

    def guess(self, labels: Tensor) -> float | None:
        return 1 / self.outputs  # variants are drawn evenly


class Classification(_Labelled):
    """The given classes: objects, scenes, digits."""

    name = "classification"
    augmentations = Task.augmentations | {"any"}

    def __init__(self, data: ImageData, *, score: str = "metric") -> None:
        super().__init__(data, score=score)
        self.outputs = len(data.classes)
        if self.outputs < 2:
            got, remedy = f"{self.outputs}", "choose another task or data set"
            if data.targets is not None:
                targets = data.targets.numpy(force=True)
                got += f", and targets {targets.dtype} {list(targets.shape)}"
                remedy = f"{remedy_of(targets)}, or {remedy}"
            raise DataError(f"at least two classes in {data.name}", got, remedy)

    def guess(self, labels: Tensor) -> float | None:
        return largest_share(torch.bincount(labels).tolist())

    def training_loss(self, data: ImageData, recipe: Recipe) -> Callable[[Tensor, Tensor], Tensor]:
        """Cross-entropy; with balanced weights, a class of n of N images in K classes weighs N / (K n)."""
        if recipe.class_weights == "none":
            return super().training_loss(data, recipe)
        counts, smoothing = torch.bincount(data.labels, minlength=self.outputs), recipe.label_smoothing
        weights = len(data) / (counts > 0).sum() / counts.clamp(min=1)
        return lambda output, target: F.cross_entropy(output, target, weights, label_smoothing=smoothing)

    def order(self, data: ImageData, recipe: Recipe, generator: torch.Generator) -> Tensor:
        if recipe.sampling == "all":
            return super().order(data, recipe, generator)
        labels = data.labels.cpu()
        each = 1 / torch.bincount(labels, minlength=self.outputs)[labels]
        return torch.multinomial(each, len(data), replacement=True, generator=generator)

    def mixer(self, recipe: Recipe) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None:
        """Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) of a batch, one of them drawn if both are on."""
        if not recipe.mixup and not recipe.cutmix:
            return None
        from torchvision.transforms import v2  # type: ignore[import-untyped]

        mixes = [
            kind(alpha=alpha, num_classes=self.outputs)
            for kind, alpha in ((v2.MixUp, recipe.mixup), (v2.CutMix, recipe.cutmix))
            if alpha
        ]
        mix: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] = v2.RandomChoice(mixes)
        return mix

    def check(self, data: ImageData) -> None:
        super().check(data)
        if data.classes != self.classes:
            raise DataError(
                f"the training data's {self.outputs} classes in {data.name}",
                f"{len(data.classes)} classes: {list(data.classes[:5])}",
                "name the classes alike",
            )


class Rotation(_Labelled):
    """The number of quarter turns, counter-clockwise, by which an image was rotated (Gidaris et al. 2018)."""

    name = "rotation"
    variants = outputs = 4

    def __init__(self, data: ImageData, *, score: str = "metric") -> None:
        super().__init__(data, score=score)
        _, height, width = self.shape
        if height != width:
            raise DataError(f"square images for rotations in {data.name}", f"{height} x {width}", "cut them square")

    def example(self, images: Tensor, given: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        turned = torch.stack([torch.rot90(images, turns, (2, 3)) for turns in range(4)])
        return turned[drawn, torch.arange(len(images), device=images.device)], drawn


class Jigsaw(_Labelled):
    """The permutation, out of a known set, of an image's patches (Noroozi and Favaro 2016).

    Sides under 48 pixels: 2 x 2 patches and all 24 permutations. From 48: 3 x 3 and 64 permutations that differ most.
    The shuffled patches go through the backbone as one image, cut to a multiple of the grid; the head keeps one place a
    patch. So a network also sees seams; this is cheaper than one pass a patch, and the same for every architecture.
    """

    name = "jigsaw"

    def __init__(self, data: ImageData, *, score: str = "metric") -> None:
        super().__init__(data, score=score)
        _, height, width = self.shape
        if min(height, width) < 4:
            raise DataError(f"images of 4 x 4 pixels or more in {data.name}", f"{height} x {width}", "enlarge them")
        self.grid = 2 if min(height, width) < 48 else 3
        self.permutations = torch.from_numpy(permutations(self.grid))
        self.outputs = self.variants = len(self.permutations)

    variants: int  # type: ignore[misc]

    def example(self, images: Tensor, given: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        return shuffled(images, self.permutations.to(images.device)[drawn], self.grid), drawn

    def head(self, out_channels: int, reduction: int) -> nn.Module:
        return pooled(out_channels, self.outputs, grid=self.grid)


def shuffled(images: Tensor, order: Tensor, grid: int) -> Tensor:
    """Images [B, C, H, W] cut into grid x grid patches, row by row: place p shows patch order[b, p]."""
    count, channels, height, width = images.shape
    rows, columns = height // grid, width // grid
    cut = images[:, :, : rows * grid, : columns * grid].reshape(count, channels, grid, rows, grid, columns)
    patches = cut.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
    placed = patches[torch.arange(count, device=images.device)[:, None], order]
    whole = placed.reshape(count, grid, grid, channels, rows, columns).permute(0, 3, 1, 4, 2, 5)
    return whole.reshape(count, channels, rows * grid, columns * grid)


@cache
def permutations(grid: int) -> np.ndarray:
    """int64 [P, grid^2]: all 24 for 2 x 2; else 64, chosen greedily for the largest least Hamming distance.

    It starts at the identity and takes the first in lexicographic order among equals, so the set is the same
    everywhere.
    """
    every = np.array(list(itertools.permutations(range(grid * grid))), dtype=np.int64)
    if grid == 2:
        return every
    chosen = [0]
    small = every.astype(np.int8)
    nearest = np.full(len(every), grid * grid, dtype=np.int8)
    while len(chosen) < 64:
        nearest = np.minimum(nearest, (small != small[chosen[-1]]).sum(1, dtype=np.int8))
        chosen.append(int(nearest.argmax()))
    return every[chosen]


ARRAYS = "y as floats [N, K] (layouts) or [N, H, W, 3] (normals), or integers [N, H, W] (segmentation)"


class Autoencoding(Task):
    """The image itself, in 0..1. The loss is L1, which gives a higher SSIM than L2 (Zhao et al. 2017)."""

    name = "autoencoding"
    measured = Metric("SSIM")
    loss_name = "l1"
    augmentations = frozenset({"crop", "flip", "colour"})

    def example(self, images: Tensor, given: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        return images, images

    def head(self, out_channels: int, reduction: int) -> nn.Module:
        channels, height, width = self.shape
        return Decoder(out_channels, channels, reduction, height, width)

    def loss(self, output: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
        return F.l1_loss(output, target)

    def meter(self) -> Meter:
        return Ssim()


class Targeted(Task):
    """Base class of tasks with targets in the data. There are no augmentations: they would have to change targets
    too."""

    augmentations = frozenset()
    wanted: str
    or_list: ClassVar[str] = ""
    """Words on a list that has such targets too."""

    def __init__(self, data: ImageData, *, score: str = "metric") -> None:
        super().__init__(data, score=score)
        self.target_shape = tuple(self._targets(data).shape[1:])

    @abstractmethod
    def suits(self, targets: Tensor) -> bool:
        """Whether the targets have the type and shape that the task predicts."""

    def _targets(self, data: ImageData) -> Tensor:
        targets = data.targets
        if targets is None or not self.suits(targets):
            got = "no targets" if targets is None else f"{targets.dtype} {list(targets.shape)}"
            raise DataError(
                f"{self.wanted} in {data.name} for {self.name}", got, f"bring an npz file with {ARRAYS}{self.or_list}"
            )
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


class SurfaceNormal(Targeted):
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


class Segmentation(Targeted):
    """A class for each pixel; pixels labelled 255 are ignored. The classes are those of the training targets."""

    name = "segmentation"
    measured = Metric("mIoU", "%")
    wanted = "integer targets [N, H, W]"

    def __init__(self, data: ImageData, *, score: str = "metric") -> None:
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


class RoomLayout(Targeted):
    """A vector of floats, such as the corners of a room. Scale it to a range near -1..1."""

    name = "room_layout"
    measured = Metric("l2", higher_is_better=False)
    answers = "vectors"
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
