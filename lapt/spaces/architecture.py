"""An architecture, and what the families of cells that it may belong to must know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol


class Architecture(NamedTuple):
    """A = union of {l_i, s_i} (eq. 2): the operator and the source each layer chose, in layer order."""

    operators: tuple[str, ...]
    sources: tuple[str, ...]


class Cell(Protocol):
    """What a cell family knows. Every method is a pure function."""

    def encode(self, architecture: Architecture) -> str: ...

    def decode(self, text: str) -> Architecture:
        """Raises SpaceError when the text is no cell of this family."""
        ...

    def canonical(self, architecture: Architecture) -> Architecture:
        """One representative for all cells that compute the same function."""
        ...

    def in_order(self, kind: str, layer: str, candidates: Iterable[str]) -> tuple[str, ...]:
        """Candidates (``kind``: operator or source) of a layer in the family's own order."""
        ...
