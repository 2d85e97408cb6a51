"""Reasoners whose principles put a whole space in order. The refined space is where they expect most."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lapt.archive import Archive
from lapt.base.digests import short
from lapt.evaluation import Evaluation
from lapt.principles import Claim, Count, Kind, Origin, Principle, Principles
from lapt.reasoning.evidence import candidates_of, claimed, counted
from lapt.reasoning.expectation import Expectation, background, expectation_of
from lapt.spaces import ENUMERABLE, Architecture, SearchSpace
from lapt.spaces.features import Floats
from lapt.spaces.refining import refined

_SAMPLED = 2_000
"""Size of the sample of a space too large to list, each time that it is narrowed."""
_LEFT = 50
"""Size of the background below which a space is not refined further: too few members to judge by."""


class Ordering(ABC):
    """Base class of reasoners that keep the share ``breadth`` of the space that their principles expect most of.

    Every update and exploration widens it ``growth`` times (an exploration twice over), since the target's own evidence
    is worth more with every iteration. A subclass states principles in ``learn``, and in ``learned`` those that an
    update adds.
    """

    name: str
    follows = True
    """Whether an update adds what the target's best show. Of several that are joined, one does it for all."""

    def __init__(self, *, breadth: float = 0.015, growth: float = 20.0) -> None:
        self.breadth, self.growth = breadth, growth

    @abstractmethod
    def learn(self, space: SearchSpace, archive: Archive) -> Principles:
        """Principles from good architectures of the source task."""

    def learned(self, space: SearchSpace, read: Sequence[Architecture], task: str) -> Iterable[Principle]:
        """Principles from architectures read on a task, each with a pattern; none here."""
        return ()

    def translate(self, space: SearchSpace, principles: Principles, *, task: str) -> SearchSpace:
        """The space that the claims keep."""
        stated = principles.onto(space)
        operators, sources = (stated.candidates(kind, "keep", "try") for kind in ("operator", "source"))
        return refined(space, operators, sources, lambda layer: candidates_of(space, "source", layer))

    def update(
        self, space: SearchSpace, principles: Principles, top_architectures: Sequence[Evaluation], *, task: str
    ) -> Principles:
        """The principles with what the target's best add, in place of what earlier ones added, and a wider space."""
        principles = principles.onto(space)
        read = [evaluation.architecture for evaluation in top_architectures]
        archive = short([space.encode(architecture) for architecture in read])
        origin = Origin(reasoner=self.name, step="update", task=task, archive=archive)
        kept = (p for p in principles.principles if p.patterns and p.patterns[0].task != task)
        earlier = (count for count in principles.counts if count.task != task)
        return self.stated(
            space,
            (*kept, *(self.learned(space, read, task) if self.follows else ())),
            (*counted(space, read, task), *earlier),
            origin,
            self._wider(principles, self.growth),
            principles,
        )

    def explore(self, space: SearchSpace, principles: Principles, *, task: str) -> Principles:
        """The same principles, and a wider space."""
        principles = principles.onto(space)
        origin = principles.origin.model_copy(update={"step": "explore", "task": task, "reasoner": self.name})
        kept = tuple(p for p in principles.principles if p.patterns)
        return self.stated(space, kept, principles.counts, origin, self._wider(principles, self.growth**2), principles)

    def stated(
        self,
        space: SearchSpace,
        patterns: Sequence[Principle],
        counts: tuple[Count, ...],
        origin: Origin,
        breadth: float,
        parent: Principles | None,
    ) -> Principles:
        """The next version: principles with patterns, and the claims of the space that they refine to."""
        stated = Principles(
            space=space.name,
            principles=tuple(patterns),
            counts=counts,
            origin=origin,
            version=1 if parent is None else parent.version + 1,
            parent=None if parent is None else parent.id,
            breadth=breadth,
        )
        promising = promising_by(space, expectation_of(space, stated), breadth)
        return stated.model_copy(update={"principles": (*patterns, *_kept(space, promising, stated))})

    def _wider(self, principles: Principles, times: float) -> float:
        return min(1.0, (principles.breadth or self.breadth) * times)


def promising_by(space: SearchSpace, expectation: Expectation, breadth: float) -> SearchSpace:
    """``most_promising`` by an expectation.

    A sample of a space too large to list can tell a hundredth apart at best. So the kept space is sampled and narrowed
    again, until it is at most ``breadth`` of ``space``.
    """
    found = most_promising(space, expectation.over_background(), breadth)
    rng = np.random.default_rng(0)
    while space.size > ENUMERABLE and found.size > breadth * space.size:
        members = tuple(found.sample(rng) for _ in range(_SAMPLED))
        narrower = most_promising(found, expectation(members), breadth * space.size / found.size, members)
        if narrower == found:
            break
        found = narrower
    return found


def most_promising(
    space: SearchSpace, expected: Floats, breadth: float, members: Sequence[Architecture] | None = None
) -> SearchSpace:
    """The product space of at most ``breadth`` of ``space`` with a high mean expectation.

    ``expected``: of ``members``, or of every member of its background if unset. Greedy: each step leaves out the
    candidate whose loss raises the mean most, relative to the logarithm of the factor by which the space shrinks.
    """
    members = background(space).members if members is None else members
    choices: dict[tuple[int, Kind, str], npt.NDArray[np.bool_]] = {}
    for at, layer in enumerate(space.layers):
        chosen = np.array([m.operators[at] for m in members], dtype=object)
        for operator in layer.operators:
            choices[at, "operator", operator] = chosen == operator
        if len(layer.sources) > 1:
            read = np.array([m.sources[at] for m in members], dtype=object)
            for source in layer.sources:
                choices[at, "source", source] = read == source
    kept, inside = dict(choices), np.ones(len(members), dtype=bool)
    while (size := int(inside.sum())) > max(breadth * len(members), 1) and size > _LEFT * (len(members) < space.size):
        mean, found = float(expected[inside].mean()), []
        alone = Counter(choice[:2] for choice in kept)
        for choice, has in kept.items():
            if alone[choice[:2]] == 1:
                continue
            left = inside & ~has
            remaining = int(left.sum())
            if 0 < remaining < size:
                gain = (float(expected[left].mean()) - mean) / float(np.log(size / remaining))
                found.append((gain, choice, left))
        if not found:
            break
        _, out, inside = max(found, key=lambda one: one[0])
        del kept[out]

    def candidates(kind: Kind) -> Mapping[str, list[str]]:
        return {
            layer.name: [c for (where, what, c) in kept if where == at and what == kind]
            for at, layer in enumerate(space.layers)
            if kind == "operator" or len(layer.sources) > 1
        }

    sources = candidates("source")
    return refined(space, candidates("operator"), sources, lambda layer: candidates_of(space, "source", layer))


def _kept(space: SearchSpace, promising: SearchSpace, stated: Principles) -> Iterable[Principle]:
    """The refined space as a principle, with a claim for each candidate of a layer that lost some."""
    kinds: tuple[Kind, Kind] = ("operator", "source")
    claims: list[Claim] = []
    said = []
    for before, after in zip(space.layers, promising.layers, strict=True):
        for kind in kinds:
            kept = candidates_of(promising, kind, after.name)
            if len(kept) < len(candidates_of(space, kind, before.name)):
                evidence = stated.evidence(kind, before.name)
                here = [claimed(evidence[candidate], "keep") for candidate in kept]
                claims += here
                said.append(f"{before.name}: {', '.join(map(_counted, here))}")
    if claims:
        beside = ", with the number that chose it" if any(claim.of for claim in claims) else ""
        yield Principle(statement=f"That leaves{beside}: {'; '.join(said)}.", claims=tuple(claims))


def _counted(claim: Claim) -> str:
    return f"{claim.candidate} ({claim.count} of {claim.of})" if claim.of else claim.candidate
