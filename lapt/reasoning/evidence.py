"""Counts in the architectures that a reasoner read: the evidence for its principles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from lapt.principles import Claim, Count, Effect, Kind, Origin, Principle, Principles
from lapt.spaces import Architecture, SearchSpace

Evidence = Mapping[str, tuple[Count, ...]]
"""Candidate -> its counts, the newest task's first. Candidates are compared count by count, in that order."""


def candidates_of(space: SearchSpace, kind: Kind, layer: str) -> tuple[str, ...]:
    at = space.layer(layer)
    return at.operators if kind == "operator" else at.sources


def counted(space: SearchSpace, architectures: Sequence[Architecture], task: str) -> Iterable[Count]:
    kinds: tuple[Kind, Kind] = ("operator", "source")
    for position, layer in enumerate(space.layers):
        for kind in kinds:
            chosen = Counter((a.operators if kind == "operator" else a.sources)[position] for a in architectures)
            for candidate in candidates_of(space, kind, layer.name):
                yield Count(
                    layer=layer.name,
                    kind=kind,
                    candidate=candidate,
                    count=chosen[candidate],
                    of=len(architectures),
                    task=task,
                )


def uncounted(space: SearchSpace, counts: Sequence[Count], task: str) -> Iterable[Count]:
    """Counts with 0 of 0 for every candidate without one: principles of another space lack some of them."""
    known = {(count.layer, count.kind, count.candidate) for count in counts}
    for count in counted(space, (), task):
        if (count.layer, count.kind, count.candidate) not in known:
            yield count


def ranked_by(candidates: Sequence[str], evidence: Evidence) -> list[str]:
    """Candidates by support, best first; ties in the space's order (the sort is stable)."""
    return sorted(candidates, key=lambda candidate: [-count.count for count in evidence.get(candidate, ())])


def claimed(counts: Sequence[Count], effect: Effect) -> Claim:
    """A claim with the newest evidence that supports it; with the oldest if none does."""
    supporting = next((count for count in counts if count.count), counts[-1])
    return Claim(**supporting.model_dump(), effect=effect)


def successor(
    space: SearchSpace,
    principles: tuple[Principle, ...],
    counts: tuple[Count, ...],
    origin: Origin,
    parent: Principles | None,
) -> Principles:
    """The next version after ``parent``, or the first."""
    return Principles(
        space=space.name,
        principles=principles,
        counts=counts,
        origin=origin,
        version=1 if parent is None else parent.version + 1,
        parent=None if parent is None else parent.id,
    )
