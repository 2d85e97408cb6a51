"""Principles that people found before, each as a check of a cell, beside those that were learned (Figure 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lapt.base.packages import imported
from lapt.errors import ConfigError
from lapt.principles import Principles
from lapt.reasoning.experts.principle import ExpertPrinciple
from lapt.spaces import ENUMERABLE, Architecture, CellFamily, SearchSpace
from lapt.spaces.features import Floats

_SAMPLED = 2_000
"""Number of sampled architectures that represent a space too large to list."""


def known_to_hold(space: SearchSpace, architectures: Sequence[Architecture]) -> Floats:
    """N x K of 0 and 1: whether each of the K expert principles ``applying`` to ``space`` holds for an architecture."""
    family, experts = space.family, applying(space)
    rows = [_holding(family, architecture, experts) for architecture in architectures] if experts else []
    return np.array(rows, dtype=np.float64).reshape(len(architectures), len(experts))


def applying(space: SearchSpace) -> tuple[ExpertPrinciple, ...]:
    """The expert principles whose layers, operators and sources all exist in ``space``, a whole space."""
    known: tuple[ExpertPrinciple, ...] = imported(space.family.experts) if space.family.experts else ()
    return tuple(expert for expert in known if expert.applies(space))


@lru_cache(maxsize=40_000)
def _holding(cell: CellFamily, architecture: Architecture, experts: tuple[ExpertPrinciple, ...]) -> tuple[bool, ...]:
    # A cell that computes nothing avoids everything: it does nothing well.
    alive = cell.computes(architecture)
    return tuple(alive and expert.holds(cell, architecture) for expert in experts)


@dataclass(frozen=True)
class Grounded:
    """An expert principle beside an archive.

    ``support``, ``base_rate``: the share of the archive, and of the whole space, that follows it. ``matched``: numbers,
    from 1, of the learned principles that say the same."""

    expert: ExpertPrinciple
    support: float
    base_rate: float
    matched: tuple[int, ...]


def grounded(space: SearchSpace, archive: Sequence[Architecture], learned: Principles) -> list[Grounded]:
    """All expert principles that apply to ``space``, beside the archive. Raises ConfigError if none applies."""
    known = applying(space)
    if not known:
        raise ConfigError(
            "a space of NAS-Bench-201's or DARTS's cells and operators", space.name, "expert principles are theirs"
        )
    if space.size <= ENUMERABLE:
        members = list(space.members())
    else:
        rng = np.random.default_rng(0)
        members = [space.sample(rng) for _ in range(_SAMPLED)]

    def share(expert: ExpertPrinciple, cells: Sequence[Architecture]) -> float:
        return sum(expert.holds(space.family, cell) for cell in cells) / len(cells)

    return [
        Grounded(
            expert,
            share(expert, archive),
            share(expert, members),
            tuple(n for n, principle in enumerate(learned.principles, start=1) if expert.matched_by(principle)),
        )
        for expert in known
    ]
