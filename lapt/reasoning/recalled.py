"""Reasoners of sources that are not read: stored principles, and no source at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lapt.archive import Archive
from lapt.base.digests import short
from lapt.evaluation import Evaluation
from lapt.principles import Origin, Principle, Principles
from lapt.reasoning.evidence import counted, uncounted
from lapt.reasoning.ordering import Ordering
from lapt.spaces import Architecture, SearchSpace


class Recalled(Ordering):
    """Principles of an earlier run, which order a space. An adaptation adds what ``teacher`` learns of the target's
    best."""

    name = "recalled"

    def __init__(
        self,
        principles: Principles,
        *,
        breadth: float = 0.015,
        growth: float = 20.0,
        teacher: Ordering | None = None,
    ) -> None:
        super().__init__(breadth=breadth, growth=growth)
        self.principles, self.teacher = principles, teacher

    def learn(self, space: SearchSpace, archive: Archive) -> Principles:
        """The principles themselves. Nothing is read of ``archive`` but its task, as the name of the source."""
        own = self.principles.onto(space)
        kept = tuple(principle for principle in own.principles if principle.patterns)
        origin = Origin(reasoner=self.name, step="learn", task=archive.task, archive=self.principles.id)
        counts = (*own.counts, *uncounted(space, own.counts, archive.task))
        stated = self.stated(space, kept, counts, origin, self.breadth, None)
        return stated.model_copy(update={"parent": self.principles.id, "dropped": own.dropped})

    def learned(self, space: SearchSpace, read: Sequence[Architecture], task: str) -> Iterable[Principle]:
        return () if self.teacher is None else self.teacher.learned(space, read, task)


class Following:
    """Principles of the target's best alone, beside several sources, which stay as they are."""

    name = "target"

    def __init__(self, teacher: Ordering) -> None:
        self.teacher = teacher

    def learn(self, space: SearchSpace, archive: Archive) -> Principles:
        """No principles: nothing of the target is known."""
        origin = Origin(reasoner=self.name, step="learn", task=archive.task, archive="")
        return Principles(space=space.name, principles=(), origin=origin)

    def translate(self, space: SearchSpace, principles: Principles, *, task: str) -> SearchSpace:
        return space

    def update(
        self, space: SearchSpace, principles: Principles, top_architectures: Sequence[Evaluation], *, task: str
    ) -> Principles:
        read = [evaluation.architecture for evaluation in top_architectures]
        archive = short([space.encode(architecture) for architecture in read])
        return Principles(
            space=space.name,
            principles=tuple(self.teacher.learned(space, read, task)),
            counts=tuple(counted(space, read, task)),
            origin=Origin(reasoner=self.name, step="update", task=task, archive=archive),
        )

    def explore(self, space: SearchSpace, principles: Principles, *, task: str) -> Principles:
        origin = principles.origin.model_copy(update={"step": "explore", "task": task})
        return principles.model_copy(update={"origin": origin})


class Unguided:
    """No principles, now or later: the search alone, on the whole space."""

    name = "none"

    def learn(self, space: SearchSpace, archive: Archive) -> Principles:
        return Principles(
            space=space.name,
            principles=(),
            origin=Origin(reasoner=self.name, step="learn", task=archive.task, archive=archive.digest),
        )

    def translate(self, space: SearchSpace, principles: Principles, *, task: str) -> SearchSpace:
        return space

    def update(
        self, space: SearchSpace, principles: Principles, top_architectures: Sequence[Evaluation], *, task: str
    ) -> Principles:
        return principles

    def explore(self, space: SearchSpace, principles: Principles, *, task: str) -> Principles:
        return principles


def without_tasks(principles: Principles, tasks: Iterable[str]) -> tuple[Principles, int]:
    """The principles without what was read on these tasks, and the number left out: the target must not teach
    itself."""
    known = set(tasks)

    def apart(principle: Principle) -> Principle:
        patterns = tuple(pattern for pattern in principle.patterns if pattern.task not in known)
        claims = tuple(claim for claim in principle.claims if claim.task not in known)
        return principle.model_copy(update={"patterns": patterns, "claims": claims})

    kept = [apart(principle) for principle in principles.principles]
    left = tuple(one for one in kept if one.patterns or one.claims)
    counts = tuple(count for count in principles.counts if count.task not in known)
    gone = len(principles.principles) - len(left)
    return principles.model_copy(update={"principles": left, "counts": counts}), gone
