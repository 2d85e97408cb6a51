"""The skeleton of DARTS networks, which ``family.py`` builds, and their size in closed form.

Multiply-adds are those of convolutions and linear layers, as the literature on DARTS counts them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from lapt.errors import ConfigError, SpaceError
from lapt.families.darts.family import DARTS
from lapt.families.darts.genotype import FIRST, Edge, Genotype
from lapt.networks.family import Counts, NetworkSize, Size

SEPARABLE = {"sep_conv_3x3": 3, "sep_conv_5x5": 5}
"""Side of the kernel, by operator."""
DILATED = {"dil_conv_3x3": 3, "dil_conv_5x5": 5}
AUXILIARY_WIDTHS = 128, 768
"""Channels of the two convolutions of the auxiliary head."""


class Place(NamedTuple):
    """One cell of a network.

    ``before``, ``last``: channels of the outputs of the last but one and the last cell, which it reads. ``halved``:
    whether the first of these has twice the side of the second. ``channels``: of each of its nodes.
    """

    kind: str
    """``normal`` or ``reduce``."""
    before: int
    last: int
    halved: bool
    channels: int


class DartsSkeleton(NamedTuple):
    """A network without its operators. ``stem``: (channels, stride) of its 3x3 convolutions, in order. ``auxiliary``:
    the place whose output the auxiliary head reads, that of the second reduction cell."""

    stem: tuple[tuple[int, int], ...]
    places: tuple[Place, ...]
    auxiliary: int
    out_channels: int
    reduction: int
    """Image side / feature side."""

    @property
    def auxiliary_channels(self) -> int:
        return self.places[self.auxiliary + 1].last


def darts_skeleton(found: Genotype, size: NetworkSize) -> DartsSkeleton:
    """Three stages of ``cells`` normal cells, C, 2C and 4C wide a node, with reduction cells between (Liu et al. 2019).

    3 ``cells`` + 2 layers in all; published 20 (``cells`` 6, ``channels`` C = 36) on CIFAR and 14 (4 and 48) on
    ImageNet. Raises ConfigError for sizes that cannot be built, SpaceError for a genotype that is none.
    """
    channels, cells, stem = size.checked().channels, size.cells, size.stem
    if stem == "imagenet" and channels % 2:
        raise ConfigError("an even number of channels", f"{channels}", "the imagenet stem starts with half of them")
    checked(found)
    widths = ((3 * channels, 1),) if stem == "cifar" else ((channels // 2, 2), (channels, 2), (channels, 2))
    before = last = widths[-1][0]
    halved, width, places = stem == "imagenet", channels, []
    for layer in range(3 * cells + 2):
        reduces = layer in (cells, 2 * cells + 1)
        width *= 2 if reduces else 1
        places.append(Place("reduce" if reduces else "normal", before, last, halved, width))
        concat = found.reduce_concat if reduces else found.normal_concat
        before, last, halved = last, len(concat) * width, reduces
    return DartsSkeleton(widths, tuple(places), 2 * cells + 1, last, 4 if stem == "cifar" else 32)


def edges_of(found: Genotype, kind: str) -> dict[str, tuple[int, Edge]]:
    """The edges that are not ``none``, by name: "0->2" reads input 0 into node 2. Value: (node, edge).

    Further edges between the same two, which free genotypes may have, are "0->2 again".
    """
    named: dict[str, tuple[int, Edge]] = {}
    for node, edges in enumerate(found.normal if kind == "normal" else found.reduce, start=FIRST):
        for edge in edges:
            name = f"{edge.source}->{node}"
            while name in named:
                name += " again"
            if edge.operator != DARTS.zero:
                named[name] = node, edge
    return named


def checked(found: Genotype) -> Genotype:
    """The genotype itself. Raises SpaceError when a network cannot be built of it."""
    faults = []
    cells = (("normal", found.normal, found.normal_concat), ("reduce", found.reduce, found.reduce_concat))
    for kind, nodes, concat in cells:
        exists = {0, 1, *(number for number, edges in enumerate(nodes, start=FIRST) if edges)}
        faults += [f"{kind}_concat of {number}" for number in concat if number not in exists or number < FIRST]
        for number, edges in enumerate(nodes, start=FIRST):
            faults += [
                f"{kind} node {number} reads {e.source}"
                for e in edges
                if not e.source < number or e.source not in exists
            ]
            faults += [f"the operator {e.operator!r:.40}" for e in edges if e.operator not in DARTS.operators]
        if not concat:
            faults.append(f"{kind}_concat of nothing")
    if faults:
        raise SpaceError(
            f"a genotype of nodes that read earlier ones by operators among {list(DARTS.operators)}",
            "; ".join(faults[:3]),
            "mend the genotype",
        )
    return found


@lru_cache(maxsize=4096)
def darts_counts(found: Genotype, built: NetworkSize, classes: int | None = None) -> Counts:
    """The counts of a genotype's network; without the classifier if ``classes`` is None."""
    skeleton = darts_skeleton(found, built)
    total, width, size = Counts(), built.image_channels, built.image_size
    for wide, stride in skeleton.stem:
        size = _halved(size, stride)
        total, width = total.plus(_convolution(9 * width * wide, wide, size)), wide
    for place in skeleton.places:
        after = _halved(size, 1 if place.kind == "normal" else 2)
        total, size = total.plus(_cell(found, place, size, after)), after
    if classes is not None:
        weights = skeleton.out_channels * classes
        total = total.plus(Counts(weights + classes, weights))
    return total


def _cell(found: Genotype, place: Place, size: Size, after: Size) -> Counts:
    wide = place.channels
    total = _convolution(place.before * wide, wide, size).plus(_convolution(place.last * wide, wide, size))
    for _, edge in edges_of(found, place.kind).values():
        reduces = place.kind == "reduce" and edge.source < FIRST
        total = total.plus(_operator(edge.operator, wide, after, reduces))
    return total


def _operator(operator: str, wide: int, size: Size, reduces: bool) -> Counts:
    """The counts of an operator. ``size``: the size of its output."""
    if operator in SEPARABLE:
        once = _convolution((SEPARABLE[operator] ** 2 + wide) * wide, wide, size)
        return once.plus(once)
    if operator in DILATED:
        return _convolution((DILATED[operator] ** 2 + wide) * wide, wide, size)
    if operator == DARTS.identity and reduces:
        return _convolution(wide * wide, wide, size)  # two convolutions with half of the channels each
    return Counts()


def _convolution(weights: int, wide: int, size: Size) -> Counts:
    """The counts of convolutions with so many weights, and of a batch normalisation of ``wide`` channels."""
    return Counts(weights + 2 * wide, weights * size[0] * size[1])


def _halved(size: Size, stride: int) -> Size:
    return -(-size[0] // stride), -(-size[1] // stride)
