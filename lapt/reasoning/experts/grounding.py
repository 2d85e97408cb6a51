"""Principles that people found before, beside those that were learned (Figure 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lapt.conditions.cells import Cells
from lapt.conditions.judging import members_of
from lapt.errors import ConfigError
from lapt.principles import Principles
from lapt.reasoning.experts.principle import ExpertPrinciple, experts_in
from lapt.spaces import Architecture, SearchSpace
from lapt.spaces.features import Floats


def known_to_hold(space: SearchSpace, architectures: Sequence[Architecture]) -> Floats:
    """N x K of 0 and 1: whether each of the K expert principles ``applying`` to ``space`` holds for an architecture."""
    experts, cells = applying(space), Cells.of(space, architectures)
    if not experts or not architectures:
        return np.zeros((len(architectures), len(experts)))
    # A cell that computes nothing avoids everything: it does nothing well.
    alive = np.array([space.family.computes(architecture) for architecture in architectures])
    return np.stack([alive & expert.holds(cells) for expert in experts], axis=1).astype(np.float64)


def applying(space: SearchSpace) -> tuple[ExpertPrinciple, ...]:
    """The expert principles whose layers, operators and sources all exist in ``space``, a whole space."""
    known = experts_in(space.family.experts) if space.family.experts else ()
    return tuple(expert for expert in known if expert.applies(space))


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
            "a space of NAS-Bench-201's, DARTS's or mobile's operators", space.name, "expert principles are theirs"
        )
    cells, members = Cells.of(space, archive), members_of(space)
    return [
        Grounded(
            expert,
            float(expert.holds(cells).mean()),
            float(expert.holds(members).mean()),
            tuple(n for n, principle in enumerate(learned.principles, start=1) if expert.matched_by(principle)),
        )
        for expert in known
    ]
