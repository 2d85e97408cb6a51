"""Cells of many architectures as arrays, so that a condition is judged for all of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from lapt.conditions.language import MOST, Bounds
from lapt.errors import SpaceError
from lapt.spaces import Architecture, CellFamily, SearchSpace
from lapt.spaces.features import Floats

Flags = npt.NDArray[np.bool_]
"""N booleans, one for each architecture; or N x something."""
Ways = npt.NDArray[np.uint64]
"""N sets of (length, count) of ways to a node, both up to 7, as bits 8 * length + count. 7 stands for 7 or more."""

_SIDE = MOST + 2
_LONGEST = np.uint64(sum(1 << (_SIDE * (_SIDE - 1) + count) for count in range(_SIDE)))
_FULLEST = np.uint64(sum(1 << (_SIDE * length + _SIDE - 1) for length in range(_SIDE)))


@dataclass(frozen=True)
class Graph:
    """The graph of one cell in N architectures.

    ``nodes``: their names, each after those that it reads. ``targets``: of E layers, whose positions in the space are
    ``layers``. ``sources``, ``operators``: N x E positions, of nodes and of operators. ``present``: N x E, whether the
    operator is not zero. ``joined``: the nodes whose concatenation is the output; empty if layers feed it. Only those
    of them are part of it that no layer reads, if it is ``open_ended``.
    """

    name: str
    nodes: tuple[str, ...]
    targets: tuple[int, ...]
    layers: tuple[int, ...]
    sources: npt.NDArray[np.int64]
    operators: npt.NDArray[np.int64]
    present: Flags
    joined: tuple[int, ...]
    open_ended: bool = False

    @cached_property
    def ends(self) -> Flags:
        """N x nodes: whether a node is the output or a part of it."""
        found = np.zeros((len(self.present), len(self.nodes)), dtype=bool)
        found[:, [self.output, *self.joined]] = True
        if self.open_ended:
            found[np.arange(len(found))[:, None], self.sources] = False
        return found

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """Nodes that read nothing."""
        fed = {*self.targets, *([len(self.nodes) - 1] if self.joined else [])}
        return tuple(node for node in range(len(self.nodes)) if node not in fed)

    @property
    def output(self) -> int:
        return len(self.nodes) - 1

    def nodes_named(self, name: str) -> tuple[int, ...]:
        """The nodes of a name, of ``input`` or of ``output``; none if there is none."""
        if name == "output":
            return (self.output,)
        if name in self.nodes:
            return (self.nodes.index(name),)
        return self.inputs if name == "input" else ()

    @cached_property
    def live(self) -> Flags:
        """N x E: whether a layer lies on a way from an input to the output."""
        rows = np.arange(len(self.present))
        fed = np.zeros((len(rows), len(self.nodes)), dtype=bool)
        fed[:, list(self.inputs)] = True
        for edge, target in enumerate(self.targets):
            fed[:, target] |= self.present[:, edge] & fed[rows, self.sources[:, edge]]
        used = self.ends.copy()
        for edge in reversed(range(len(self.targets))):
            used[rows, self.sources[:, edge]] |= self.present[:, edge] & used[:, self.targets[edge]]
        reading = np.stack([fed[rows, self.sources[:, edge]] for edge in range(len(self.targets))], axis=1)
        return np.asarray(self.present & reading & used[:, list(self.targets)])

    def ways(self, start: str, counted: Flags, through: Flags) -> npt.NDArray[np.uint64]:
        """N x nodes: the ways from ``start`` to each node. ``counted``, ``through``: N x E, the layers that count on a
        way, and those that it may take."""
        rows = np.arange(len(self.present))
        found = np.zeros((len(rows), len(self.nodes)), dtype=np.uint64)
        found[:, list(self.nodes_named(start))] = 1
        for edge, target in enumerate(self.targets):
            longer = _grown(found[rows, self.sources[:, edge]], _LONGEST, _SIDE)
            longer = np.where(counted[:, edge], _grown(longer, _FULLEST, 1), longer)
            found[:, target] |= np.where(through[:, edge], longer, np.uint64(0))
        if self.joined:
            joined = np.where(self.ends, found, np.uint64(0))[:, list(self.joined)]
            found[:, self.output] = np.bitwise_or.reduce(joined, axis=1)
        return found


def _grown(ways: Ways, last: np.uint64, by: int) -> Ways:
    """Ways that are one longer or one fuller; the ``last`` row or column stays."""
    return np.asarray(((ways & ~last) << np.uint64(by)) | (ways & last))


def within(length: Bounds | None, at_least: int | None, at_most: int | None) -> np.uint64:
    """The bits of ways of a length and a count within bounds."""
    shortest, longest = (0, _SIDE) if length is None else (length.at_least or 0, length.at_most)
    lengths = range(shortest, _SIDE if longest is None else longest + 1)
    counts = range(at_least or 0, _SIDE if at_most is None else at_most + 1)
    return np.uint64(sum(1 << (_SIDE * row + count) for row in lengths if row < _SIDE for count in counts))


@dataclass(frozen=True)
class Cells:
    """N architectures of a space, the whole one, described for conditions."""

    space: SearchSpace
    architectures: Sequence[Architecture]

    @classmethod
    def of(cls, space: SearchSpace, architectures: Iterable[Architecture]) -> Cells:
        return cls(space, tuple(architectures))

    @property
    def family(self) -> CellFamily:
        return self.space.family

    def __len__(self) -> int:
        return len(self.architectures)

    @cached_property
    def operators(self) -> Mapping[str, int]:
        """Every operator of the family -> its number."""
        return {name: at for at, name in enumerate(dict.fromkeys(o for la in self.family.layers for o in la.operators))}

    @cached_property
    def chosen(self) -> npt.NDArray[np.int64]:
        """N x L numbers of the operators chosen."""
        number, layers = self.operators, len(self.family.layers)
        flat = [number[operator] for architecture in self.architectures for operator in architecture.operators]
        return np.array(flat, dtype=np.int64).reshape(len(self), layers)

    def position(self, layer: str) -> int:
        """The position of a layer. Raises SpaceError if there is none of that name."""
        self.space.layer(layer)
        return self.space.layer_names.index(layer)

    def chosen_of(self, operators: Iterable[str], numbers: npt.NDArray[np.int64]) -> Flags:
        """Whether each of ``numbers`` is one of the operators. Raises SpaceError for one that no layer has."""
        wanted = np.zeros(len(self.operators), dtype=bool)
        for operator in operators:
            if operator not in self.operators:
                raise SpaceError(
                    f"an operator of {self.family.name} among {list(self.operators)}",
                    repr(operator),
                    "check the spelling",
                )
            wanted[self.operators[operator]] = True
        return np.asarray(wanted[numbers])

    def reads(self, layer: int, sources: Iterable[str]) -> Flags:
        """Whether the layer at a position chose one of the sources."""
        wanted = set(sources)
        return np.array([architecture.sources[layer] in wanted for architecture in self.architectures], dtype=bool)

    @cached_property
    def graphs(self) -> tuple[Graph, ...]:
        """The cells of the architectures, each as one graph for all of them."""
        if not self.architectures:
            return ()
        found, first = [], 0
        present = np.ones(self.chosen.shape, dtype=bool)
        if self.family.zero is not None:
            present = self.chosen != self.operators[self.family.zero]
        named = self.family.node_names(self.architectures[0])
        for at, (graph, nodes) in enumerate(zip(self.family.graphs(self.architectures[0]), named, strict=True)):
            layers = slice(first, first + len(graph.edges))
            sources, joined = self._read(at, nodes, layers), graph.joined
            if self.family.open_ended:
                joined = tuple(edge.target for edge in graph.edges)
            found.append(
                Graph(
                    name=graph.name.removesuffix(" cell"),
                    nodes=nodes,
                    targets=tuple(edge.target for edge in graph.edges),
                    layers=tuple(range(layers.start, layers.stop)),
                    sources=sources,
                    operators=self.chosen[:, layers],
                    present=present[:, layers],
                    joined=joined,
                    open_ended=self.family.open_ended,
                )
            )
            first = layers.stop
        return tuple(found)

    def _read(self, at: int, nodes: Sequence[str], layers: slice) -> npt.NDArray[np.int64]:
        """N x E nodes that the layers of the graph at a position read."""
        candidates = [one.sources for one in self.family.layers[layers]]
        number = {name: node for node, name in enumerate(nodes)}
        if all(len(sources) == 1 for sources in candidates):
            read = [[edge.source for edge in self.family.graphs(self.architectures[0])[at].edges]]
        elif all(source in number for sources in candidates for source in sources):
            read = [[number[source] for source in one.sources[layers]] for one in self.architectures]
        else:  # sources that are not named after nodes
            read = [[edge.source for edge in self.family.graphs(one)[at].edges] for one in self.architectures]
        return np.broadcast_to(np.array(read, dtype=np.int64), (len(self), len(candidates)))

    def of_cell(self, name: str | None) -> tuple[Graph, ...]:
        """The graphs of the cells with a name; all if it is None. Raises SpaceError if there is none."""
        found = tuple(graph for graph in self.graphs if name in (None, graph.name))
        if not found and self.graphs:
            names = [graph.name for graph in self.graphs]
            raise SpaceError(f"a cell of {self.family.name} among {names}", repr(name), "check the spelling")
        return found

    def at(self, name: str) -> None:
        """Raise SpaceError if no cell has a node of that name."""
        if self.graphs and not any(graph.nodes_named(name) for graph in self.graphs):
            names = list(dict.fromkeys(node for graph in self.graphs for node in ("input", "output", *graph.nodes)))
            raise SpaceError(f"a node of {self.family.name} among {names}", repr(name), "check the spelling")

    @cached_property
    def sizes(self) -> Mapping[str, Floats]:
        """Quantity -> N relative sizes. Raises SpaceError if the family does not know them."""
        return self.family.sizes(self.architectures)
