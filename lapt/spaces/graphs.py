"""An architecture as a graph to look at: nodes hold features, edges are operators."""

from __future__ import annotations

from typing import NamedTuple

from lapt.spaces.architecture import Architecture
from lapt.spaces.cells import DagCell
from lapt.spaces.darts import NODES, DartsCell
from lapt.spaces.declared import SOURCE
from lapt.spaces.genotype import KINDS
from lapt.spaces.space import SearchSpace


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


def graphs(space: SearchSpace, architecture: Architecture) -> tuple[CellGraph, ...]:
    """A graph for each cell of the architecture, in which ``none`` is an edge that is not live.

    Of a declared space, layers are nodes where their sources are named so, and else follow each other.
    """
    family = space.family
    if isinstance(family, DagCell):
        live = family.live_edges(architecture.operators)
        edges = zip(family.edges, architecture.operators, strict=True)
        found = tuple(OperatorEdge(i, j, operator, at in live) for at, ((i, j), operator) in enumerate(edges))
        return (CellGraph("cell", ("in", *map(str, range(1, family.nodes - 1)), "out"), found),)
    if isinstance(family, DartsCell):
        return tuple(_darts(family, kind, nodes) for kind, nodes in zip(KINDS, family.cells(architecture), strict=True))
    chosen = list(zip(space.layer_names, *architecture, strict=True))
    nodes = [SOURCE, *space.layer_names]
    if all(source in nodes[: nodes.index(name)] for name, _, source in chosen) and any(
        source != SOURCE for *_, source in chosen
    ):
        reads = [nodes.index(source) for *_, source in chosen]
    else:
        reads = list(range(len(chosen)))
    numbered = enumerate(zip(reads, architecture.operators, strict=True), start=1)
    return (CellGraph("layers", tuple(nodes), tuple(OperatorEdge(read, at, op) for at, (read, op) in numbered)),)


def _darts(family: DartsCell, kind: str, nodes: tuple[tuple[tuple[str, int], ...], ...]) -> CellGraph:
    edges = [
        OperatorEdge(source, number, operator, operator != family.zero)
        for number, into in zip(NODES, nodes, strict=True)
        for operator, source in into
    ]
    return CellGraph(f"{kind} cell", ("c(k-2)", "c(k-1)", *map(str, NODES), "out"), tuple(edges), NODES)


def short(operator: str) -> str:
    """The name of an operator as a figure has room for it: conv 3×3, skip, sep conv 5×5."""
    words = operator.replace("nor_conv", "conv").replace("skip_connect", "skip").replace("_", " ")
    for side in "1357":
        words = words.replace(f"{side}x{side}", f"{side}×{side}")
    return words
