"""Principles of the literature for DARTS cells."""

from __future__ import annotations

from lapt.families.darts.cell import DartsCell
from lapt.families.darts.genotype import KINDS, Edge
from lapt.reasoning.experts.principle import experts_beside
from lapt.spaces import Architecture

POOLS = ("max_pool_3x3", "avg_pool_3x3")


def _edges(cell: DartsCell, architecture: Architecture, kind: str) -> list[Edge]:
    """The edges of one of the two cells, without those that are none."""
    return [edge for node in cell.cells(architecture)[KINDS.index(kind)] for edge in node if edge.operator != cell.zero]


def separable(cell: DartsCell, architecture: Architecture) -> bool:
    return sum(edge.operator.startswith("sep_conv") for edge in _edges(cell, architecture, "normal")) >= 4


def no_pooling(cell: DartsCell, architecture: Architecture) -> bool:
    return all(edge.operator not in POOLS for edge in _edges(cell, architecture, "normal"))


def few_identities(cell: DartsCell, architecture: Architecture) -> bool:
    return sum(edge.operator == cell.identity for edge in _edges(cell, architecture, "normal")) <= 2


def residual(cell: DartsCell, architecture: Architecture) -> bool:
    """Whether some node adds an identity of an input to a convolution."""
    return any(
        any(edge.operator == cell.identity and edge.source < 2 for edge in node)
        and any("conv" in edge.operator for edge in node)
        for node in cell.cells(architecture)[0]
    )


def wide(cell: DartsCell, architecture: Architecture) -> bool:
    return sum(edge.source < 2 for edge in _edges(cell, architecture, "normal")) >= 6


def connected(cell: DartsCell, architecture: Architecture) -> bool:
    return sum(len(_edges(cell, architecture, kind)) for kind in KINDS) >= 15


def early(cell: DartsCell, architecture: Architecture) -> bool:
    return all("conv" in edge.operator for edge in cell.cells(architecture)[0][0])


EXPERTS = experts_beside(__name__, separable, no_pooling, few_identities, residual, wide, connected, early)
"""Expert principles for DARTS cells."""
