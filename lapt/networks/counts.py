"""How large an architecture's published network is, in closed form: no module is built.

The published definition builds every edge, dead or not. ``live_parameters`` counts what LAPT builds and trains. DARTS
networks are counted in ``darts_counts``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from torch import nn

from lapt.networks.darts.counts import Size, darts_counts
from lapt.networks.darts.skeleton import Stem
from lapt.networks.skeleton import KERNELS, POOL, Block, family_of, skeleton_of
from lapt.spaces import Architecture, DagCell, DartsCell, SearchSpace


class _Cost(NamedTuple):
    parameters: int = 0
    flops: int = 0

    def plus(self, other: _Cost) -> _Cost:
        return _Cost(self.parameters + other.parameters, self.flops + other.flops)


class _Costs(NamedTuple):
    """What a skeleton costs around its cells, and what an edge with an operator adds over all cells together."""

    around: _Cost
    edges: Mapping[tuple[str, bool], _Cost]
    """By operator and whether the edge leaves the cell's input."""
    out_channels: int
    out_size: Size


def parameters(
    space: SearchSpace,
    architecture: Architecture,
    *,
    channels: int,
    cells: int,
    classes: int | None = None,
    image_channels: int = 3,
    stem: Stem = "cifar",
) -> int:
    """Weights of the published network, dead edges included; ``classes`` None: without the classifier.

    Equals the benchmarks' own counts: NAS-Bench-201 with 16 channels, 5 cells, 10 classes (CIFAR-10);
    TransNAS-Bench-101 with 64 channels, 2 cells, 63 classes (class_scene, which was then trained on 47); DARTS with 36
    channels, 6 cells, 10 classes (CIFAR-10). ``stem``: of DARTS networks.
    """
    if isinstance(space.family, DartsCell):
        found = space.family.genotype(architecture)
        size = {"channels": channels, "cells": cells, "image_channels": image_channels}
        return darts_counts(found, **size, classes=classes, stem=stem).parameters
    family = family_of(space, architecture)
    costs = _costs(family, channels, cells, image_channels, (32, 32))
    head = 0 if classes is None else (costs.out_channels + 1) * classes
    return head + costs.around.parameters + sum(cost.parameters for cost in _edges(family, architecture, costs))


def flops(
    space: SearchSpace,
    architecture: Architecture,
    *,
    channels: int,
    cells: int,
    image_size: Size,
    classes: int | None = None,
    image_channels: int = 3,
    stem: Stem = "cifar",
) -> int:
    """Multiply-adds of one image through the published network, as the benchmarks' tables count them.

    One for each product of a convolution or linear layer, two for each value normalised, one for each value rectified,
    k^2 for each value pooled from k x k; the final pooling of h x w costs (h + 1)(w + 1) a channel, which is read off
    the tables (both have h = w = 8). Sums of edges are free, dead edges are not. NAS-Bench-201's paper counts
    convolutions and the linear layer alone (184.73 M for its best cell, 187.04 M here), and so does the literature on
    DARTS, which is followed for its networks.

    ``image_size``: (height, width); published (32, 32), (256, 256), (32, 32). ``classes`` None: the backbone alone.
    """
    if isinstance(space.family, DartsCell):
        found = space.family.genotype(architecture)
        size = {"channels": channels, "cells": cells, "image_channels": image_channels}
        return darts_counts(found, **size, classes=classes, image_size=image_size, stem=stem).flops
    family = family_of(space, architecture)
    costs = _costs(family, channels, cells, image_channels, image_size)
    height, width = costs.out_size
    head = 0 if classes is None else costs.out_channels * ((height + 1) * (width + 1) + classes)
    return head + costs.around.flops + sum(cost.flops for cost in _edges(family, architecture, costs))


def live_parameters(network: nn.Module) -> int:
    """Weights that a built network holds: those that its output depends on."""
    return sum(parameter.numel() for parameter in network.parameters())


def _edges(family: DagCell, architecture: Architecture, costs: _Costs) -> list[_Cost]:
    return [
        costs.edges[operator, source == 0]
        for (source, _), operator in zip(family.edges, architecture.operators, strict=True)
    ]


@lru_cache(maxsize=64)
def _costs(family: DagCell, channels: int, cells: int, image_channels: int, image_size: Size) -> _Costs:
    skeleton = skeleton_of(family.name, channels=channels, cells=cells)
    around, width, size = _Cost(), image_channels, image_size
    for position, (stem_channels, stride) in enumerate(skeleton.stem):
        block = Block("stem", width, stem_channels, stride)
        around = around.plus(_convolution(block, 3, size, rectified=position > 0))
        width, size = stem_channels, _halved(size, stride)
    edges = {(operator, leaves): _Cost() for operator in family.operators for leaves in (True, False)}
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
        around = around.plus(_Cost(2 * width, 3 * width * _pixels(size)))
    return _Costs(around, edges, width, size)


def _operator(family: DagCell, operator: str, block: Block, size: Size) -> _Cost:
    if operator in KERNELS:
        return _convolution(block, KERNELS[operator], size)
    if operator == POOL:
        return _Cost(0, 9 * block.channels_out * _pixels(_halved(size, block.stride)))
    if operator == family.identity and not block.keeps_shape:
        # The two convolutions of a factorised reduction have half of the outputs each.
        return _convolution(block, 1, size)
    return _Cost()


def _convolution(block: Block, kernel: int, size: Size, *, rectified: bool = True) -> _Cost:
    """ReLU, convolution, batch normalisation; the ReLU is left out where the input needs none."""
    weights = kernel**2 * block.channels_in * block.channels_out
    after = _pixels(_halved(size, block.stride))
    relu = block.channels_in * _pixels(size) if rectified else 0
    return _Cost(weights + 2 * block.channels_out, relu + weights * after + 2 * block.channels_out * after)


def _residual(block: Block, size: Size) -> _Cost:
    """Two ReLU-Conv-BN; beside them a 2x2 pooling and a 1x1 convolution."""
    after = _halved(size, block.stride)
    weights = block.channels_in * block.channels_out
    shortcut = _Cost(weights, (weights + 4 * block.channels_in) * _pixels(after))
    return shortcut.plus(_convolution(block, 3, size)).plus(_convolution(block.inner, 3, after))


def _halved(size: Size, stride: int) -> Size:
    return -(-size[0] // stride), -(-size[1] // stride)


def _pixels(size: Size) -> int:
    return size[0] * size[1]
