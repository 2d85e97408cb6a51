"""The operators that carry weights, as torch modules.

Convolutions here take input that is rectified already: a node's ReLU is computed once for all convolutions that read it
(the published ReLU-Conv-BN applies its own each time; the function is the same).

A 1x1 convolution with a stride is written as a subsampling and a convolution without one. It is the same sum, and
oneDNN writes past its buffer in the backward pass of the strided form for channels_last input with few channels (oneDNN
issue 6035; seen in torch 2.14.1 as heap corruption with 4 channels).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class ConvNorm(nn.Module):
    """Convolution without bias, then batch normalisation: [B, C_in, H, W] -> [B, C_out, ceil(H/stride), ...]."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.step = stride if kernel == 1 else 1
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride // self.step, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, rectified: Tensor) -> Tensor:
        if self.step > 1:
            rectified = rectified[:, :, :: self.step, :: self.step]
        result: Tensor = self.norm(self.conv(rectified))
        return result


def stem_of(image_channels: int, layers: Sequence[tuple[int, int]]) -> nn.ModuleList:
    """3x3 convolutions in a row. ``layers``: (channels, stride) of each."""
    widths = [image_channels, *(channels for channels, _ in layers)]
    pairs = zip(widths, layers, strict=False)
    return nn.ModuleList(ConvNorm(before, channels, 3, stride) for before, (channels, stride) in pairs)


class FactorizedReduction(nn.Module):
    """A skip connection in a cell that halves the side (TransNAS-Bench-101's FactorizedReduce).

    Half of the output channels come from the even pixels, half from the odd ones (zero where an odd side has none).
    Shapes as in :class:`ConvNorm` with stride 2.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(channels_in, channels_out // 2, 1, bias=False)
        self.odd = nn.Conv2d(channels_in, channels_out - channels_out // 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, rectified: Tensor) -> Tensor:
        height, width = rectified.shape[2:]
        odd_pixels = rectified[:, :, 1::2, 1::2]
        if height % 2 or width % 2:
            odd_pixels = functional.pad(odd_pixels, (0, width % 2, 0, height % 2))
        halves = (self.even(rectified[:, :, ::2, ::2]), self.odd(odd_pixels))
        result: Tensor = self.norm(torch.cat(halves, dim=1))
        return result


class ResidualReduction(nn.Module):
    """NAS-Bench-201's residual block between stages: two ReLU-Conv-BN, beside pooling and a 1x1 convolution.

    [B, C_in, H, W] -> [B, C_out, ceil(H/2), ceil(W/2)]. The published pooling drops the last row of an odd side, where
    the two branches then disagree in shape; here it keeps it.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.first = ConvNorm(channels_in, channels_out, 3, 2)
        self.second = ConvNorm(channels_out, channels_out, 3)
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        features = functional.relu_(self.first(functional.relu(inputs)))
        result: Tensor = self.second(features)
        return result.add_(self.shortcut(functional.avg_pool2d(inputs, 2, ceil_mode=True)))


def average_pool(inputs: Tensor) -> Tensor:
    """avg_pool_3x3: the mean over those of the nine neighbours that lie inside the image. Shape unchanged."""
    return functional.avg_pool2d(inputs, 3, stride=1, padding=1, count_include_pad=False)
