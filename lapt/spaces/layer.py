"""A layer of a search space with its candidates, and an architecture: the choice of every layer."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

from pydantic import model_validator

from lapt.base.declarations import Frozen
from lapt.errors import SpaceError

Choice = tuple[str, str]
"""The choice of one layer: (operator l_i, source s_i)."""
SOURCE = "input"
"""The source of a layer for which none is declared."""


class Architecture(NamedTuple):
    """A = union of {l_i, s_i} (eq. 2): the operator and the source each layer chose, in layer order."""

    operators: tuple[str, ...]
    sources: tuple[str, ...]


class Layer(Frozen):
    """One layer: its name, its candidate operators C_i and its candidate sources S_i."""

    name: str
    operators: tuple[str, ...]
    sources: tuple[str, ...]

    @model_validator(mode="after")
    def _has_candidates(self) -> Layer:
        for kind, candidates in (("operator", self.operators), ("source", self.sources)):
            if not candidates:
                raise SpaceError(
                    f"at least one candidate {kind} on layer {self.name}",
                    "none",
                    f"keep a {kind} there or leave the layer unrestricted",
                )
            if len(set(candidates)) != len(candidates):
                raise SpaceError(
                    f"distinct candidate {kind}s on layer {self.name}", f"{list(candidates)}", "name each one once"
                )
        return self

    @property
    def choices(self) -> tuple[Choice, ...]:
        return tuple(product(self.operators, self.sources))
