"""A principle that people found before, as a condition on cells and as claims."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from lapt.base.shipped import table_beside
from lapt.conditions.cells import Cells, Flags
from lapt.conditions.judging import holding
from lapt.conditions.language import Condition, condition_of
from lapt.principles import Effect, Principle
from lapt.spaces import SearchSpace

SAID_FOR: tuple[Effect, ...] = ("keep", "try")


class _Said(BaseModel):
    """Candidates, operators or sources, that each of some layers should keep or avoid."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layers: tuple[str, ...]
    keep: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()


class ExpertPrinciple(BaseModel):
    """A principle of experts.

    ``condition``: holds for the architectures that follow it. ``claims``: the same statement as a learned principle
    makes it, layer by layer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    statement: str
    source: str
    condition: Annotated[Condition, BeforeValidator(condition_of)]
    claims: tuple[_Said, ...]

    def holds(self, cells: Cells) -> Flags:
        """N booleans: whether each of N architectures follows it."""
        return holding(self.condition, cells)

    @property
    def claimed(self) -> set[tuple[str, str, bool]]:
        """Its claims as (layer, operator or source, whether it should be kept)."""
        return {
            (layer, candidate, good)
            for said in self.claims
            for good, candidates in ((True, said.keep), (False, said.avoid))
            for layer in said.layers
            for candidate in candidates
        }

    def applies(self, space: SearchSpace) -> bool:
        """Whether ``space`` has all layers, operators and sources of its claims."""
        candidates = {layer.name: (*layer.operators, *layer.sources) for layer in space.layers}
        return all(candidate in candidates.get(layer, ()) for layer, candidate, _ in self.claimed)

    def matched_by(self, principle: Principle) -> bool:
        """Whether ``principle`` makes one of the same claims, and the contrary of none."""
        said = {(c.layer, c.candidate, c.effect in SAID_FOR) for c in principle.claims}
        return bool(said & self.claimed) and not said & {(layer, name, not good) for layer, name, good in self.claimed}


@lru_cache(maxsize=16)
def experts_in(where: str) -> tuple[ExpertPrinciple, ...]:
    """The principles in a YAML file, named as a module is (``CellFamily.experts``)."""
    return tuple(ExpertPrinciple.model_validate(one) for one in table_beside(where))
