"""The section ``constraints`` of a pipeline: bounds on what is known of an architecture before it is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from lapt.base.declarations import Frozen, Name
from lapt.base.statistics import Scores
from lapt.errors import ConfigError
from lapt.evaluation import Evaluator, Quantity, quantity_of
from lapt.search.feasible import DRAWN, Feasible, nearest
from lapt.spaces import Architecture, SearchSpace, Thinned


class Bound(Frozen):
    """Bounds on one quantity, in its own unit; a value at a bound meets it."""

    max: float | None = Field(None, ge=0, allow_inf_nan=False)
    min: float | None = Field(None, ge=0, allow_inf_nan=False)
    column: Name | None = Field(None, description="of a table, where the quantity has another name there")

    @model_validator(mode="after")
    def _says_something(self) -> Bound:
        if self.max is None and self.min is None:
            raise ValueError("a constraint needs max or min, such as {max: 200_000}")
        if self.max is not None and self.min is not None and self.min > self.max:
            raise ValueError(f"min ({self.min:,g}) is larger than max ({self.max:,g}), which nothing can meet")
        return self

    def excess(self, values: Scores) -> Scores:
        """N relative excesses of N values: 0 within the bounds, infinite for NaN."""
        over = np.zeros(len(values))
        if self.max is not None:
            over = np.maximum(over, (values - self.max) / (self.max or 1.0))
        if self.min is not None:
            over = np.maximum(over, (self.min - values) / (self.min or 1.0))
        return np.where(np.isnan(values), np.inf, over)

    @property
    def described(self) -> str:
        """The bounds in words: at most 200,000."""
        least = [] if self.min is None else [f"at least {amount(self.min)}"]
        return " and ".join(least + ([] if self.max is None else [f"at most {amount(self.max)}"]))


Constraints = Mapping[str, Bound]
"""Quantity -> its bounds."""


def amount(value: float) -> str:
    """A number in words: 187,234 or 4.25."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"


@dataclass(frozen=True)
class Excess:
    """N architectures -> N sums of relative excesses over bounds. Picklable."""

    bounded: tuple[tuple[Bound, Quantity], ...]

    def __call__(self, architectures: Sequence[Architecture]) -> Scores:
        total = np.zeros(len(architectures))
        for bound, quantity in self.bounded:
            total += bound.excess(quantity.of(architectures))
        return total


def feasible_of(constraints: Constraints, space: SearchSpace, evaluator: Evaluator) -> Feasible | None:
    """The architectures of a whole space that meet the constraints, by what the evaluator knows; None without any.

    It is made once per evaluator. Raises ConfigError for a quantity that is not known before a score.
    """
    known: Any = evaluator  # hashed by what it is, as any object
    return _feasible_of(tuple(constraints.items()), space, known) if constraints else None


@lru_cache(maxsize=16)
def _feasible_of(constraints: tuple[tuple[str, Bound], ...], space: SearchSpace, evaluator: Any) -> Feasible:
    bounded = tuple((bound, quantity_of(evaluator, name, bound.column)) for name, bound in constraints)
    measured = [(bound, quantity._replace(of=quantity.exact or quantity.of)) for bound, quantity in bounded]
    return Feasible(
        space,
        Excess(bounded),
        quick=all(quantity.quick for _, quantity in bounded),
        exact=Excess(tuple(measured)) if any(quantity.exact for _, quantity in bounded) else None,
    )


def checked(constraints: Constraints, space: SearchSpace, evaluator: Evaluator) -> str:
    """A sentence on how much of the space the constraints leave. Nothing is scored.

    Raises ConfigError for a quantity that is not known before a score, and where no architecture meets the constraints;
    it names the nearest one.
    """
    feasible = feasible_of(constraints, space, evaluator)
    assert feasible is not None
    said = ", ".join(f"{name} {bound.described}" for name, bound in constraints.items())
    known = (quantity_of(evaluator, name, bound.column) for name, bound in constraints.items())
    said += "".join(f"; {quantity.remark()}" for quantity in known if quantity.remark is not None)
    if feasible.rows is not None:
        if not feasible.rows:
            members = list(space.members())
            raise _none_meets(constraints, space, evaluator, members[int(np.argmin(feasible.excess(members)))])
        if len(feasible.rows) == space.size:
            return f"every architecture of {space.name} meets the constraints, which leave nothing out: {said}"
        return f"constraints leave {len(feasible.rows):,} of {space.size:,} architectures of {space.name}: {said}"
    rng = np.random.default_rng(0)
    drawn = [space.sample(rng) for _ in range(DRAWN if feasible.quick else DRAWN // 10)]
    excess = feasible.excess(drawn)
    share = int((excess == 0).sum())
    thinned = Thinned.of(space, feasible.of)
    if not share and nearest(thinned) is None:
        least = drawn[int(np.argmin(excess))]
        raise _none_meets(constraints, space, evaluator, thinned.lowered(least, rng))
    if share == len(drawn):
        return f"each of {share:,} random architectures of {space.name} meets the constraints: {said}"
    return f"constraints leave {share:,} of {len(drawn):,} random architectures of {space.name}: {said}"


def quantities(constraints: Constraints, evaluator: Evaluator, architecture: Architecture | None) -> dict[str, float]:
    """The architecture's value of each constrained quantity that is known of it."""
    if architecture is None:
        return {}
    found = {}
    for name, bound in constraints.items():
        quantity = quantity_of(evaluator, name, bound.column)
        found[name] = float((quantity.exact or quantity.of)([architecture])[0])
    return {name: value for name, value in found.items() if not np.isnan(value)}


def _none_meets(constraints: Constraints, space: SearchSpace, evaluator: Evaluator, least: Architecture) -> ConfigError:
    has = quantities(constraints, evaluator, least)
    values = ", ".join(f"{name} {amount(has[name]) if name in has else 'unknown'}" for name in constraints)
    return ConfigError(
        f"an architecture of {space.name} with {', '.join(f'{n} {b.described}' for n, b in constraints.items())}",
        f"none; the nearest is {space.encode(least)} with {values}",
        "widen the constraints, or make the networks smaller (evaluator.channels, evaluator.cells)",
    )
