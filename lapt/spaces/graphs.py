"""An architecture as a graph to look at: nodes hold features, edges are operators."""

from __future__ import annotations

from typing import NamedTuple


class OperatorEdge(NamedTuple):
    """``source`` and ``target``: positions among the nodes. ``live``: it has a part in what the cell computes."""

    source: int
    target: int
    operator: str
    live: bool = True


class CellGraph(NamedTuple):
    """``nodes``: their names, each after those it reads. ``joined``: positions of those that are concatenated to the
    last one, which no operator feeds; none where the last node is fed by operators."""

    name: str
    nodes: tuple[str, ...]
    edges: tuple[OperatorEdge, ...]
    joined: tuple[int, ...] = ()


def short(operator: str) -> str:
    """The name of an operator as a figure has room for it: conv 3×3, skip, sep conv 5×5."""
    words = operator.replace("nor_conv", "conv").replace("skip_connect", "skip").replace("_", " ")
    for side in "1357":
        words = words.replace(f"{side}x{side}", f"{side}×{side}")
    return words
