"""A principle that people found before, as a check of a cell and as claims."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lapt.principles import Effect, Principle
from lapt.spaces import Architecture, SearchSpace

SAID_FOR: tuple[Effect, ...] = ("keep", "try")


@dataclass(frozen=True)
class ExpertPrinciple:
    """``holds``: of a cell family and an architecture of it. ``claims``: (layer, operator or source, effect), what a
    learned principle says that means the same."""

    statement: str
    source: str
    holds: Callable[[Any, Architecture], bool]
    claims: tuple[tuple[str, str, Effect], ...]

    def applies(self, space: SearchSpace) -> bool:
        """Has ``space`` all the layers, operators and sources that it speaks of?"""
        candidates = {layer.name: (*layer.operators, *layer.sources) for layer in space.layers}
        return all(candidate in candidates.get(layer, ()) for layer, candidate, _ in self.claims)

    def matched_by(self, principle: Principle) -> bool:
        """Does it claim one of the same things, and the contrary of none?"""
        said = {(c.layer, c.candidate, c.effect in SAID_FOR) for c in principle.claims}
        ours = {(layer, candidate, effect in SAID_FOR) for layer, candidate, effect in self.claims}
        return bool(said & ours) and not said & {(layer, candidate, not good) for layer, candidate, good in ours}
