"""Cells on a fixed graph that choose operators: their canonical forms and signatures."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lapt.spaces import Architecture, CellFamily, Layer
from lapt.spaces.features import Floats
from lapt.spaces.graphs import CellGraph, OperatorEdge

Term = str
"""One summand of a node's value, written out: ``x``, or operator, label and value of the source node."""


@dataclass(frozen=True)
class DagCell(CellFamily):
    """Cells on a fixed complete DAG whose edges each choose one operator: NAS-Bench-201 and TransNAS-Bench-101 micro.

    A layer is an edge i->j named "i->j"; node 0 is the input, the last node the output; a node is the sum of its
    incoming edges. ``strided_input``: edges that leave the input reduce the resolution (TransNAS-Bench-101), so a skip
    there is a factorised reduction with weights of its own, not an identity.
    """

    name: str
    operators: tuple[str, ...]
    strided_input: bool
    nodes: int = 4
    zero: str = "none"
    identity: str = "skip_connect"
    weightless: frozenset[str] = field(default_factory=lambda: frozenset({"avg_pool_3x3"}))

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(0,1), (0,2), (1,2), (0,3), ...: by target, then by source."""
        return tuple((i, j) for j in range(1, self.nodes) for i in range(j))

    @cached_property
    def layer_names(self) -> tuple[str, ...]:
        return tuple(f"{i}->{j}" for i, j in self.edges)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        return tuple(str(i) for i, _ in self.edges)

    def architecture(self, operators: Iterable[str]) -> Architecture:
        return Architecture(tuple(operators), self.sources)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        named = zip(self.layer_names, self.sources, strict=True)
        return tuple(Layer(name=name, operators=self.operators, sources=(source,)) for name, source in named)

    def in_order(self, kind: str, layer: str, candidates: Iterable[str]) -> tuple[str, ...]:
        wanted = set(candidates)
        return tuple(c for c in (self.operators if kind == "operator" else dict.fromkeys(self.sources)) if c in wanted)

    # --- what is live ------------------------------------------------------------------------------------------------
    def live_edges(self, operators: tuple[str, ...]) -> tuple[int, ...]:
        """Positions of the edges that matter: on some path from the input to the output without a zero operator.

        Empty if the cell computes nothing; its output is zeros in the published networks. One published edge is left
        out here: a convolution that reads an unfed node (zeros). It ends in a batch normalisation, so it adds a bias to
        each channel, zero at the start of training. Canonical forms do not have this edge, so networks must not either.
        """
        present = [(e, s, t) for e, (s, t) in enumerate(self.edges) if operators[e] != self.zero]
        fed = {0}
        for _, source, target in present:  # ordered by target, so that every source is settled first
            if source in fed:
                fed.add(target)
        used = {self.nodes - 1}
        for _, source, target in reversed(present):
            if target in used:
                used.add(source)
        return tuple(e for e, source, target in present if source in fed and target in used)

    def computes(self, architecture: Architecture) -> bool:
        return bool(self.live_edges(architecture.operators))

    def in_vain(self, architecture: Architecture) -> tuple[str, ...]:
        live = self.live_edges(architecture.operators)
        chosen = enumerate(zip(self.layer_names, architecture.operators, strict=True))
        return tuple(name for edge, (name, operator) in chosen if operator != self.zero and edge not in live)

    def graphs(self, architecture: Architecture) -> tuple[CellGraph, ...]:
        live = self.live_edges(architecture.operators)
        edges = zip(self.edges, architecture.operators, strict=True)
        found = tuple(OperatorEdge(i, j, operator, at in live) for at, ((i, j), operator) in enumerate(edges))
        return (CellGraph("cell", ("in", *map(str, range(1, self.nodes - 1)), "out"), found),)

    def node_names(self, architecture: Architecture) -> tuple[tuple[str, ...], ...]:
        return (tuple(map(str, range(self.nodes))),)

    def sizes(self, architectures: Sequence[Architecture]) -> Mapping[str, Floats]:
        """The numbers of weights and of multiply-adds of live convolutions, per channel pair and position.

        A stage has as many weights and positions for every cell, so their order is that of whole networks.
        """
        weights = [
            int(side) ** 2 if (side := operator[-1]).isdigit() and "conv" in operator else 0
            for operator in self.operators
        ]
        of = dict(zip(self.operators, weights, strict=True))
        found = np.array([sum(of[a.operators[e]] for e in self.live_edges(a.operators)) for a in architectures])
        return {"parameters": found.astype(np.float64), "multiply_adds": found.astype(np.float64)}

    @cached_property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        """All paths from the input to the output, each as its layers; the shortest first."""
        found: list[tuple[int, ...]] = [(0,)]
        for node in range(1, self.nodes):
            found += [(*path, node) for path in found]
        ways = [path for path in found if path[-1] == self.nodes - 1]
        return tuple(
            tuple(f"{i}->{j}" for i, j in itertools.pairwise(way)) for way in sorted(ways, key=lambda w: (len(w), w))
        )

    # --- function ----------------------------------------------------------------------------------------------------
    def signature(self, architecture: Architecture) -> str:
        """A text that is equal for two cells exactly if they reduce to the same computation.

        The output as nested sums: dead edges vanish, an identity passes the summands of its source on, summands have no
        order. Edges with weights carry a label, so that one convolution used twice differs from two convolutions; the
        signature is the smallest text over all ways to label edges that are otherwise alike. Pooling a sum is not
        taken apart into a sum of poolings (that would merge NAS-Bench-201's 5,260 functions into 5,044).
        """
        value, convolutions = self._value(architecture.operators, {})
        alike: dict[Term, list[int]] = {}
        for edge, term in convolutions.items():
            alike.setdefault(term, []).append(edge)
        groups = [edges for edges in alike.values() if len(edges) > 1]
        if not groups:
            return value
        labellings = itertools.product(*(itertools.permutations(range(len(edges))) for edges in groups))
        return min(self._value(architecture.operators, dict(_labels(groups, labelling)))[0] for labelling in labellings)

    def _value(self, operators: tuple[str, ...], labels: dict[int, int]) -> tuple[str, dict[int, Term]]:
        """The output's summands, and the term of every edge with weights."""
        values: list[list[Term]] = [["x"]]
        convolutions: dict[int, Term] = {}
        for node in range(1, self.nodes):
            terms: list[Term] = []
            for edge, (source, target) in enumerate(self.edges):
                operator, value = operators[edge], values[source] if source < node else []
                if target != node or operator == self.zero or not value:
                    continue
                if operator == self.identity and not (self.strided_input and source == 0):
                    terms.extend(value)
                    continue
                term = f"{operator}.{labels.get(edge, 0)}({'+'.join(value)})"
                if operator not in self.weightless:
                    convolutions[edge] = term
                terms.append(term)
            values.append(sorted(terms))
        return "+".join(values[-1]), convolutions

    @cached_property
    def _representatives(self) -> dict[tuple[str, ...], Architecture]:
        cells = [self.architecture(ops) for ops in itertools.product(self.operators, repeat=len(self.edges))]
        found: dict[str, Architecture] = {}
        most_zeros_first = sorted(cells, key=lambda c: -c.operators.count(self.zero))
        return {cell.operators: found.setdefault(self.signature(cell), cell) for cell in most_zeros_first}

    def canonical(self, architecture: Architecture) -> Architecture:
        """The member of its class with most ``none`` edges (first in operator order among those)."""
        return self._representatives[architecture.operators]


def _labels(groups: list[list[int]], labelling: tuple[tuple[int, ...], ...]) -> Iterable[tuple[int, int]]:
    for edges, labels in zip(groups, labelling, strict=True):
        yield from zip(edges, labels, strict=True)
