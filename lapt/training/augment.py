"""Random crop, mirror and cutout of whole batches, on the device, with draws made beforehand."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lapt.training.recipe import Augmentation
from lapt.training.tasks import Task


@dataclass(frozen=True)
class Draws:
    """Random draws for N images. They are made on the CPU for a whole epoch, so the batch size and the device do not
    change them.

    ``offsets``: int64 [N, 2], row and column of the crop in the padded image; ``mirrored``: bool [N]; ``centres``:
    int64 [N, 2], row and column of the cutout. None if there is no such augmentation.
    """

    offsets: Tensor | None
    mirrored: Tensor | None
    centres: Tensor | None

    def at(self, indices: Tensor) -> Draws:
        return Draws(*(None if x is None else x[indices] for x in (self.offsets, self.mirrored, self.centres)))

    def to(self, device: torch.device) -> Draws:
        return Draws(*(None if x is None else x.to(device) for x in (self.offsets, self.mirrored, self.centres)))


class Augmenter:
    """The recipe's augmentations that keep the task's targets right, for images of one shape."""

    def __init__(self, augmentation: Augmentation, task: Task) -> None:
        _, self.height, self.width = task.shape
        padding = augmentation.crop_padding
        if padding is None:
            padding = min(self.height, self.width) // 8
        self.padding = padding if "crop" in task.augmentations else 0
        flip = task.flippable if augmentation.flip is None else augmentation.flip
        self.flip = flip and "flip" in task.augmentations
        self.cutout = augmentation.cutout if "cutout" in task.augmentations else 0

    def draw(self, images: int, generator: torch.Generator) -> Draws:
        offsets = mirrored = centres = None
        if self.padding:
            offsets = torch.randint(2 * self.padding + 1, (images, 2), generator=generator)
        if self.flip:
            mirrored = torch.rand(images, generator=generator) < 0.5
        if self.cutout:
            sides = torch.tensor([self.height, self.width])
            centres = (torch.rand(images, 2, generator=generator) * sides).long()
        return Draws(offsets, mirrored, centres)

    def apply(self, images: Tensor, draws: Draws, grey: Tensor) -> Tensor:
        """float32 [B, C, H, W] in 0..1 from uint8 images. ``grey`` [C] fills the cutouts."""
        rows = torch.arange(self.height, device=images.device).expand(len(images), -1)
        columns = torch.arange(self.width, device=images.device).expand(len(images), -1)
        if draws.mirrored is not None:
            columns = torch.where(draws.mirrored[:, None], columns.flip(1), columns)
        if draws.offsets is not None:
            images = F.pad(images, [self.padding] * 4)
            rows, columns = rows + draws.offsets[:, :1], columns + draws.offsets[:, 1:]
        if draws.offsets is not None or draws.mirrored is not None:
            image = torch.arange(len(images), device=images.device)[:, None, None]
            images = images.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
        scaled = images.contiguous().float() / 255
        if draws.centres is None:
            return scaled
        return torch.where(self._cut_out(draws.centres)[:, None], grey[:, None, None], scaled)

    def _cut_out(self, centres: Tensor) -> Tensor:
        """bool [B, H, W]: a square of the cutout's side, which may reach over the border (DeVries and Taylor 2017)."""
        first = centres - self.cutout // 2
        rows = torch.arange(self.height, device=centres.device) - first[:, :1]
        columns = torch.arange(self.width, device=centres.device) - first[:, 1:]
        inside_rows = (rows >= 0) & (rows < self.cutout)
        inside_columns = (columns >= 0) & (columns < self.cutout)
        return inside_rows[:, :, None] & inside_columns[:, None, :]
