"""Places of layers and nodes in their cell, as any space has them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

import numpy as np

from lapt.conditions.cells import Cells, Graph
from lapt.spaces import SearchSpace

Position = Literal["direct", "first", "last", "inside"]
"""direct: from an input to the output. first: from an input. last: to the output. inside: neither, or not always."""

MAIN = "normal"
"""The cell, of several, that a space of one cell has."""


@lru_cache(maxsize=16)
def graphs_of(space: SearchSpace) -> tuple[Graph, ...]:
    """The cells of one architecture of the space."""
    return Cells.of(space, [space.sample(np.random.default_rng(0))]).graphs


@lru_cache(maxsize=16)
def positions(space: SearchSpace) -> Mapping[str, Position]:
    """Layer -> its place, by all that it may read. Layers whose node is part of a concatenation are not last."""
    found: dict[str, Position] = {}
    for graph in graphs_of(space):
        for edge, (layer, target) in enumerate(zip(graph.layers, graph.targets, strict=True)):
            one = space.family.layers[layer]
            known = {graph.nodes.index(source) for source in one.sources if source in graph.nodes}
            reads = known if len(known) > 1 else {int(graph.sources[0, edge])}  # sources may be named otherwise
            first, last = reads <= set(graph.inputs), target == graph.output
            found[one.name] = "direct" if first and last else "first" if first else "last" if last else "inside"
    return found


def alike(one: SearchSpace, other: SearchSpace) -> bool:
    """Whether layers and nodes of both have the same names and places, so that only operators differ."""
    layers = [[(layer.name, layer.sources) for layer in space.family.layers] for space in (one, other)]
    if layers[0] != layers[1]:
        return False
    shapes = [[(graph.name, graph.nodes, graph.targets, graph.joined) for graph in graphs_of(s)] for s in (one, other)]
    return shapes[0] == shapes[1] and positions(one) == positions(other)


def is_input(space: SearchSpace, node: str) -> bool:
    """Whether it is an input of a cell."""
    return node == "input" or any(at in graph.inputs for graph in graphs_of(space) for at in graph.nodes_named(node))


def is_node(space: SearchSpace, node: str) -> bool:
    """Whether a cell has a node of that name."""
    return any(graph.nodes_named(node) for graph in graphs_of(space))


def into_node(space: SearchSpace, node: str, cell: str | None) -> list[str]:
    """The layers, of one cell or of all, whose result goes into a node."""
    names = [layer.name for layer in space.family.layers]
    return [
        names[layer]
        for graph in graphs_of(space)
        if cell in (None, graph.name)
        for layer, target in zip(graph.layers, graph.targets, strict=True)
        if target in graph.nodes_named(node)
    ]


def is_end(space: SearchSpace, node: str) -> bool:
    """Whether it is an output, or ``input``."""
    return node == "input" or any(graph.output in graph.nodes_named(node) for graph in graphs_of(space))


def main_cell(space: SearchSpace) -> str | None:
    """The cell that stands for a whole space of one cell; None if it has one."""
    names = [graph.name for graph in graphs_of(space)]
    return None if len(names) == 1 else MAIN if MAIN in names else names[0]


def of_main_cell(cells: Cells) -> Graph:
    """The graph of the main cell of many architectures."""
    name = main_cell(cells.space)
    return next(graph for graph in cells.graphs if name in (None, graph.name))
