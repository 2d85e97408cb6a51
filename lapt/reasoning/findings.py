"""Findings: conditions that good architectures meet more often than their space.

They are found on one half of the architectures and tested on the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

from lapt.conditions.cells import Cells, Flags
from lapt.conditions.judging import holding, members_of
from lapt.conditions.language import (
    All,
    Choice,
    ChoiceOf,
    Condition,
    Count,
    CountOf,
    Depth,
    DepthOf,
    Path,
    PathOf,
    Width,
    WidthOf,
)
from lapt.spaces import Architecture, SearchSpace
from lapt.spaces.features import Floats

MOST = 6
"""Largest number of findings."""
ENOUGH = 16
"""Number of different functions from which on findings are looked for: fewer say too little in halves."""
COMMON = 0.02
"""A condition that a smaller share of the space meets, or does not meet, is not looked at."""
_PAIRED = 40
"""Number of the most telling single conditions that are joined in pairs."""
_ALIKE = 0.6
"""Correlation over the space above which two conditions say the same."""
_LONGER = 0.8
"""Factor on the evidence of a pair: two conditions are told only if they say clearly more than one."""
_TESTED = 12
"""Largest number of conditions that are tested on the held-out half."""
_BOUND = 2.6
"""Standard errors of the lower bound: 99 %, two-sided. 50 random cells of NAS-Bench-201 have 0.25 findings on average
(with 95 %: 1)."""


@dataclass(frozen=True)
class Finding:
    """A condition, with its shares of all functions read and of the space, and the test on the held-out half.

    ``bound``: lower bound of the odds ratio of held-out good functions against the space.
    """

    condition: Condition
    support: float
    base_rate: float
    bound: float


def findings(space: SearchSpace, read: Sequence[Architecture]) -> list[Finding]:
    """The findings in good architectures; none in fewer than ``ENOUGH`` functions.

    Each function counts once, as it was first written. Every second one is held out. Conditions of the other half are
    taken greedily by the z score of their log odds ratio against the space, those that say nothing new left out. A few
    are tested on the held-out half, and kept if the lower 99 % bound of the odds ratio is above 1 there (Woolf 1955,
    with Haldane's half a count).
    """
    functions = {space.canonical(architecture): architecture for architecture in reversed(read)}
    if len(functions) < ENOUGH:
        return []
    known = _candidates(space)
    good = Cells.of(space, reversed(functions.values()))
    held = np.array([holding(condition, good) for condition in known.conditions])
    found, tested = held[:, ::2], held[:, 1::2]
    scores = _z(found, known.flags)
    conditions, flags = list(known.conditions), known.flags
    first = [int(at) for at in np.argsort(-scores, kind="stable")[:_PAIRED] if scores[at] > 0]
    pairs = [(one, two) for one, two in combinations(first, 2) if _apart(flags[one], flags[two])]
    if pairs:
        both = np.array([flags[one] & flags[two] for one, two in pairs])
        usual = (both.mean(axis=1) >= COMMON) & (both.mean(axis=1) <= 1 - COMMON)
        pairs, both = [pair for pair, keep in zip(pairs, usual, strict=True) if keep], both[usual]
        conditions += [All(all=(known.conditions[one], known.conditions[two])) for one, two in pairs]
        joined = np.array([held[one] & held[two] for one, two in pairs]).reshape(len(pairs), held.shape[1])
        held, flags = np.vstack([held, joined]), np.vstack([flags, both])
        found, tested = held[:, ::2], held[:, 1::2]
        scores = np.concatenate([scores, _LONGER * _z(joined[:, ::2], both)])
    bounds = _lower(tested, flags)
    tried: list[int] = []
    for at in np.argsort(-scores, kind="stable"):
        if len(tried) == _TESTED or scores[at] <= 0:
            break
        if all(_apart(flags[at], flags[other]) for other in tried):
            tried.append(int(at))
    kept = [at for at in tried if bounds[at] > 1][:MOST]
    return [Finding(conditions[at], float(held[at].mean()), float(flags[at].mean()), float(bounds[at])) for at in kept]


def _apart(one: Flags, two: Flags) -> bool:
    """Whether two conditions tell different members of the space."""
    return abs(float(np.corrcoef(one, two)[0, 1])) < _ALIKE


def _log_odds(held: Flags, everywhere: Flags) -> tuple[Floats, Floats]:
    """C log odds ratios and their standard errors. ``held``: C x n, of good ones; ``everywhere``: C x N."""
    a, b = held.sum(axis=1) + 0.5, (~held).sum(axis=1) + 0.5
    c, d = everywhere.sum(axis=1) + 0.5, (~everywhere).sum(axis=1) + 0.5
    return np.log(a * d / (b * c)), np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)


def _z(held: Flags, everywhere: Flags) -> Floats:
    ratio, error = _log_odds(held, everywhere)
    return np.asarray(ratio / error)


def _lower(held: Flags, everywhere: Flags) -> Floats:
    ratio, error = _log_odds(held, everywhere)
    return np.asarray(np.exp(ratio - _BOUND * error))


# --- what is looked for ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Candidates:
    """C conditions, and C x N whether each member of the space, or of its sample, meets them."""

    conditions: tuple[Condition, ...]
    flags: npt.NDArray[np.bool_]


@lru_cache(maxsize=4)
def _candidates(space: SearchSpace) -> _Candidates:
    members = members_of(space)
    conditions = tuple(_single(space, members))
    flags = np.array([holding(condition, members) for condition in conditions])
    shares = flags.mean(axis=1)
    # What two ways of saying it have in common is said in the first, the simpler one.
    seen: dict[bytes, int] = {}
    for at, row in enumerate(flags):
        if COMMON <= shares[at] <= 1 - COMMON:
            seen.setdefault(row.tobytes(), at)
    usual = list(seen.values())
    return _Candidates(tuple(conditions[at] for at in usual), flags[usual])


def _single(space: SearchSpace, members: Cells) -> Iterator[Condition]:
    """Conditions of one leaf, the simplest first."""
    operators = [o for o in members.operators if o != space.family.zero]
    pairs = [(o,) for o in operators] + list(combinations(operators, 2))
    graphs = members.graphs
    for layer in space.layers:
        for operator in layer.operators:
            yield Choice(choice=ChoiceOf(layer=layer.name, operators=(operator,)))
        if len(layer.sources) > 1:
            for source in layer.sources:
                yield Choice(choice=ChoiceOf(layer=layer.name, sources=(source,)))
    for graph in graphs:
        cell = graph.name if len(graphs) > 1 else None
        for bound in range(1, len(graph.layers)):
            for some in ((), *pairs):
                yield Count(count=CountOf(operators=some, at_least=bound, cell=cell))
        for bound in range(3):
            for some in pairs:
                yield Count(count=CountOf(operators=some, at_most=bound, cell=cell))
        for some in pairs:
            for bound in (1, 2, 3):
                yield Path(path=PathOf(operators=some, at_least=bound, cell=cell))
        for bound in range(2, len(graph.layers)):
            yield Depth(depth=DepthOf(at_least=bound, cell=cell))
            yield Depth(depth=DepthOf(at_most=bound - 1, cell=cell))
            yield Width(width=WidthOf(at_least=bound, cell=cell))
            yield Width(width=WidthOf(at_most=bound - 1, cell=cell))
    for layer in space.layers:
        for two in combinations([o for o in layer.operators if o != space.family.zero], 2):
            yield Choice(choice=ChoiceOf(layer=layer.name, operators=two))
