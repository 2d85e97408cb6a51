"""One thread, the digits, and a network of three convolutions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from lapt.data.images import ImageData, split
from lapt.data.sources import load_images


class ThreeConvolutions(nn.Module):
    out_channels, reduction = 16, 4

    def __init__(self, channels: int = 1, *, norm: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, stride in ((channels, 8, 1), (8, 16, 2), (16, 16, 2)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs) if norm else nn.Identity()]
            layers += [nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.layers(images)
        return features


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def three_convolutions() -> Callable[..., ThreeConvolutions]:
    return ThreeConvolutions


@pytest.fixture(scope="session")
def digits() -> tuple[ImageData, ImageData]:
    """(training, validation)."""
    return split(load_images("digits").train, 0.25, 0)


@pytest.fixture
def noise() -> Callable[..., ImageData]:
    """Random images of a shape (C, H, W), two classes in turn."""

    def make(count: int, *shape: int, targets: Tensor | None = None) -> ImageData:
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(256, (count, *shape), generator=generator, dtype=torch.uint8)
        return ImageData(images, torch.arange(count) % 2, ("even", "odd"), targets=targets)

    return make
