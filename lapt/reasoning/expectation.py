"""Expectation of an architecture from principles, as a number: it orders a search space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lapt.principles import Principle, Principles
from lapt.reasoning.experts.grounding import applying, known_to_hold
from lapt.search.methods.model_based import whole
from lapt.search.searcher import Adviser
from lapt.spaces import ENUMERABLE, Architecture, SearchSpace
from lapt.spaces.features import Floats, one_hot

BACKGROUND = 5_000
"""Size of the sample that represents a space too large to list."""


def names(space: SearchSpace) -> tuple[str, ...]:
    """The columns of ``described``: the function of a cell, experts' checks of it, and the choice of each layer."""
    chosen = (f"{layer.name}: {operator} from {source}" for layer in space.layers for operator, source in layer.choices)
    return (*space.family.feature_names, *(expert.statement for expert in applying(space)), *chosen)


def described(space: SearchSpace, architectures: Sequence[Architecture]) -> Floats:
    """N x F numbers, one column for each of ``names``. ``space``: the whole one, even after a refinement."""
    chosen = one_hot(space.layers, architectures)
    return np.hstack([space.family.features(architectures), known_to_hold(space, architectures), chosen])


@dataclass(frozen=True)
class Background:
    """Standardised descriptions of a space's members, or of a sample of them."""

    members: tuple[Architecture, ...]
    x: Floats
    centre: Floats
    scale: Floats


@lru_cache(maxsize=4)
def background(space: SearchSpace) -> Background:
    """The background of a space, computed once per process."""
    if space.size <= ENUMERABLE:
        members = tuple(whole(space).architectures)
    else:
        rng = np.random.default_rng(0)
        members = tuple(space.sample(rng) for _ in range(BACKGROUND))
    x = described(space, members)
    spread = x.std(axis=0)
    centre, scale = x.mean(axis=0), np.where(spread > 0, spread, 1.0)
    return Background(members, (x - centre) / scale, centre, scale)


@dataclass(frozen=True)
class Expectation:
    """N architectures -> N values with mean 0 and standard deviation 1 over ``space``: a ``Prior`` for a search.

    ``weights``: (name of a column, worth of a standard deviation of it), relative to each other. A sum of log-odds, as
    if all were independent. Ready to be pickled.
    """

    space: SearchSpace
    weights: tuple[tuple[str, float], ...]

    def __call__(self, architectures: Sequence[Architecture]) -> Floats:
        centre, spread = _moments(self)
        return np.asarray((self.standardised(architectures) @ _vector(self) - centre) / spread)

    def standardised(self, architectures: Sequence[Architecture]) -> Floats:
        """N x (number of ``names``): descriptions, each column with mean 0 and deviation 1 over the space."""
        known = background(self.space)
        return np.asarray((described(self.space, architectures) - known.centre) / known.scale)

    def over_background(self) -> Floats:
        """Expectation of every member of ``background``, in its order."""
        centre, spread = _moments(self)
        return np.asarray((background(self.space).x @ _vector(self) - centre) / spread)


@lru_cache(maxsize=64)
def _vector(expectation: Expectation) -> Floats:
    worth = dict.fromkeys(names(expectation.space), 0.0)
    for name, weight in expectation.weights:
        if name in worth:
            worth[name] += weight
    return np.array(list(worth.values()))


@lru_cache(maxsize=64)
def _moments(expectation: Expectation) -> tuple[float, float]:
    total = background(expectation.space).x @ _vector(expectation)
    spread = float(total.std())
    return float(total.mean()), spread if spread > 0 else 1.0


def advisers_of(space: SearchSpace, principles: Principles, *, task: str) -> tuple[Adviser, ...]:
    """The advisers behind principles, for a search on ``task``: each task whose architectures were read, experts, or
    each draw of a language model.

    What was read on ``task`` itself advises nothing: the search knows those scores. ``space``: the whole one.
    """
    stated = principles.onto(space)
    found: dict[str, list[Principle]] = {}
    for principle in stated.principles:
        for pattern in principle.patterns:
            alone = principle.model_copy(update={"claims": (), "patterns": (pattern,)})
            found.setdefault(pattern.task, []).append(alone)
    if not found:
        draws = sorted({draw for principle in stated.principles for draw in principle.draws})
        found = {f"draw {draw + 1}": list(stated.of_draw(draw)) for draw in draws} or {
            stated.origin.reasoner: list(stated.principles)
        }
    found.pop(task, None)
    return tuple(
        Adviser(
            name,
            expectation_of(space, stated.model_copy(update={"principles": tuple(part)})),
            tuple(dict.fromkeys(principle.statement for principle in part)),
        )
        for name, part in found.items()
    )


def expectation_of(space: SearchSpace, principles: Principles) -> Expectation:
    """The expectation from the patterns of principles or, without patterns, from their claims.

    A claim to keep or try a candidate is worth the logarithm of how much more often it was chosen than by chance, one
    count added to each. A claim to avoid it is worth the negative of that. ``space``: the whole one.
    """
    stated = principles.onto(space)
    weights = [(pattern.feature, pattern.weight) for p in stated.principles for pattern in p.patterns]
    if not weights:
        for claim in stated.claims:
            layer = space.layer(claim.layer)
            candidates = layer.operators if claim.kind == "operator" else layer.sources
            worth = math.log((claim.count + 1) / (claim.of + len(candidates)) * len(candidates))
            if claim.effect in ("avoid", "set_aside"):
                worth = min(worth, 0.0) - 1
            for operator, source in layer.choices:
                if claim.candidate == (operator if claim.kind == "operator" else source):
                    weights.append((f"{claim.layer}: {operator} from {source}", worth))
    return Expectation(space, tuple(weights))
