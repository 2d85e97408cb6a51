"""Networks of four nodes that each read one earlier node, and their canonical forms."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from lapt.errors import SpaceError
from lapt.spaces import Architecture, CellFamily, Layer
from lapt.spaces.graphs import CellGraph, OperatorEdge
from lapt.spaces.layer import SOURCE

NODES = 4
NAMES = tuple(f"node{at}" for at in range(1, NODES + 1))
"""The layers, and the nodes that they compute."""
SOURCES = (SOURCE, *NAMES[:-1])
"""The sources, in the order of the digits of a text: the input is 0, node1 is 1."""
SHAPES = ("0000", "0001", "0011", "0012", "0013", "0111", "0112", "0122", "0123")
"""The links of NAS-Bench-Graph in its order, as digits: the node that each of the four reads."""


class Tree(NamedTuple):
    """A node and all that reads it. ``operator``: its position among the family's."""

    operator: int
    children: tuple[Tree, ...]

    @property
    def nodes(self) -> int:
        return 1 + sum(child.nodes for child in self.children)


@dataclass(frozen=True)
class GraphCell(CellFamily):
    """Networks of four nodes, each with one operator and one source: the input, or an earlier node.

    The nodes that no other reads make the output together. An architecture is written as ``0121-gcn-gin-fc-cheb``:
    the node that each node reads (0 is the input), then the operators. The benchmark numbers its architectures by
    these, ``key``, and names each function once, by its canonical form.
    """

    name: str
    operators: tuple[str, ...]
    identity: str = "skip"

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        named = enumerate(NAMES, start=1)
        return tuple(Layer(name=name, operators=self.operators, sources=SOURCES[:at]) for at, name in named)

    def architecture(self, links: str, operators: Sequence[str]) -> Architecture:
        return Architecture(tuple(operators), tuple(SOURCES[int(digit)] for digit in links))

    # --- text and number ---------------------------------------------------------------------------------------------
    def encode(self, architecture: Architecture) -> str:
        operators, sources = architecture
        return "-".join(["".join(str(SOURCES.index(source)) for source in sources), *operators])

    def decode(self, text: str) -> Architecture:
        links, *operators = text.split("-")
        if re.fullmatch("0[01][0-2][0-3]", links) and len(operators) == NODES and {*operators} <= {*self.operators}:
            return self.architecture(links, operators)
        raise SpaceError(
            f"a {self.name} network such as 0121-gcn-gin-fc-cheb",
            f"{text[:120]!r}",
            f"write the node that each of four reads (0 is the input), and operators among {list(self.operators)}",
        )

    def key(self, architecture: Architecture) -> int:
        """The number of an architecture's function in the benchmark: the links' place, then a digit an operator."""
        operators, sources = self.canonical(architecture)
        number = SHAPES.index("".join(str(SOURCES.index(source)) for source in sources))
        for operator in operators:
            number = 10 * number + self.operators.index(operator)
        return number

    def of_key(self, key: int) -> Architecture:
        """The architecture of a number, in the benchmark's form. Raises SpaceError if it has none."""
        shape, digits = divmod(key, 10**NODES)
        chosen = [int(digit) for digit in f"{digits:0{NODES}}"]
        if 0 <= shape < len(SHAPES) and max(chosen) < len(self.operators):
            found = self.architecture(SHAPES[shape], [self.operators[at] for at in chosen])
            if self.canonical(found) == found and self.computes(found):
                return found
        raise SpaceError(f"the number of an architecture of {self.name}", f"{key!r:.40}", "check it")

    # --- function ----------------------------------------------------------------------------------------------------
    def computes(self, architecture: Architecture) -> bool:
        return any(operator != self.identity for operator in architecture.operators)

    def canonical(self, architecture: Architecture) -> Architecture:
        """The form that the benchmark lists: skips in front, larger branches first, equal ones in operator order.

        A skip computes nothing between two nodes, alone behind a node, or from the input to the output: it is moved
        to the front. Beside another reader of a node, it adds that node to the output, and stays.
        """
        return _canonical(self, architecture)

    @cached_property
    def functions(self) -> tuple[Architecture, ...]:
        """The canonical forms that compute something, in the order of their numbers: 26,206 with nine operators."""
        every = (
            self.architecture(links, chosen)
            for links in SHAPES
            for chosen in itertools.product(self.operators, repeat=NODES)
        )
        return tuple(one for one in every if self.computes(one) and _canonical(self, one) == one)

    def graphs(self, architecture: Architecture) -> tuple[CellGraph, ...]:
        read = [SOURCES.index(source) for source in architecture.sources]
        edges = zip(read, architecture.operators, strict=True)
        return (
            CellGraph(
                "network",
                (SOURCE, *NAMES, "output"),
                tuple(OperatorEdge(source, at, operator) for at, (source, operator) in enumerate(edges, start=1)),
                tuple(at for at in range(1, NODES + 1) if at not in read),
            ),
        )

    def numbers(self, architecture: Architecture) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The operators' positions, and the node that each node reads."""
        place, source = self._places
        return tuple(place[one] for one in architecture.operators), tuple(source[one] for one in architecture.sources)

    @cached_property
    def _places(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        return (
            {operator: at for at, operator in enumerate(self.operators)},
            {source: at for at, source in enumerate(SOURCES)},
        )


@lru_cache(maxsize=200_000)
def _canonical(cell: GraphCell, architecture: Architecture) -> Architecture:
    operators, read = cell.numbers(architecture)
    skip = cell.operators.index(cell.identity)
    trees = _without_skips(_readers(operators, read, 0), skip, from_input=True)
    front = NODES - sum(tree.nodes for tree in trees)
    chosen, links = [skip] * front, list(range(front))
    level = [(front, tree) for tree in _ordered(trees)]
    while level:
        following = []
        for source, tree in level:
            chosen.append(tree.operator)
            links.append(source)
            following += [(len(chosen), child) for child in _ordered(tree.children)]
        level = following
    return cell.architecture("".join(map(str, links)), [cell.operators[at] for at in chosen])


def _readers(operators: Sequence[int], read: Sequence[int], node: int) -> tuple[Tree, ...]:
    """The readers of a node, each with all that reads it."""
    return tuple(
        Tree(operators[at - 1], _readers(operators, read, at)) for at in range(1, NODES + 1) if read[at - 1] == node
    )


def _without_skips(trees: Sequence[Tree], skip: int, *, from_input: bool) -> tuple[Tree, ...]:
    """The readers of a node without the skips that compute nothing."""
    found: list[Tree] = []
    waiting = list(trees)
    while waiting:
        tree = waiting.pop()
        if tree.operator == skip and tree.children:
            waiting += tree.children
        elif tree.operator != skip:
            found.append(Tree(tree.operator, _without_skips(tree.children, skip, from_input=False)))
        elif not from_input:
            found.append(tree)
    alone = len(found) == 1 and found[0].operator == skip
    return () if alone else tuple(found)


def _ordered(trees: Sequence[Tree]) -> list[Tree]:
    """Larger branches first; equally large ones by operator, then by what follows."""
    return sorted(trees, key=_order)


def _order(tree: Tree) -> tuple[object, ...]:
    return (-tree.nodes, tree.operator, *(_order(child) for child in _ordered(tree.children)))
