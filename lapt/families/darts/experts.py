"""Principles of the literature for DARTS cells."""

from __future__ import annotations

from collections.abc import Iterable

from lapt.families.darts.cell import DartsCell
from lapt.families.darts.family import DARTS
from lapt.families.darts.genotype import KINDS, Edge
from lapt.principles import Effect
from lapt.reasoning.experts.principle import ExpertPrinciple
from lapt.spaces import Architecture

POOLS = ("max_pool_3x3", "avg_pool_3x3")
NORMAL = tuple(layer for layer in DARTS.layer_names if layer.startswith("normal"))
REDUCE = tuple(layer for layer in DARTS.layer_names if layer.startswith("reduce"))


def _edges(cell: DartsCell, architecture: Architecture, kind: str) -> list[Edge]:
    """The edges of one of the two cells, without those that are none."""
    return [edge for node in cell.cells(architecture)[KINDS.index(kind)] for edge in node if edge.operator != cell.zero]


def _separable(cell: DartsCell, architecture: Architecture) -> bool:
    return sum(edge.operator.startswith("sep_conv") for edge in _edges(cell, architecture, "normal")) >= 4


def _no_pooling(cell: DartsCell, architecture: Architecture) -> bool:
    return all(edge.operator not in POOLS for edge in _edges(cell, architecture, "normal"))


def _few_identities(cell: DartsCell, architecture: Architecture) -> bool:
    return sum(edge.operator == cell.identity for edge in _edges(cell, architecture, "normal")) <= 2


def _residual(cell: DartsCell, architecture: Architecture) -> bool:
    """Whether some node adds an identity of an input to a convolution."""
    return any(
        any(edge.operator == cell.identity and edge.source < 2 for edge in node)
        and any("conv" in edge.operator for edge in node)
        for node in cell.cells(architecture)[0]
    )


def _wide(cell: DartsCell, architecture: Architecture) -> bool:
    return sum(edge.source < 2 for edge in _edges(cell, architecture, "normal")) >= 6


def _connected(cell: DartsCell, architecture: Architecture) -> bool:
    return sum(len(_edges(cell, architecture, kind)) for kind in KINDS) >= 15


def _early(cell: DartsCell, architecture: Architecture) -> bool:
    return all("conv" in edge.operator for edge in cell.cells(architecture)[0][0])


def _on(layers: Iterable[str], effect: Effect, *candidates: str) -> tuple[tuple[str, str, Effect], ...]:
    return tuple((layer, candidate, effect) for layer in layers for candidate in candidates)


EXPERTS = (
    ExpertPrinciple(
        "Separable convolutions do most of the work: half of the normal cell's layers or more.",
        "Zoph et al. 2018, NASNet, and Liu et al. 2019, DARTS: the cells that were found",
        _separable,
        _on(NORMAL, "keep", "sep_conv_3x3", "sep_conv_5x5"),
    ),
    ExpertPrinciple(
        "No pooling in the normal cell: it costs accuracy where a convolution could stand.",
        "Ying et al. 2019, NAS-Bench-101",
        _no_pooling,
        _on(NORMAL, "avoid", *POOLS),
    ),
    ExpertPrinciple(
        "Few identities: two or less in the normal cell, which more of them leave too shallow to learn.",
        "Chen et al. 2019, P-DARTS; Zela et al. 2020: cells of many skips fail",
        _few_identities,
        _on(NORMAL[4:], "avoid", "skip_connect"),
    ),
    ExpertPrinciple(
        "An identity carries an input of the normal cell around a convolution.",
        "He et al. 2016, residual learning",
        _residual,
        _on(("normal.2a", "normal.3a"), "keep", "skip_connect"),
    ),
    ExpertPrinciple(
        "The normal cell is wide and shallow: six of its layers or more read an input.",
        "Shu et al. 2020, common connection patterns of cell-based search",
        _wide,
        (
            *_on(("normal.3a", "normal.4a", "normal.5a"), "keep", "input0"),
            *_on(("normal.3b", "normal.4b", "normal.5b"), "keep", "input1"),
        ),
    ),
    ExpertPrinciple(
        "Convolutions read both inputs of the normal cell first: local patterns are found before they are mixed.",
        "Xiao et al. 2021, early convolutions",
        _early,
        _on(("normal.2a", "normal.2b"), "keep", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"),
    ),
    ExpertPrinciple(
        "Few edges are cut: one of sixteen at most.",
        "Huang et al. 2017, DenseNet: features are reused over many connections",
        _connected,
        _on((*NORMAL, *REDUCE), "avoid", "none"),
    ),
)
"""Expert principles for DARTS cells. Most were found on CIFAR and ImageNet, an advantage with these as targets."""
