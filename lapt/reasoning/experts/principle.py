"""A principle that people found before, as a check of a cell and as claims."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lapt.base.shipped import table_beside
from lapt.principles import Effect, Principle
from lapt.spaces import Architecture, SearchSpace

SAID_FOR: tuple[Effect, ...] = ("keep", "try")


@dataclass(frozen=True)
class ExpertPrinciple:
    """A principle of experts.

    ``holds``: whether an architecture of a cell family follows it, called with both. ``claims``: the same statement as
    a learned principle makes it, as (layer, operator or source, effect)."""

    statement: str
    source: str
    holds: Callable[[Any, Architecture], bool]
    claims: tuple[tuple[str, str, Effect], ...]

    def applies(self, space: SearchSpace) -> bool:
        """Whether ``space`` has all layers, operators and sources of its claims."""
        candidates = {layer.name: (*layer.operators, *layer.sources) for layer in space.layers}
        return all(candidate in candidates.get(layer, ()) for layer, candidate, _ in self.claims)

    def matched_by(self, principle: Principle) -> bool:
        """Whether ``principle`` makes one of the same claims, and the contrary of none."""
        said = {(c.layer, c.candidate, c.effect in SAID_FOR) for c in principle.claims}
        ours = {(layer, candidate, effect in SAID_FOR) for layer, candidate, effect in self.claims}
        return bool(said & ours) and not said & {(layer, candidate, not good) for layer, candidate, good in ours}


def experts_beside(module: str, *checks: Callable[[Any, Architecture], bool]) -> tuple[ExpertPrinciple, ...]:
    """The principles in the YAML file beside a cell family's module; ``holds`` there is the name of a check."""
    named = {check.__name__: check for check in checks}
    return tuple(
        ExpertPrinciple(
            one["statement"],
            one["source"],
            named[one["holds"]],
            tuple(
                (layer, candidate, claim["effect"])
                for claim in one["claims"]
                for layer in claim["layers"]
                for candidate in claim["candidates"]
            ),
        )
        for one in table_beside(module)
    )
