"""The operators of DARTS cells as torch modules (Liu, Simonyan and Yang 2019, appendix).

As in ``lapt.networks.operators``, they take input that is rectified already, a 1x1 convolution with a stride is a
subsampling and a convolution, and what halves the side rounds it up.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from lapt.families.darts.family import DARTS
from lapt.families.darts.networks.skeleton import DILATED, SEPARABLE
from lapt.networks.operators import FactorizedReduction


class SeparableConv(nn.Module):
    """Depthwise k x k and 1x1 convolution, batch normalisation; ReLU; the same again without the stride.

    [B, C, H, W], rectified -> [B, C, ceil(H/stride), ceil(W/stride)].
    """

    def __init__(self, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.first = _half(channels, kernel, stride, 1)
        self.second = _half(channels, kernel, 1, 1)

    def forward(self, rectified: Tensor) -> Tensor:
        result: Tensor = self.second(functional.relu_(self.first(rectified)))
        return result


class DilatedConv(nn.Module):
    """Depthwise k x k convolution that reads every second pixel, 1x1 convolution, batch normalisation.

    Shapes as of :class:`SeparableConv`.
    """

    def __init__(self, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.only = _half(channels, kernel, stride, 2)

    def forward(self, rectified: Tensor) -> Tensor:
        result: Tensor = self.only(rectified)
        return result


class MaxPool(nn.Module):
    """max_pool_3x3 of what is not rectified: [B, C, H, W] -> [B, C, ceil(H/stride), ceil(W/stride)]."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.max_pool2d(inputs, 3, self.stride, 1)


class MeanPool(nn.Module):
    """avg_pool_3x3, over those of the nine neighbours that lie inside the image. Shapes as of :class:`MaxPool`."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.avg_pool2d(inputs, 3, self.stride, 1, count_include_pad=False)


def _half(channels: int, kernel: int, stride: int, dilation: int) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


def operator_module(operator: str, channels: int, stride: int) -> nn.Module | None:
    """The module of an edge; None for the identity, which computes nothing."""
    if operator in SEPARABLE:
        return SeparableConv(channels, SEPARABLE[operator], stride)
    if operator in DILATED:
        return DilatedConv(channels, DILATED[operator], stride)
    if operator == DARTS.identity:
        return None if stride == 1 else FactorizedReduction(channels, channels)
    return MaxPool(stride) if operator == "max_pool_3x3" else MeanPool(stride)


def reads_rectified(module: nn.Module) -> bool:
    """Whether the module reads values after the ReLU. Poolings read them before it."""
    return not isinstance(module, MaxPool | MeanPool)
