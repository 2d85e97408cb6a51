"""Several reasoners that advise together, each with a weight of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy

from lapt.archive import Archive
from lapt.evaluation import Evaluation
from lapt.principles import Count, Origin, Principle, Principles
from lapt.reasoning.evidence import uncounted
from lapt.reasoning.ordering import Ordering
from lapt.reasoning.reasoner import Reasoner, seeing
from lapt.spaces import SearchSpace


class Joined(Ordering):
    """Reasoners side by side: each learns and adapts by itself, and their expectations are added.

    The expectations have the same deviation before they are added, so each reasoner says as much as the others. With
    ``refinement: order`` the target's scores weigh them apart. An adaptation widens the space (``Ordering``).
    """

    def __init__(
        self,
        advisers: Sequence[Reasoner],
        *,
        names: Sequence[str] = (),
        breadth: float = 0.015,
        growth: float = 20.0,
    ) -> None:
        """``names``: of the advisers, if they are not those of the reasoners."""
        super().__init__(breadth=breadth, growth=growth)
        self.advisers = tuple(advisers)
        self.names = tuple(names) or _distinct([adviser.name for adviser in advisers])

    @property
    def name(self) -> str:  # type: ignore[override]
        return "+".join(self.names)

    def seeing(self, evaluations: Sequence[Evaluation]) -> Joined:
        """The same reasoners, of which those that make use of all evaluations on a target have these in view."""
        joined = copy(self)
        joined.advisers = tuple(seeing(adviser, evaluations) for adviser in self.advisers)
        return joined

    def learn(self, space: SearchSpace, archive: Archive) -> Principles:
        return self.learn_apart(space, [archive] * len(self.advisers), archive.task, archive.digest)

    def learn_apart(self, space: SearchSpace, archives: Sequence[Archive], task: str, digest: str) -> Principles:
        """Principles of all advisers, of which each reads an archive of its own. ``task``, ``digest``: of all these
        archives together."""
        found = [one.learn(space, archive) for one, archive in zip(self.advisers, archives, strict=True)]
        origin = Origin(reasoner=self.name, step="learn", task=task, archive=digest)
        return self.stated(space, self._signed(found), _counts(space, found), origin, self.breadth, None)

    def update(
        self, space: SearchSpace, principles: Principles, top_architectures: Sequence[Evaluation], *, task: str
    ) -> Principles:
        return self._each(
            space, principles, lambda one, own: one.update(space, own, top_architectures, task=task), self.growth
        )

    def explore(self, space: SearchSpace, principles: Principles, *, task: str) -> Principles:
        return self._each(space, principles, lambda one, own: one.explore(space, own, task=task), self.growth**2)

    def _each(
        self,
        space: SearchSpace,
        principles: Principles,
        adapt: Callable[[Reasoner, Principles], Principles],
        times: float,
    ) -> Principles:
        """The next version, of which every reasoner adapted its own part."""
        principles = principles.onto(space)
        found = [adapt(one, self._part(principles, name)) for one, name in zip(self.advisers, self.names, strict=True)]
        origin = found[0].origin.model_copy(update={"reasoner": self.name})
        breadth = self._wider(principles, times)
        return self.stated(space, self._signed(found), _counts(space, found), origin, breadth, principles)

    def _signed(self, found: Sequence[Principles]) -> tuple[Principle, ...]:
        """All principles with the name of their reasoner. The claims of a space that one refines to are left out: the
        joined space has its own."""
        return tuple(
            principle.model_copy(update={"adviser": _under(name, principle.adviser)})
            for name, stated in zip(self.names, found, strict=True)
            for principle in stated.principles
            if principle.patterns or not stated.ordering
        )

    def _part(self, principles: Principles, name: str) -> Principles:
        """One reasoner's own principles, without its name."""
        own = tuple(
            principle.model_copy(update={"adviser": principle.adviser.removeprefix(name).removeprefix(SEPARATOR)})
            for principle in principles.principles
            if principle.adviser == name or principle.adviser.startswith(name + SEPARATOR)
        )
        return principles.model_copy(update={"principles": own})


SEPARATOR = ": "
"""Stands between the name of a joined reasoner and the name of its own adviser."""


def _counts(space: SearchSpace, found: Sequence[Principles]) -> tuple[Count, ...]:
    """The counts of all of them, each once; 0 of 0 for a candidate that nobody counted."""
    known = tuple(dict.fromkeys(count for stated in found for count in stated.counts if count.of))
    return (*known, *uncounted(space, known, found[0].origin.task))


def _under(name: str, adviser: str) -> str:
    return f"{name}{SEPARATOR}{adviser}" if adviser else name


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The names, with a number where one is there twice."""
    found: list[str] = []
    for name in names:
        found.append(name if name not in found else f"{name} {sum(n == name for n in names[: len(found) + 1])}")
    return tuple(found)
