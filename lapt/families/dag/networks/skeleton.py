"""Skeletons: the places of a network's cells, and their widths.

The built network (``backbone.py``) and the closed-form counts (``counts.py``) both use them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from lapt.errors import ConfigError
from lapt.networks.family import NetworkSize

KERNELS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
"""Side of the kernel of ReLU-Conv-BN, by operator."""
POOL = "avg_pool_3x3"


class Block(NamedTuple):
    """One cell or residual block: channels in and out, and its stride (2 halves height and width, rounded up)."""

    kind: str
    """``cell`` or ``residual``."""
    channels_in: int
    channels_out: int
    stride: int

    @property
    def inner(self) -> Block:
        """The same cell as seen by an edge that does not leave the input."""
        return self._replace(channels_in=self.channels_out, stride=1)

    @property
    def keeps_shape(self) -> bool:
        return self.stride == 1 and self.channels_in == self.channels_out


@dataclass(frozen=True)
class Skeleton:
    """The surroundings of the searched cell.

    ``stem``: (channels, stride) of its 3x3 convolutions, each followed by batch normalisation, with a ReLU between two.
    ``final_norm``: batch normalisation and ReLU after the last block. ``kaiming``: convolutions start from He's normal
    initialisation (fan out), else from PyTorch's default.
    """

    stem: tuple[tuple[int, int], ...]
    blocks: tuple[Block, ...]
    final_norm: bool
    kaiming: bool

    @property
    def out_channels(self) -> int:
        return self.blocks[-1].channels_out

    @property
    def reduction(self) -> int:
        """Image side / feature side."""
        product = 1
        for _, stride in self.stem:
            product *= stride
        for block in self.blocks:
            product *= block.stride
        return product


def _nas201(channels: int, cells: int) -> Skeleton:
    """Dong and Yang 2020, figure 1: three stages of N cells, C, 2C and 4C wide, with residual reductions between."""
    blocks: list[Block] = []
    for stage in range(3):
        width = channels * 2**stage
        if stage:
            blocks.append(Block("residual", width // 2, width, 2))
        blocks.extend([Block("cell", width, width, 1)] * cells)
    return Skeleton(stem=((channels, 1),), blocks=tuple(blocks), final_norm=True, kaiming=False)


def _trans101(channels: int, cells: int) -> Skeleton:
    """Duan et al. 2021, macro skeleton 64-41414: five modules; 4 doubles channels and halves the side, 1 keeps both.

    The stem quarters the side. The first cell of a module does what its digit says.
    """
    if channels % 2:
        raise ConfigError("an even number of channels", f"{channels}", "the stem of trans101 starts with half of them")
    blocks: list[Block] = []
    width = channels
    for digit in "41414":
        before, width, stride = width, width * 2 if digit == "4" else width, 2 if digit == "4" else 1
        blocks.append(Block("cell", before, width, stride))
        blocks.extend([Block("cell", width, width, 1)] * (cells - 1))
    return Skeleton(stem=((channels // 2, 2), (channels, 2)), blocks=tuple(blocks), final_norm=False, kaiming=True)


SKELETONS: dict[str, Callable[[int, int], Skeleton]] = {"nas201": _nas201, "trans101": _trans101}
"""Cell family -> function from (channels, cells) to its skeleton."""


def skeleton_of(name: str, size: NetworkSize) -> Skeleton:
    """The published skeleton of the cell family of that name."""
    return SKELETONS[name](size.checked().channels, size.cells)
