"""A reasoner that draws at random: a baseline for reasoning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from lapt.archive import Archive
from lapt.base.digests import digest, short
from lapt.evaluation import Evaluation
from lapt.principles import Count, Origin, Principle, Principles
from lapt.reasoning.evidence import claimed, counted, successor
from lapt.reasoning.frequency import Frequency
from lapt.spaces import SearchSpace


class Chance:
    """Keeps, layer by layer, candidates drawn at random: as many as ``frequency`` would keep at most.

    Deterministic under ``seed``: every call draws again, from its arguments.
    """

    name = "random"

    def __init__(self, *, seed: int, max_operators: int = 2, max_sources: int = 2) -> None:
        self.seed, self.max_operators, self.max_sources = seed, max_operators, max_sources

    def learn(self, space: SearchSpace, archive: Archive) -> Principles:
        origin = Origin(reasoner=self.name, step="learn", task=archive.task, archive=archive.digest)
        counts = tuple(counted(space, [entry.architecture for entry in archive.entries], archive.task))
        return self._drawn(space, counts, origin, None)

    def translate(self, space: SearchSpace, principles: Principles, *, task: str) -> SearchSpace:
        counting = Frequency(max_operators=self.max_operators, max_sources=self.max_sources)
        return counting.translate(space, principles, task=task)

    def update(
        self, space: SearchSpace, principles: Principles, top_architectures: Sequence[Evaluation], *, task: str
    ) -> Principles:
        principles = principles.onto(space)
        architectures = [evaluation.architecture for evaluation in top_architectures]
        archive = short([space.encode(architecture) for architecture in architectures])
        origin = Origin(reasoner=self.name, step="update", task=task, archive=archive)
        return self._drawn(space, tuple(counted(space, architectures, task)), origin, principles)

    def explore(self, space: SearchSpace, principles: Principles, *, task: str) -> Principles:
        principles = principles.onto(space)
        origin = principles.origin.model_copy(update={"step": "explore", "task": task, "reasoner": self.name})
        return self._drawn(space, principles.counts, origin, principles)

    def _drawn(
        self, space: SearchSpace, counts: tuple[Count, ...], origin: Origin, parent: Principles | None
    ) -> Principles:
        about = [origin.step, origin.task, None if parent is None else parent.id]
        rng = np.random.default_rng([self.seed, int(digest(about)[:15], 16)])
        return successor(space, tuple(self._principles(space, counts, rng)), counts, origin, parent)

    def _principles(
        self, space: SearchSpace, counts: tuple[Count, ...], rng: np.random.Generator
    ) -> Iterable[Principle]:
        for layer in space.layers:
            for kind, most in (("operator", self.max_operators), ("source", self.max_sources)):
                here = [count for count in counts if (count.layer, count.kind) == (layer.name, kind)]
                if len(here) > 1:
                    chosen = sorted(rng.permutation(len(here))[:most].tolist())
                    claims = tuple(claimed([here[position]], "keep") for position in chosen)
                    names = " and ".join(claim.candidate for claim in claims)
                    yield Principle(statement=f"On layer {layer.name}, chance keeps {names}.", claims=claims)
