"""Reasoners without an LLM: one counts the choices of good architectures, the other draws at random as a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from lapt.archive import Archive
from lapt.base.digests import digest, short
from lapt.evaluation import Evaluation
from lapt.principles import Claim, Count, Effect, Kind, Origin, Principle, Principles
from lapt.reasoning.evidence import candidates_of, claimed, counted, ranked_by, successor, uncounted
from lapt.spaces import SearchSpace
from lapt.spaces.refining import refined


class Frequency:
    """Keeps, layer by layer, the candidates that good architectures choose most often.

    ``max_operators`` and ``max_sources`` cap the candidates of a layer. Deterministic: ties go by the space's own
    order. It writes its sentences from claims and reads only claims, never prose.
    """

    name = "frequency"

    def __init__(self, *, max_operators: int = 2, max_sources: int = 2) -> None:
        self.max_operators, self.max_sources = max_operators, max_sources

    def learn(self, space: SearchSpace, archive: Archive) -> Principles:
        origin = Origin(reasoner=self.name, step="learn", task=archive.task, archive=archive.digest)
        counts = tuple(counted(space, [entry.architecture for entry in archive.entries], archive.task))
        return self._most_frequent(space, counts, origin, parent=None)

    def translate(self, space: SearchSpace, principles: Principles, *, task: str) -> SearchSpace:
        """The space that the claims keep and try, within the caps: first those to be tried, then the best supported.

        A layer with only claims to avoid keeps the other candidates. A layer without claims keeps everything.
        """
        principles = principles.onto(space)
        kept: dict[Kind, dict[str, list[str]]] = {"operator": {}, "source": {}}
        for layer, kind, cap in _choices(space, self.max_operators, self.max_sources):
            evidence = principles.evidence(kind, layer)
            tried, good, bad = (principles.candidates(kind, e).get(layer, []) for e in ("try", "keep", "avoid"))
            others = [c for c in candidates_of(space, kind, layer) if c not in bad] if bad else []
            wanted = dict.fromkeys([*tried, *ranked_by(good, evidence)]) or dict.fromkeys(ranked_by(others, evidence))
            if wanted:
                kept[kind][layer] = list(wanted)[:cap]
        return refined(
            space,
            kept["operator"],
            kept["source"],
            lambda layer: ranked_by(candidates_of(space, "source", layer), principles.evidence("source", layer)),
        )

    def update(
        self, space: SearchSpace, principles: Principles, top_architectures: Sequence[Evaluation], *, task: str
    ) -> Principles:
        """Count again in the target's top architectures. The source's counts decide ties and gaps.

        Measured on the tasks that may be tuned on. Adding both counts lets 50 source cells outvote 5 target cells:
        TransNAS-Bench-101 with three operators a layer, mean rank of 50 seeds, class_object 46 against 37, room_layout
        61 against 52. The target's counts alone narrow a layer on which five cells agree to one operator, and the space
        is exhausted before the budget is: NAS-Bench-201 cifar10, mean rank of 600 seeds, 9.1 against 5.1.
        """
        principles = principles.onto(space)
        read = [evaluation.architecture for evaluation in top_architectures]
        archive = short([space.encode(architecture) for architecture in read])
        origin = Origin(reasoner=self.name, step="update", task=task, archive=archive)
        earlier = (count for count in principles.counts if count.task != task)
        return self._most_frequent(space, (*counted(space, read, task), *earlier), origin, parent=principles)

    def explore(self, space: SearchSpace, principles: Principles, *, task: str) -> Principles:
        """On each layer, replace the least supported candidate by the best supported one without a claim.

        The replaced one is set aside and keeps its claim, so the next exploration goes on to the next candidate. A
        layer whose candidates all have claims stays as it is.
        """
        principles = principles.onto(space)
        counts = (*principles.counts, *uncounted(space, principles.counts, principles.origin.task))
        stated = principles.model_copy(update={"counts": counts})
        changed = tuple(self._explored(space, stated, principle) for principle in _by_choice(principles.principles))
        origin = principles.origin.model_copy(update={"step": "explore", "task": task, "reasoner": self.name})
        return successor(space, changed, counts, origin, principles)

    @staticmethod
    def _explored(space: SearchSpace, principles: Principles, principle: Principle) -> Principle:
        layer, kind = principle.claims[0].layer, principle.claims[0].kind
        evidence = principles.evidence(kind, layer)
        best_first = ranked_by(candidates_of(space, kind, layer), evidence)
        spoken = {claim.candidate for claim in principle.claims}
        unspoken = [candidate for candidate in best_first if candidate not in spoken]
        kept = [claim for claim in principle.claims if claim.effect in ("keep", "try")]
        if not unspoken or not kept:
            return principle
        least = max(kept, key=lambda claim: best_first.index(claim.candidate))
        claims = [c.model_copy(update={"effect": "set_aside"}) if c is least else c for c in principle.claims]
        claims.append(claimed(evidence[unspoken[0]], "try"))
        return Principle(statement=_statement(claims), claims=tuple(claims))

    def _most_frequent(
        self, space: SearchSpace, counts: tuple[Count, ...], origin: Origin, parent: Principles | None
    ) -> Principles:
        stated = successor(space, (), counts, origin, parent)
        principles = []
        for layer, kind, cap in _choices(space, self.max_operators, self.max_sources):
            evidence = stated.evidence(kind, layer)
            ranked = ranked_by(candidates_of(space, kind, layer), evidence)
            chosen = [candidate for candidate in ranked if any(count.count for count in evidence[candidate])]
            if chosen:
                claims = [claimed(evidence[candidate], "keep") for candidate in chosen[:cap]]
                principles.append(Principle(statement=_statement(claims), claims=tuple(claims)))
        return stated.model_copy(update={"principles": tuple(principles)})


def _choices(space: SearchSpace, max_operators: int, max_sources: int) -> Iterable[tuple[str, Kind, int]]:
    """(layer, kind, cap) wherever a layer has a choice."""
    for layer in space.layers:
        if len(layer.operators) > 1:
            yield layer.name, "operator", max_operators
        if len(layer.sources) > 1:
            yield layer.name, "source", max_sources


def _by_choice(principles: Sequence[Principle]) -> Sequence[Principle]:
    """One principle for each layer and kind, as this reasoner states them; a language model's principles are split.

    If several principles speak of one candidate, the first counts.
    """
    choices: dict[tuple[str, Kind], dict[str, Claim]] = {}
    for principle in principles:
        for claim in principle.claims:
            choices.setdefault((claim.layer, claim.kind), {}).setdefault(claim.candidate, claim)
    if len(choices) == len(principles) and all(len({(c.layer, c.kind) for c in p.claims}) == 1 for p in principles):
        return principles
    claims = [tuple(candidates.values()) for candidates in choices.values()]
    return [Principle(statement=_statement(of_choice), claims=of_choice) for of_choice in claims]


def _statement(claims: Sequence[Claim]) -> str:
    """The claims of one layer as a sentence."""
    said: dict[Effect, list[str]] = {"keep": [], "try": [], "set_aside": [], "avoid": []}
    tasks = {claim.task for claim in claims}
    for claim in claims:
        where = f" on {claim.task}" if len(tasks) > 1 else ""
        said[claim.effect].append(f"{claim.candidate} ({claim.count} of {claim.of}{where})")
    whose = f" of {claims[0].task}" if len(tasks) == 1 else ""
    chosen = f"good architectures{whose} {'choose' if claims[0].kind == 'operator' else 'read from'}"
    sentences = []
    if said["keep"]:
        sentences.append(f"{chosen} {_listed(said['keep'])}")
    if said["try"]:
        sentences.append(f"{_are(said['try'])} tried, since no principle spoke of it")
    if said["avoid"]:
        sentences.append(f"{_are(said['avoid'])} avoided")
    if said["set_aside"]:
        sentences.append(f"{_are(said['set_aside'])} set aside")
    return f"On layer {claims[0].layer}, {'; '.join(sentences)}."


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _are(items: Sequence[str]) -> str:
    return f"{_listed(items)} {'is' if len(items) == 1 else 'are'}"


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
