"""Heads on a backbone's features [B, C, h, w]: one linear layer, with or without units, or a light decoder."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def pooled(channels: int, outputs: int, *, grid: int = 1) -> nn.Sequential:
    """Mean over each of grid x grid places of the features, then a linear layer: [B, outputs]."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(grid), nn.Flatten(), nn.Linear(channels * grid * grid, outputs))


class Rescaled(nn.Module):
    """Standardised quantities [B, K] in their units. Their means and standard deviations are kept with the weights."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, components: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(components))
        self.register_buffer("deviation", torch.ones(components))

    def forward(self, standardised: Tensor) -> Tensor:
        return standardised * self.deviation + self.mean

    def extra_repr(self) -> str:
        return str(len(self.mean))


class Decoder(nn.Module):
    """Features [B, channels, h, w], sides rounded up, to [B, outputs, height, width].

    A step for each factor between the sides: 3x3 convolution, sub-pixel upsampling (Shi et al. 2016; its gradient is
    deterministic on GPUs, unlike that of interpolation), BatchNorm, ReLU. A last 3x3 convolution gives the outputs.
    """

    def __init__(self, channels: int, outputs: int, reduction: int, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width
        steps: list[nn.Module] = []
        # A reduction of 32 leaves one place of 8 x 8 pixels: eight times is enough.
        for factor in _factors(max(math.ceil(side / math.ceil(side / reduction)) for side in (height, width))):
            narrower = max(16, channels // 2)
            steps += [
                nn.Conv2d(channels, narrower * factor**2, 3, padding=1, bias=False),
                nn.PixelShuffle(factor),
                nn.BatchNorm2d(narrower),
                nn.ReLU(),
            ]
            channels = narrower
        self.steps = nn.Sequential(*steps, nn.Conv2d(channels, outputs, 3, padding=1))

    def forward(self, features: Tensor) -> Tensor:
        output: Tensor = self.steps(features)
        return output[:, :, : self.height, : self.width]


def _factors(factor: int) -> list[int]:
    """Factors of 2, then the rest."""
    factors = []
    while factor % 2 == 0:
        factors.append(2)
        factor //= 2
    return [*factors, factor] if factor > 1 else factors
