"""Builders that declarations in tests name: networks of some layers, one behind the other, and mistakes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lapt.spaces import Architecture

KERNELS = {"conv3": 3, "conv1": 1}
not_callable = 3


def build(architecture: Architecture, *, channels: int, cells: int, image_channels: int) -> nn.Module:
    """``cells`` convolutions a layer, or none where it is skipped; the side is halved behind the second layer."""
    modules: list[nn.Module] = [nn.Conv2d(image_channels, channels, 3, padding=1)]
    for place, operator in enumerate(architecture.operators):
        for _ in range(cells if operator in KERNELS else 0):
            kernel = KERNELS[operator]
            modules += [nn.ReLU(), nn.Conv2d(channels, channels, kernel, padding=kernel // 2)]
        if place == 1:
            modules.append(nn.MaxPool2d(2))
    return nn.Sequential(*modules)


def not_of_convolutions_alone(architecture: Architecture, **size: int) -> nn.Module:
    if set(architecture.operators) == {"conv3", "conv1"}:
        raise ValueError("too many convolutions")
    return build(architecture, **size)


def of_other_arguments(architecture: Architecture, width: int) -> nn.Module:
    return nn.Conv2d(1, width, 1)


def no_module(architecture: Architecture, **size: int) -> object:
    return architecture


def without_padding(architecture: Architecture, *, image_channels: int, **size: int) -> nn.Module:
    return nn.Conv2d(image_channels, 4, 3)


def classifier(architecture: Architecture, **size: int) -> nn.Module:
    return nn.Sequential(build(architecture, **size), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))


def of_three_channels(architecture: Architecture, **size: int) -> nn.Module:
    return nn.Conv2d(3, 4, 1)


class _Pair(nn.Module):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images, torch.zeros(1)


def two_outputs(architecture: Architecture, **size: int) -> nn.Module:
    return _Pair()
