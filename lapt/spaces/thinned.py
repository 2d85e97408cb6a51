"""A search space that is not listed, with only those of its architectures that break no bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lapt.errors import SpaceError
from lapt.spaces.layer import Architecture, Choice
from lapt.spaces.space import ENUMERABLE, SearchSpace

DRAWS = 200
"""Number of random draws that are rejected before one of them is repaired."""
REPAIRED = 10
"""Number of draws whose repair is tried, those that break the bounds least."""

Excess = Callable[[Architecture], float]
"""The amount by which an architecture breaks bounds: 0 if it breaks none."""


class Thinned(SearchSpace):
    """The architectures of a space whose ``excess`` is 0. All moves of a search stay among them.

    A move that leads outside is drawn again, and after ``DRAWS`` draws repaired: the one-layer change that lowers the
    excess most is made until the excess is 0. ``size`` is that of a space too large to list, whatever the space without
    bounds has: to list it would ask for the excess of all. Restrictions and unions of a thinned space have no bounds.
    """

    unbounded: Any
    excess: Any

    @classmethod
    def of(cls, space: SearchSpace, excess: Excess) -> Thinned:
        """Nothing is checked: whether any architecture is left, a sample tells."""
        return cls.model_construct(
            name=space.name,
            cell=space.cell,
            layers=space.layers,
            groups=space.groups,
            unbounded=space,
            excess=excess,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Thinned):
            return False
        return self is other or (self.layers, self.excess) == (other.layers, other.excess)

    def __hash__(self) -> int:
        return hash((self.name, self.layers))

    @property
    def size(self) -> int:
        return max(int(self.unbounded.size), ENUMERABLE + 1)

    def members(self) -> Iterator[Architecture]:
        return (member for member in self.unbounded.members() if self.excess(member) == 0)

    def contains(self, architecture: Architecture) -> bool:
        return bool(self.unbounded.contains(architecture) and self.excess(architecture) == 0)

    def best_first(self, worth: Callable[[str, Choice], float]) -> Iterator[Architecture]:
        return (found for found in self.unbounded.best_first(worth) if self.excess(found) == 0)

    # --- moves -----------------------------------------------------------------------------------------------------
    def sample(self, rng: np.random.Generator) -> Architecture:
        """One architecture: uniform while one in ``DRAWS`` fits, else a repaired one.

        Raises SpaceError where no repair succeeds.
        """
        return self._within(self.unbounded.sample, rng)

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """A neighbour; where none fits, another architecture, drawn anew."""
        member = self._member(architecture)
        for _ in range(DRAWS):
            found: Architecture = self.unbounded.mutate(member, rng)
            if self.excess(found) == 0:
                return found
        near = list(self.neighbours(member))
        return near[int(rng.integers(len(near)))] if near else self.sample(rng)

    def crossover(self, one: Architecture, two: Architecture, rng: np.random.Generator) -> Architecture:
        """A uniform crossover that fits, or the repair of one."""
        return self._within(lambda rng: self.unbounded.crossover(one, two, rng), rng)

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        return (near for near in self.unbounded.neighbours(architecture) if self.excess(near) == 0)

    def project(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """The member that keeps most layers of ``architecture``, repaired if it breaks the bounds."""
        if self.contains(architecture):
            return self.written(architecture)
        return self.repaired(self.unbounded.project(architecture, rng), rng) or self.sample(rng)

    def repaired(self, architecture: Architecture, rng: np.random.Generator) -> Architecture | None:
        """``lowered`` to a member; None where that fails."""
        found = self.lowered(architecture, rng)
        return found if self.excess(found) == 0 else None

    def lowered(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """The architecture at the end of a steepest descent of the excess by one-layer changes.

        Ties are broken at random."""
        excess = float(self.excess(architecture))
        while excess > 0:
            near = list(self.unbounded.neighbours(architecture))
            at = rng.permutation(len(near))
            values = np.array([self.excess(near[int(i)]) for i in at])
            if not len(values) or not values.min() < excess:
                break
            architecture, excess = near[int(at[int(values.argmin())])], float(values.min())
        return architecture

    def _within(self, draw: Callable[[np.random.Generator], Architecture], rng: np.random.Generator) -> Architecture:
        drawn: dict[Architecture, float] = {}
        for _ in range(DRAWS):
            found = draw(rng)
            excess = float(self.excess(found))
            if excess == 0:
                return found
            drawn.setdefault(found, excess)
        for least in sorted(drawn, key=lambda one: drawn[one])[:REPAIRED]:
            repaired = self.repaired(least, rng)
            if repaired is not None:
                return repaired
        raise SpaceError(
            f"an architecture of {self.name} within the bounds",
            f"none after {DRAWS} draws and {min(REPAIRED, len(drawn))} repairs",
            "widen the bounds or the space",
        )
