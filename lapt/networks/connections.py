"""What may connect what in the cells of a space: the places of a supernet's operators. No torch."""

from __future__ import annotations

from typing import NamedTuple

from lapt.spaces import DartsCell, SearchSpace
from lapt.spaces.architecture import Cell
from lapt.spaces.darts import SOURCES


class Connection(NamedTuple):
    """An edge of a cell: it reads one input or node and adds to another. ``kind``: of DARTS cells normal or reduce."""

    kind: str
    source: int
    node: int

    @property
    def edge(self) -> str:
        """Its name in a network's cell."""
        return f"{self.source}->{self.node}"


def connections(space: SearchSpace) -> dict[Connection, tuple[str, ...]]:
    """Every connection that an architecture of the space may have, by node, and the operators it may have there."""
    found: dict[Connection, dict[str, None]] = {}
    for layer in space.layers:
        for source in layer.sources:
            operators = found.setdefault(connection(space.family, layer.name, source), {})
            operators.update(dict.fromkeys(layer.operators))
    return {place: tuple(operators) for place, operators in found.items()}


def connection(family: Cell, layer: str, source: str) -> Connection:
    """The one that a layer makes when it reads ``source``: in DARTS cells, either layer of a node."""
    if isinstance(family, DartsCell):
        kind, place = layer.split(".")
        return Connection(kind, SOURCES.index(source), int(place[:-1]))
    start, end = layer.split("->")
    return Connection("", int(start), int(end))
