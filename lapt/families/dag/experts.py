"""Principles of the literature for cells on a fixed graph."""

from __future__ import annotations

from lapt.families.dag.cell import DagCell
from lapt.reasoning.experts.principle import experts_beside
from lapt.spaces import Architecture

CONV = "nor_conv_3x3"
POOL = "avg_pool_3x3"


def _live(cell: DagCell, architecture: Architecture) -> list[tuple[str, str]]:
    """(layer, operator) of the edges that reach the output."""
    return [(cell.layer_names[e], architecture.operators[e]) for e in cell.live_edges(architecture.operators)]


def convolutions(cell: DagCell, architecture: Architecture) -> bool:
    return sum(operator == CONV for _, operator in _live(cell, architecture)) >= 2


def deep(cell: DagCell, architecture: Architecture) -> bool:
    live = dict(_live(cell, architecture))
    return any(all(e in live for e in path) and sum(live[e] == CONV for e in path) >= 2 for path in cell.paths)


def residual(cell: DagCell, architecture: Architecture) -> bool:
    live = dict(_live(cell, architecture))
    around = [path for path in cell.paths if len(path) > 1 and all(e in live for e in path)]
    return live.get("0->3") == cell.identity and any("conv" in live[e] for path in around for e in path)


def wide(cell: DagCell, architecture: Architecture) -> bool:
    return sum(layer.endswith("->3") for layer, _ in _live(cell, architecture)) >= 2


def early(cell: DagCell, architecture: Architecture) -> bool:
    return any(
        layer.startswith("0->") and layer != "0->3" and operator == CONV
        for layer, operator in _live(cell, architecture)
    )


def connected(cell: DagCell, architecture: Architecture) -> bool:
    return len(_live(cell, architecture)) >= 5


def no_pooling(cell: DagCell, architecture: Architecture) -> bool:
    return all(operator != POOL for _, operator in _live(cell, architecture))


EXPERTS = experts_beside(__name__, convolutions, deep, residual, wide, early, connected, no_pooling)
"""Expert principles for cells of four nodes with NAS-Bench-201's operators."""
