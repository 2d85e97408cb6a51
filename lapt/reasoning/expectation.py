"""Expectation of an architecture from principles, as a number: it orders a search space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from lapt.conditions.cells import Cells, Flags
from lapt.conditions.judging import holding
from lapt.conditions.language import Condition
from lapt.principles import Principle, Principles
from lapt.reasoning.experts.grounding import applying, known_to_hold
from lapt.roles import features as by_role
from lapt.search.methods.model_based import whole
from lapt.search.searcher import Adviser
from lapt.spaces import ENUMERABLE, Architecture, SearchSpace, functions_of
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
    if (functions := functions_of(space)) is not None:
        members = functions
    elif space.size <= ENUMERABLE:
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

    ``weights``: (name of a column, worth of a standard deviation of it), relative to each other; a column of ``names``
    or, of any space, of ``lapt.roles.features``. ``conditions``: the same of conditions, which hold (1) or not (0). A
    sum of log-odds, as if all were independent. Ready to be pickled.
    """

    space: SearchSpace
    weights: tuple[tuple[str, float], ...] = ()
    conditions: tuple[tuple[Condition, float], ...] = ()

    def __call__(self, architectures: Sequence[Architecture]) -> Floats:
        centre, spread = _moments(self)
        total = np.zeros(len(architectures))
        if self.of_space:
            total += self.standardised(architectures) @ _vector(self)
        if self.of_roles:
            total += by_role.standardised(Cells.of(self.space, architectures)) @ _vector_by_role(self)
        if self.conditions:
            cells = Cells.of(self.space, architectures)
            for condition, weight in self.conditions:
                total += weight * standardised(self.space, condition, holding(condition, cells))
        return np.asarray((total - centre) / spread)

    @property
    def of_roles(self) -> bool:
        """Whether it has a weight of a description by roles."""
        return any(name.startswith(by_role.PREFIX) for name, _ in self.weights)

    @property
    def of_space(self) -> bool:
        """Whether it has a weight of another column."""
        return not all(name.startswith(by_role.PREFIX) for name, _ in self.weights)

    def standardised(self, architectures: Sequence[Architecture]) -> Floats:
        """N x (number of ``names``): descriptions, each column with mean 0 and deviation 1 over the space."""
        known = background(self.space)
        return np.asarray((described(self.space, architectures) - known.centre) / known.scale)

    def over_background(self) -> Floats:
        """Expectation of every member of ``background``, in its order."""
        centre, spread = _moments(self)
        return np.asarray((_over_background(self) - centre) / spread)

    def times(self, factor: float) -> Expectation:
        """The expectation with all its worths multiplied, for a sum with others."""
        return Expectation(
            self.space,
            tuple((name, factor * weight) for name, weight in self.weights),
            tuple((condition, factor * weight) for condition, weight in self.conditions),
        )


def together(expectations: Sequence[Expectation]) -> Expectation:
    """The sum of expectations over one space, each of deviation 1 before it is added."""
    alike = [one.times(1 / _moments(one)[1]) for one in expectations]
    return Expectation(
        expectations[0].space,
        tuple(weight for one in alike for weight in one.weights),
        tuple(weight for one in alike for weight in one.conditions),
    )


def deviation(space: SearchSpace, condition: Condition) -> float:
    """Standard deviation, over a space, of a condition that holds (1) or not (0). Raises as ``holding``."""
    return float(_everywhere(space, condition).std())


def standardised(space: SearchSpace, condition: Condition, held: Flags) -> Floats:
    """N values with mean 0 and deviation 1 over the space, of a condition that holds or not; 0 if it tells nothing
    apart."""
    everywhere = _everywhere(space, condition)
    spread = float(everywhere.std())
    return (held - everywhere.mean()) / spread if spread else np.zeros(len(held))


@lru_cache(maxsize=4)
def _cells(space: SearchSpace) -> Cells:
    return Cells.of(space, background(space).members)


@lru_cache(maxsize=512)
def _everywhere(space: SearchSpace, condition: Condition) -> Flags:
    """Whether a condition holds for each member of ``background``."""
    return holding(condition, _cells(space))


@lru_cache(maxsize=64)
def _over_background(expectation: Expectation) -> Floats:
    """The weighted sum for every member of ``background``, neither centred nor scaled."""
    known = background(expectation.space)
    total = known.x @ _vector(expectation) if expectation.of_space else np.zeros(len(known.members))
    if expectation.of_roles:
        total = total + by_role.standardised(_cells(expectation.space)) @ _vector_by_role(expectation)
    for condition, weight in expectation.conditions:
        total = total + weight * standardised(expectation.space, condition, _everywhere(expectation.space, condition))
    return np.asarray(total)


@lru_cache(maxsize=64)
def _vector(expectation: Expectation) -> Floats:
    return _worths(expectation, names(expectation.space))


@lru_cache(maxsize=64)
def _vector_by_role(expectation: Expectation) -> Floats:
    return _worths(expectation, by_role.names())


def _worths(expectation: Expectation, columns: Sequence[str]) -> Floats:
    worth = dict.fromkeys(columns, 0.0)
    for name, weight in expectation.weights:
        if name in worth:
            worth[name] += weight
    return np.array(list(worth.values()))


@lru_cache(maxsize=64)
def _moments(expectation: Expectation) -> tuple[float, float]:
    total = _over_background(expectation)
    spread = float(total.std())
    return float(total.mean()), spread if spread > 0 else 1.0


def advisers_of(space: SearchSpace, principles: Principles, *, task: str) -> tuple[Adviser, ...]:
    """The advisers behind principles, for a search on ``task``: each reasoner that is joined, and of it each task whose
    architectures were read, experts, and each draw of a language model.

    What was read on ``task`` itself advises nothing, unless a model stated it: the search knows those scores.
    ``space``: the whole one.
    """
    stated = principles.onto(space)
    found = {name: _advisers(space, part, task) for name, part in _by_adviser(stated).items()}
    return tuple(
        replace(adviser, name=", ".join([*filter(None, (name, adviser.name))]) or stated.origin.reasoner)
        for name, advisers in found.items()
        for adviser in (advisers if len(advisers) > 1 or not name else [replace(one, name="") for one in advisers])
    )


def _by_adviser(stated: Principles) -> dict[str, Principles]:
    """The principles of each adviser that is named; all of them, under no name, if none is.

    Where advisers are named, what has no name is the claims of the space that they refine to together.
    """
    names = dict.fromkeys(principle.adviser for principle in stated.principles)
    if len(names) > 1:
        names.pop("", None)
    return {
        name: stated.model_copy(update={"principles": tuple(p for p in stated.principles if p.adviser == name)})
        for name in names
    }


def _advisers(space: SearchSpace, stated: Principles, task: str) -> tuple[Adviser, ...]:
    """The advisers behind the principles of one reasoner."""
    draws = sorted({draw for principle in stated.principles for draw in principle.draws})
    parts: dict[str, list[Principle]] = {}
    if draws:
        parts = {f"draw {draw + 1}": list(stated.of_draw(draw)) for draw in draws}
    elif stated.ordering:
        for principle in stated.principles:
            for pattern in principle.patterns:
                alone = principle.model_copy(update={"claims": (), "patterns": (pattern,)})
                parts.setdefault(pattern.task, []).append(alone)
        parts.pop(task, None)
    elif stated.principles:
        parts = {"": list(stated.principles)}
    return tuple(
        Adviser(
            name,
            expectation_of(space, stated.model_copy(update={"principles": tuple(part)})),
            tuple(dict.fromkeys(principle.statement for principle in part)),
        )
        for name, part in parts.items()
    )


def expectation_of(space: SearchSpace, principles: Principles) -> Expectation:
    """The expectation from the patterns of principles or, without patterns, from their claims.

    A claim to keep or try a candidate is worth the logarithm of how much more often it was chosen than by chance, one
    count added to each. A claim to avoid it is worth the negative of that. Where advisers are joined, each says as much
    as the others. ``space``: the whole one.
    """
    stated = principles.onto(space)
    advisers = _by_adviser(stated)
    if len(advisers) > 1:
        return together([expectation_of(space, part) for part in advisers.values()])
    patterns = [pattern for principle in stated.principles for pattern in principle.patterns]
    weights = [(pattern.feature, pattern.weight) for pattern in patterns if pattern.condition is None]
    conditions = [
        (pattern.condition, pattern.weight) for pattern in patterns if pattern.condition is not None and pattern.weight
    ]
    if not patterns:
        for claim in stated.claims:
            layer = space.layer(claim.layer)
            candidates = layer.operators if claim.kind == "operator" else layer.sources
            worth = math.log((claim.count + 1) / (claim.of + len(candidates)) * len(candidates))
            if claim.effect in ("avoid", "set_aside"):
                worth = min(worth, 0.0) - 1
            for operator, source in layer.choices:
                if claim.candidate == (operator if claim.kind == "operator" else source):
                    weights.append((f"{claim.layer}: {operator} from {source}", worth))
    return Expectation(space, tuple(weights), tuple(conditions))
