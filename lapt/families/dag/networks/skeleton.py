"""Skeletons: the places of a network's cells and their widths, and the size of a network in closed form.

The counts follow the published definition, which builds every edge, dead or not. No module is built for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from lapt.errors import ConfigError
from lapt.families.dag.cell import DagCell
from lapt.networks.family import Built, Counts, NetworkSize, Size
from lapt.spaces import Architecture

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


class _Costs(NamedTuple):
    """The cost of a skeleton around its cells, and what an edge with an operator adds over all cells together.

    ``last``: the part of ``around`` behind the last cell, which a cell without a live edge leaves over.
    """

    around: Counts
    last: Counts
    edges: Mapping[tuple[str, bool], Counts]
    """Keys: the operator, and whether the edge leaves the cell's input."""
    out_channels: int
    out_size: Size


def dag_counts(family: DagCell, architecture: Architecture, size: NetworkSize, classes: int | None) -> Counts:
    """The counts of a DAG cell's network, as ``lapt.networks.counts`` defines them."""
    costs = _costs(family, size)
    height, width = costs.out_size
    total = costs.around
    for (source, _), operator in zip(family.edges, architecture.operators, strict=True):
        total = total.plus(costs.edges[operator, source == 0])
    if classes is not None:
        pooled = (height + 1) * (width + 1)
        total = total.plus(Counts((costs.out_channels + 1) * classes, costs.out_channels * (pooled + classes)))
    return total


def dag_built(family: DagCell, architecture: Architecture, size: NetworkSize) -> Built:
    """The counts of what ``Backbone`` builds: the live edges, or the last normalisation alone if none is live.

    An identity that changes the shape is a convolution; a pooling and any other identity have no weights.
    """
    costs, skeleton = _costs(family, size), skeleton_of(family.name, size)
    live = family.live_edges(architecture.operators)
    total = costs.around if live else costs.last
    for edge in live:
        source, _ = family.edges[edge]
        total = total.plus(costs.edges[architecture.operators[edge], source == 0])
    return Built(total, skeleton.out_channels, skeleton.reduction)


@lru_cache(maxsize=64)
def _costs(family: DagCell, built: NetworkSize) -> _Costs:
    skeleton = skeleton_of(family.name, built)
    around, width, size = Counts(), built.image_channels, built.image_size
    for position, (stem_channels, stride) in enumerate(skeleton.stem):
        block = Block("stem", width, stem_channels, stride)
        around = around.plus(_convolution(block, 3, size, rectified=position > 0))
        width, size = stem_channels, _halved(size, stride)
    edges = {(operator, leaves): Counts() for operator in family.operators for leaves in (True, False)}
    for block in skeleton.blocks:
        after = _halved(size, block.stride)
        if block.kind == "residual":
            around = around.plus(_residual(block, size))
        else:
            for operator, leaves in edges:
                seen = (block, size) if leaves else (block.inner, after)
                edges[operator, leaves] = edges[operator, leaves].plus(_operator(family, operator, *seen))
        width, size = block.channels_out, after
    last = Counts(2 * width, 3 * width * _pixels(size)) if skeleton.final_norm else Counts()
    return _Costs(around.plus(last), last, edges, width, size)


def _operator(family: DagCell, operator: str, block: Block, size: Size) -> Counts:
    if operator in KERNELS:
        return _convolution(block, KERNELS[operator], size)
    if operator == POOL:
        return Counts(0, 9 * block.channels_out * _pixels(_halved(size, block.stride)))
    if operator == family.identity and not block.keeps_shape:
        # The two convolutions of a factorised reduction have half of the outputs each.
        return _convolution(block, 1, size)
    return Counts()


def _convolution(block: Block, kernel: int, size: Size, *, rectified: bool = True) -> Counts:
    """ReLU, convolution, batch normalisation; the ReLU is left out where the input needs none."""
    weights = kernel**2 * block.channels_in * block.channels_out
    after = _pixels(_halved(size, block.stride))
    relu = block.channels_in * _pixels(size) if rectified else 0
    return Counts(weights + 2 * block.channels_out, relu + weights * after + 2 * block.channels_out * after)


def _residual(block: Block, size: Size) -> Counts:
    """Two ReLU-Conv-BN; beside them a 2x2 pooling and a 1x1 convolution."""
    after = _halved(size, block.stride)
    weights = block.channels_in * block.channels_out
    shortcut = Counts(weights, (weights + 4 * block.channels_in) * _pixels(after))
    return shortcut.plus(_convolution(block, 3, size)).plus(_convolution(block.inner, 3, after))


def _halved(size: Size, stride: int) -> Size:
    return -(-size[0] // stride), -(-size[1] // stride)


def _pixels(size: Size) -> int:
    return size[0] * size[1]
