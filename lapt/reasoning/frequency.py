"""The reasoner without an LLM: what good architectures have in common, by counting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from lapt.archive import Archive
from lapt.digests import short
from lapt.evaluation import Evaluation
from lapt.principles import Claim, Count, Effect, Origin, Principle, Principles
from lapt.spaces import Architecture, SearchSpace

Kind = Literal["operator", "source"]


class Frequency:
    """Keeps, layer by layer, the candidates that good architectures choose most often.

    ``max_operators`` and ``max_sources`` cap what a layer keeps. Deterministic: ties go by the space's own order.
    It renders its sentences from claims and reads claims, never prose.
    """

    name = "frequency"

    def __init__(self, *, max_operators: int = 2, max_sources: int = 2) -> None:
        self.max_operators, self.max_sources = max_operators, max_sources

    def learn(self, space: SearchSpace, archive: Archive) -> Principles:
        origin = Origin(reasoner=self.name, step="learn", task=archive.task, archive=archive.digest)
        counts = tuple(_counts(space, [entry.architecture for entry in archive.entries]))
        return self._most_frequent(space, counts, origin, parent=None)

    def translate(self, space: SearchSpace, principles: Principles) -> SearchSpace:
        principles = principles.onto(space)
        return space.restrict(
            operators=principles.candidates("operator", "keep", "try"),
            sources=principles.candidates("source", "keep", "try"),
        )

    def update(
        self, space: SearchSpace, principles: Principles, top_architectures: Sequence[Evaluation], *, task: str
    ) -> Principles:
        """Counts again, in the top architectures of the target alone.

        Adding these counts to the source's was tried: 50 source cells outvote 5 target cells, the space never moves
        (TransNAS-Bench-101 with three operators a layer, 50 seeds, mean rank: class_object 46 against 37, room_layout
        61 against 52; NAS-Bench-201 cifar10, 200 seeds: no difference).
        """
        principles = principles.onto(space)
        read = [evaluation.architecture for evaluation in top_architectures]
        origin = Origin(
            reasoner=self.name,
            step="update",
            task=task,
            archive=short([space.encode(architecture) for architecture in read]),
        )
        return self._most_frequent(space, tuple(_counts(space, read)), origin, parent=principles)

    def explore(self, space: SearchSpace, principles: Principles, *, task: str) -> Principles:
        """On each layer, the best supported candidate that no principle speaks of replaces the least supported one.

        What it replaces is set aside: still spoken of, so that the next exploration goes on to the next candidate. A
        layer whose candidates are all spoken of stays as it is.
        """
        principles = principles.onto(space)
        changed = tuple(self._explored(space, principles, principle) for principle in principles.principles)
        origin = principles.origin.model_copy(update={"step": "explore", "task": task, "reasoner": self.name})
        return self._successor(space, changed, principles.counts, origin, principles)

    def _explored(self, space: SearchSpace, principles: Principles, principle: Principle) -> Principle:
        layer, kind = principle.claims[0].layer, principle.claims[0].kind
        order = _candidates(space, kind, layer)
        support = principles.support(kind, layer)
        spoken = {claim.candidate for claim in principle.claims}
        unspoken = [candidate for candidate in order if candidate not in spoken]
        kept = [claim for claim in principle.claims if claim.effect != "set_aside"]
        if not unspoken or not kept:
            return principle
        of = principle.claims[0].of
        least = min(kept, key=lambda claim: (support.get(claim.candidate, 0), -order.index(claim.candidate)))
        tried = max(unspoken, key=lambda candidate: (support.get(candidate, 0), -order.index(candidate)))
        claims = [c.model_copy(update={"effect": "set_aside"}) if c is least else c for c in principle.claims]
        claims.append(Claim(layer=layer, kind=kind, candidate=tried, effect="try", count=support.get(tried, 0), of=of))
        return Principle(statement=_statement(claims), claims=tuple(claims))

    def _most_frequent(
        self, space: SearchSpace, counts: tuple[Count, ...], origin: Origin, parent: Principles | None
    ) -> Principles:
        principles = []
        for layer, kind, cap in _choices(space, self.max_operators, self.max_sources):
            order = _candidates(space, kind, layer)
            here = [c for c in counts if c.layer == layer and c.kind == kind and c.count > 0]
            kept = sorted(here, key=lambda c: (-c.count, order.index(c.candidate)))[:cap]
            if kept:
                claims = [Claim(**c.model_dump(), effect="keep") for c in kept]
                principles.append(Principle(statement=_statement(claims), claims=tuple(claims)))
        return self._successor(space, tuple(principles), counts, origin, parent)

    @staticmethod
    def _successor(
        space: SearchSpace,
        principles: tuple[Principle, ...],
        counts: tuple[Count, ...],
        origin: Origin,
        parent: Principles | None,
    ) -> Principles:
        return Principles(
            space=space.name,
            principles=principles,
            counts=counts,
            origin=origin,
            version=1 if parent is None else parent.version + 1,
            parent=None if parent is None else parent.id,
        )


def _choices(space: SearchSpace, max_operators: int, max_sources: int) -> Iterable[tuple[str, Kind, int]]:
    """(layer, kind, cap) wherever a layer has something to choose."""
    for layer in space.layers:
        if len(layer.operators) > 1:
            yield layer.name, "operator", max_operators
        if len(layer.sources) > 1:
            yield layer.name, "source", max_sources


def _candidates(space: SearchSpace, kind: Kind, layer: str) -> tuple[str, ...]:
    at = space.layer(layer)
    return at.operators if kind == "operator" else at.sources


def _counts(space: SearchSpace, architectures: Sequence[Architecture]) -> Iterable[Count]:
    for position, layer in enumerate(space.layers):
        for kind, chosen in (
            ("operator", Counter(a.operators[position] for a in architectures)),
            ("source", Counter(a.sources[position] for a in architectures)),
        ):
            for candidate in _candidates(space, kind, layer.name):  # type: ignore[arg-type]
                yield Count(
                    layer=layer.name, kind=kind, candidate=candidate, count=chosen[candidate], of=len(architectures)
                )


def _statement(claims: Sequence[Claim]) -> str:
    """The claims of one layer as a sentence."""
    kept: dict[Effect, list[str]] = {"keep": [], "try": [], "set_aside": []}
    for claim in claims:
        kept[claim.effect].append(f"{claim.candidate} ({claim.count} of {claim.of})")
    layer, what = claims[0].layer, {"operator": "good architectures choose", "source": "good architectures read from"}
    sentences = []
    if kept["keep"]:
        sentences.append(f"{what[claims[0].kind]} {_listed(kept['keep'])}")
    if kept["try"]:
        sentences.append(f"{_listed(kept['try'])} is tried, since no principle spoke of it")
    if kept["set_aside"]:
        sentences.append(f"{_listed(kept['set_aside'])} is set aside")
    return f"On layer {layer}, {'; '.join(sentences)}."


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
