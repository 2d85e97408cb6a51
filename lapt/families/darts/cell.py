"""DARTS cells: nodes that choose what they read and how (Liu, Simonyan and Yang 2019)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from lapt.errors import SpaceError
from lapt.families.darts.genotype import FIRST, KINDS, Edge, Genotype, Nodes, genotype
from lapt.spaces import Architecture, CellFamily, Layer
from lapt.spaces.graphs import CellGraph, OperatorEdge

NODES = (2, 3, 4, 5)
"""Numbers of a cell's nodes; 0 and 1 are its inputs."""
SOURCES = ("input0", "input1", "node2", "node3", "node4")
"""Candidate sources by their numbers: the outputs of the last but one and the last cell, then earlier nodes."""


@dataclass(frozen=True)
class DartsCell(CellFamily):
    """A normal and a reduction cell of two inputs and four nodes each; the output is all nodes, concatenated.

    A node is the sum of two layers that read different sources, inputs or earlier nodes. ``normal.3a`` and
    ``normal.3b`` are the layers of node 3 of the normal cell: a reads the earlier of the two sources, b the later. In
    the reduction cell, layers that read an input halve its sides. (prod over k = 1..4 of k (k + 1) / 2 x 8^2)^2 =
    3,019,898,880^2 architectures of 8 operators.

    ``weightless``: operators that give zeros for zeros wherever they stand; a convolution does not, for it ends in a
    batch normalisation with a bias.
    """

    name: str
    operators: tuple[str, ...]
    zero: str = "none"
    identity: str = "skip_connect"
    weightless: frozenset[str] = frozenset({"skip_connect", "max_pool_3x3", "avg_pool_3x3"})

    @cached_property
    def layer_names(self) -> tuple[str, ...]:
        """normal.2a, normal.2b, normal.3a, ..., reduce.5b."""
        return tuple(f"{kind}.{node}{side}" for kind in KINDS for node in NODES for side in "ab")

    @cached_property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """Positions of the layers of each node: those of the normal cell's nodes 2 to 5, then the reduction cell's."""
        return tuple((at, at + 1) for at in range(0, len(self.layer_names), 2))

    def sources_of(self, layer: str) -> tuple[str, ...]:
        """The sources that a layer may read: of the sources of its node, a all but the last and b all but the first."""
        node, side = int(layer[-2]), layer[-1]
        return SOURCES[: node - 1] if side == "a" else SOURCES[1:node]

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        return self.layers_of(self.operators)

    def layers_of(self, operators: tuple[str, ...]) -> tuple[Layer, ...]:
        """The layers, with these operators each."""
        return tuple(Layer(name=name, operators=operators, sources=self.sources_of(name)) for name in self.layer_names)

    # --- text --------------------------------------------------------------------------------------------------------
    def encode(self, architecture: Architecture) -> str:
        """The genotype in one line, the edges of a node in the order of their sources."""
        return str(self.genotype(architecture))

    def decode(self, text: str) -> Architecture:
        return self.architecture(genotype(text))

    def genotype(self, architecture: Architecture) -> Genotype:
        """Edges of a node in the order of their sources."""
        normal, reduction = self.cells(architecture)
        return Genotype(normal, NODES, reduction, NODES)

    def architecture(self, found: Genotype) -> Architecture:
        """The architecture of a genotype. Raises SpaceError for one outside the family, with the reason."""
        faults = [
            *self._faults("normal", found.normal, found.normal_concat),
            *self._faults("reduce", found.reduce, found.reduce_concat),
        ]
        if faults:
            raise SpaceError(
                "a darts cell: four nodes of two edges from different earlier sources, all four in the concatenation",
                "; ".join(faults[:3]),
                f"use operators among {list(self.operators)} and sources below the node's number",
            )
        return _architecture((found.normal, found.reduce))

    def _faults(self, kind: str, nodes: Nodes, concat: Sequence[int]) -> Iterable[str]:
        if len(nodes) != len(NODES):
            yield f"{kind} of {len(nodes)} nodes"
        if tuple(sorted(concat)) != NODES:
            yield f"{kind}_concat of {list(concat)}"
        for number, edges in enumerate(nodes, start=FIRST):
            if len(edges) != 2:
                yield f"{kind} node {number} with {len(edges)} edges"
            if len({edge.source for edge in edges}) != len(edges):
                twice = f"{kind} node {number} reads node {_twice(edges)} twice"
                yield f"{twice}; the nodes of this space read two different nodes"
            for edge in edges:
                if edge.operator not in self.operators:
                    yield f"{kind} node {number} with the operator {edge.operator!r:.40}"
                if edge.source >= number:
                    yield f"{kind} node {number} reads {edge.source}"

    def cells(self, architecture: Architecture) -> tuple[Nodes, Nodes]:
        """The edges into each node of the normal and of the reduction cell, in the order of their sources."""
        return _cells(architecture)

    # --- function ----------------------------------------------------------------------------------------------------
    def canonical(self, architecture: Architecture) -> Architecture:
        """One representative for architectures that are the same in up to four ways.

        The two layers of a node have no order. What a ``none`` reads is no matter. A node of two ``none`` is zero, and
        so is an identity or a pooling that reads it. Nodes may be numbered otherwise: what comes after the
        concatenation are 1x1 convolutions or the classifier, whose weights are then in another order, alike at the
        start of training. (To a supernet, which has weights a node, the numbering does matter: it scores the encoding.)

        Not merged: a few other forms of equal functions, such as nodes that are copies of each other.
        """
        normal, reduction = self.cells(architecture)
        return _architecture((_canonical(self, normal), _canonical(self, reduction)))

    def graphs(self, architecture: Architecture) -> tuple[CellGraph, ...]:
        return tuple(self._graph(kind, nodes) for kind, nodes in zip(KINDS, self.cells(architecture), strict=True))

    def node_names(self, architecture: Architecture) -> tuple[tuple[str, ...], ...]:
        names = (*SOURCES, f"node{NODES[-1]}", "output")
        return tuple(names for _ in KINDS)

    def _graph(self, kind: str, nodes: Nodes) -> CellGraph:
        edges = [
            OperatorEdge(source, number, operator, operator != self.zero)
            for number, into in zip(NODES, nodes, strict=True)
            for operator, source in into
        ]
        return CellGraph(f"{kind} cell", ("c(k-2)", "c(k-1)", *map(str, NODES), "out"), tuple(edges), NODES)


def _twice(edges: Iterable[Edge]) -> int:
    sources = [edge.source for edge in edges]
    return next(source for source in sources if sources.count(source) > 1)


def _by_source(edge: Edge) -> int:
    return edge.source


@lru_cache(maxsize=2**13)
def _cells(architecture: Architecture) -> tuple[Nodes, Nodes]:
    edges = [Edge(o, SOURCES.index(s)) for o, s in zip(*architecture, strict=True)]
    nodes = [tuple(sorted(edges[at : at + 2], key=_by_source)) for at in range(0, len(edges), 2)]
    return tuple(nodes[: len(NODES)]), tuple(nodes[len(NODES) :])


def _architecture(cells: Iterable[Nodes]) -> Architecture:
    edges = [edge for nodes in cells for node in nodes for edge in sorted(node, key=_by_source)]
    return Architecture(tuple(edge.operator for edge in edges), tuple(SOURCES[edge.source] for edge in edges))


@lru_cache(maxsize=2**16)
def _canonical(cell: DartsCell, nodes: Nodes) -> Nodes:
    """The canonical nodes: without edges that are zero, numbered so that they come first by sources and operators."""
    kept: dict[int, list[Edge]] = {}
    for node, edges in enumerate(nodes, start=FIRST):
        zeros = (
            edge.operator == cell.zero or (edge.operator in cell.weightless and kept.get(edge.source) == [])
            for edge in edges
        )
        kept[node] = [edge for edge, is_zero in zip(edges, zeros, strict=True) if not is_zero]
    ranked = {node: [(edge.source, cell.operators.index(edge.operator)) for edge in kept[node]] for node in kept}
    numbered = _numbered(ranked, {0: 0, 1: 1})
    return tuple(_filled([Edge(cell.operators[o], s) for s, o in edges], cell.zero) for edges in numbered)


Ranked = Sequence[tuple[int, int]]
"""Edges into a node: the numbers of source and operator."""


def _numbered(left: Mapping[int, Ranked], number: Mapping[int, int]) -> list[Ranked]:
    """The edges of the nodes that are ``left``, in the first order in which each comes after those that it reads.

    ``number``: the new numbers of inputs and nodes that came before.
    """
    found: list[Ranked] = []
    left, number = dict(left), dict(number)
    while left:
        ready: list[tuple[list[tuple[int, int]], int]] = []
        for node, edges in left.items():
            if all(source in number for source, _ in edges):
                ready.append((sorted([(number[source], operator) for source, operator in edges]), node))
        first, at = min(ready)
        alike = [node for edges, node in ready if edges == first]
        found.append(first)
        if len(alike) > 1:  # which of them comes first shows in those that read them
            rests = [
                _numbered({other: left[other] for other in left if other != node}, {**number, node: len(number)})
                for node in alike
            ]
            return [*found, *min(rests)]
        number[at] = len(number)
        del left[at]
    return found


def _filled(edges: list[Edge], zero: str) -> tuple[Edge, ...]:
    """Two edges of a node. Missing ones are zero, and read the first sources that are free."""
    for source in range(2):
        if len(edges) < 2 and all(edge.source != source for edge in edges):
            edges = [*edges, Edge(zero, source)]
    return tuple(sorted(edges, key=_by_source))
