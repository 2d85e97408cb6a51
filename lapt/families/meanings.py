"""The operators of the cells that come with LAPT, in words that a prompt can use."""

from __future__ import annotations

OPERATORS: dict[str, str] = {
    "none": "zero: the edge does not exist",
    "skip_connect": "identity, no parameters (with stride 2: a learned factorised reduction)",
    "nor_conv_1x1": "ReLU, 1x1 convolution, batch normalisation: mixes channels, sees one position",
    "nor_conv_3x3": "ReLU, 3x3 convolution, batch normalisation: mixes channels, sees 3x3 positions; most parameters",
    "avg_pool_3x3": "3x3 average pooling, stride 1: smooths, no parameters",
    "max_pool_3x3": "3x3 max pooling: keeps the strongest response, no parameters",
    "sep_conv_3x3": "twice ReLU, depthwise 3x3 convolution, 1x1 convolution, batch normalisation: sees 5x5 positions",
    "sep_conv_5x5": "as sep_conv_3x3 with 5x5 kernels: sees 9x9 positions; most parameters",
    "dil_conv_3x3": "ReLU, depthwise 3x3 convolution with dilation 2, 1x1 convolution, batch normalisation: sees 5x5 "
    "positions, half the parameters of sep_conv_3x3",
    "dil_conv_5x5": "as dil_conv_3x3 with 5x5 kernels: sees 9x9 positions",
}
"""Operator -> what it computes. A space may have others: nothing is said of those."""
