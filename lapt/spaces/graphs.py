"""An architecture as a graph to look at: nodes hold features, edges are operators."""

from __future__ import annotations

from typing import NamedTuple


class OperatorEdge(NamedTuple):
    """An edge. ``source``, ``target``: positions among the nodes. ``live``: the edge has an effect on the output."""

    source: int
    target: int
    operator: str
    live: bool = True


class CellGraph(NamedTuple):
    """The graph of a cell. ``nodes``: their names, each after those that it reads. ``joined``: positions of the nodes
    whose concatenation is the last one; empty if operators feed the last node."""

    name: str
    nodes: tuple[str, ...]
    edges: tuple[OperatorEdge, ...]
    joined: tuple[int, ...] = ()


def short(operator: str) -> str:
    """The short name of an operator, for figures: conv 3×3, skip, sep conv 5×5."""
    words = operator.replace("nor_conv", "conv").replace("skip_connect", "skip").replace("_", " ")
    for side in "1357":
        words = words.replace(f"{side}x{side}", f"{side}×{side}")
    return words
