"""The architectures that meet a pipeline's constraints: what a search may ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lapt.base.statistics import Scores
from lapt.errors import SpaceError
from lapt.spaces import ENUMERABLE, Architecture, Pool, SearchSpace, Thinned

DRAWN = 1_000
"""Number of random architectures that tell how much of a space too large to list meets the constraints."""
FEW = 2_000
"""Largest space that is listed although each of its architectures costs a network that is built."""


@dataclass(frozen=True, eq=False)
class Feasible:
    """The architectures of a whole space without excess over any bound.

    ``excess``: N architectures -> N sums of relative excesses over the bounds: 0 for one that meets them all, infinite
    for one of which a quantity is not known. ``quick``: it may be asked for every architecture of a space. ``exact``:
    where ``excess`` rests on predictions, the excess by measured values; then a search also confirms each architecture
    before it asks for it.
    """

    space: SearchSpace
    excess: Callable[[Sequence[Architecture]], Scores]
    quick: bool = True
    exact: Callable[[Sequence[Architecture]], Scores] | None = None
    _known: dict[Architecture, float] = field(default_factory=dict)

    def meets(self, architecture: Architecture) -> bool:
        return self.of(architecture) == 0

    def confirmed(self, architecture: Architecture) -> bool:
        """Whether it meets the constraints by what is measured, too."""
        return self.meets(architecture) and (self.exact is None or float(self.exact([architecture])[0]) == 0)

    def of(self, architecture: Architecture) -> float:
        """Its excess, computed once."""
        if architecture not in self._known:
            self._known[architecture] = float(self.excess([architecture])[0])
        return self._known[architecture]

    def lists(self, space: SearchSpace) -> bool:
        """Whether all architectures of ``space`` are looked at."""
        return space.size <= (ENUMERABLE if self.quick else FEW)

    @cached_property
    def rows(self) -> tuple[Architecture, ...] | None:
        """All of them, in the order of the space; None where the space is too large to look at all."""
        if not self.lists(self.space):
            return None
        members = list(self.space.members())
        excess = self.excess(members)
        return tuple(members[int(at)] for at in np.flatnonzero(excess == 0))

    @property
    def share(self) -> float:
        """The share of the space that they are; 1 where not all are looked at."""
        return 1.0 if self.rows is None else len(self.rows) / self.space.size

    def within(self, space: SearchSpace, *, at_least: int = 0) -> SearchSpace:
        """Those that lie in ``space``, as a space. Where fewer than ``at_least`` do, those nearest to it count too.

        If the whole space is not listed, and ``space`` holds too few of them, the whole space takes its place. Raises
        SpaceError if there is none.
        """
        if self.rows is not None:
            return some_of(Pool.of(space, self.rows, at_least=at_least))
        if self.lists(space):
            rows = [member for member in space.members() if self.meets(member)]
            if len(rows) >= at_least:
                return some_of(Pool.of(space, rows))
            return Thinned.of(self.space, self.of)
        inside = Thinned.of(space, self.of)
        return inside if not at_least or nearest(inside) is not None else Thinned.of(self.space, self.of)


def some_of(pool: Pool) -> Pool:
    """The pool. Raises SpaceError if it is empty."""
    if not pool.size:
        raise SpaceError(
            f"an architecture of the refined space of {pool.name} that meets the constraints and can be scored",
            "none",
            "widen the constraints, or keep more of the space (reasoner.max_operators, refinement: order)",
        )
    return pool


def nearest(space: Thinned) -> Architecture | None:
    """One of the space, found as its moves find it, always the same; None if that fails."""
    try:
        return space.sample(np.random.default_rng(0))
    except SpaceError:
        return None
