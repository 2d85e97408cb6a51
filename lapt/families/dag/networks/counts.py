"""The size of an architecture's published network, in closed form: no module is built.

The published definition builds every edge, dead or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from lapt.families.dag.cell import DagCell
from lapt.families.dag.networks.skeleton import KERNELS, POOL, Block, skeleton_of
from lapt.networks.family import Counts, NetworkSize, Size
from lapt.spaces import Architecture


class _Costs(NamedTuple):
    """The cost of a skeleton around its cells, and what an edge with an operator adds over all cells together."""

    around: Counts
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
    if skeleton.final_norm:
        around = around.plus(Counts(2 * width, 3 * width * _pixels(size)))
    return _Costs(around, edges, width, size)


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
