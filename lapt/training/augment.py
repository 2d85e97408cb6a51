"""Random changes of whole batches, on the device, with draws made beforehand.

Crop, mirror and cutout are computed for a batch at once. Resized crops, colours and RandAugment are torchvision's, an
image at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from lapt.errors import DataError
from lapt.training.recipe import Augmentation
from lapt.training.tasks import Task


@dataclass(frozen=True)
class Draws:
    """Random draws for N images. They are made on the CPU for a whole epoch, so the batch size and the device do not
    change them.

    ``offsets``: int64 [N, 2], row and column of the crop in the padded image; ``mirrored``: bool [N]; ``centres``:
    int64 [N, 2], row and column of the cutout; ``seeds``: int64 [N], of torchvision's draws for an image. None if there
    is no such augmentation.
    """

    offsets: Tensor | None
    mirrored: Tensor | None
    centres: Tensor | None
    seeds: Tensor | None = None

    def at(self, indices: Tensor) -> Draws:
        return self._each(lambda drawn: drawn[indices])

    def to(self, device: torch.device) -> Draws:
        return self._each(lambda drawn: drawn.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Draws:
        every = (getattr(self, field.name) for field in fields(self))
        return Draws(*(None if drawn is None else change(drawn) for drawn in every))


class Augmenter:
    """The recipe's augmentations that keep the task's targets right, for images of one shape."""

    def __init__(self, augmentation: Augmentation, task: Task) -> None:
        _, self.height, self.width = task.shape
        padding = augmentation.crop_padding
        if padding is None:
            padding = min(self.height, self.width) // 8
        self.padding = padding if "crop" in task.augmentations and not augmentation.resized_crop else 0
        flip = task.flippable if augmentation.flip is None else augmentation.flip
        self.flip = flip and "flip" in task.augmentations
        self.cutout = augmentation.cutout if "cutout" in task.augmentations else 0
        self._by_image = _by_image(augmentation, task)

    def draw(self, images: int, generator: torch.Generator) -> Draws:
        offsets = mirrored = centres = None
        if self.padding:
            offsets = torch.randint(2 * self.padding + 1, (images, 2), generator=generator)
        if self.flip:
            mirrored = torch.rand(images, generator=generator) < 0.5
        if self.cutout:
            sides = torch.tensor([self.height, self.width])
            centres = (torch.rand(images, 2, generator=generator) * sides).long()
        seeds = None if self._by_image is None else torch.randint(2**62, (images,), generator=generator)
        return Draws(offsets, mirrored, centres, seeds)

    def apply(self, images: Tensor, draws: Draws, grey: Tensor) -> Tensor:
        """float32 [B, C, H, W] in 0..1 from uint8 images. ``grey`` [C] fills the cutouts."""
        if self._by_image is not None and draws.seeds is not None:
            images = _apart(self._by_image, images, draws.seeds.tolist())
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


def _by_image(augmentation: Augmentation, task: Task) -> Callable[[Tensor], Tensor] | None:
    """torchvision's changes of one image, uint8 [C, H, W]; None if there are none.

    Raises DataError for images that are neither grey nor RGB.
    """
    resized = augmentation.resized_crop if "crop" in task.augmentations else 0.0
    colour = augmentation.colour if "colour" in task.augmentations else 0.0
    strength = augmentation.rand_augment if "any" in task.augmentations else 0
    channels, height, width = task.shape
    if not (resized or colour or strength):
        return None
    if (colour or strength) and channels not in (1, 3):
        named = "colour" if colour else "rand_augment"
        raise DataError(
            f"grey or RGB images for recipe.augmentation.{named}", f"{channels} channels", f"say {named}: 0"
        )
    from torchvision.transforms import v2  # type: ignore[import-untyped]

    steps = [
        v2.RandomResizedCrop((height, width), scale=(resized, 1.0)) if resized else None,
        v2.ColorJitter(colour, colour, colour, colour / 2) if colour else None,
        v2.RandAugment(num_ops=2, magnitude=strength) if strength else None,
    ]
    changes: Callable[[Tensor], Tensor] = v2.Compose([step for step in steps if step is not None])
    return changes


def _apart(change: Callable[[Tensor], Tensor], images: Tensor, seeds: list[int]) -> Tensor:
    """Each image changed with a seed of its own. Torch's global generator stays as it was."""
    found = []
    with torch.random.fork_rng(devices=[]):
        for image, seed in zip(images, seeds, strict=True):
            torch.default_generator.manual_seed(seed)
            found.append(change(image))
    return torch.stack(found)
