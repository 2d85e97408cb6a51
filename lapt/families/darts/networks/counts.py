"""The sizes of DARTS networks, in closed form: no module is built.

Multiply-adds are those of convolutions and linear layers, as the literature on DARTS counts them.
"""

from __future__ import annotations

from functools import lru_cache

from lapt.families.darts.family import DARTS
from lapt.families.darts.genotype import FIRST, Genotype
from lapt.families.darts.networks.skeleton import DILATED, SEPARABLE, Place, darts_skeleton, edges_of
from lapt.networks.family import Counts, NetworkSize, Size


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
