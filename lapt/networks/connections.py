"""The connections that cells of a space may have: the places of a supernet's operators."""

from __future__ import annotations

from lapt.networks.family import networks_of
from lapt.networks.shared import Connection
from lapt.spaces import SearchSpace


def connections(space: SearchSpace) -> dict[Connection, tuple[str, ...]]:
    """Every connection that an architecture of the space may have, by node, and the operators it may have there."""
    found: dict[Connection, dict[str, None]] = {}
    for layer in space.layers:
        for source in layer.sources:
            operators = found.setdefault(networks_of(space).connection(layer.name, source), {})
            operators.update(dict.fromkeys(layer.operators))
    return {place: tuple(operators) for place, operators in found.items()}
