"""The reasoner of the paper: a language model reads architectures as code and states design principles."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any, Literal, Protocol, TypeVar

from lapt.archive import Archive
from lapt.base.digests import short
from lapt.evaluation import Evaluation
from lapt.principles import Origin, Principle, Principles
from lapt.reasoning.endpoint.calls import AwaitingReply, Caller, Question, ReasonerError, Unusable
from lapt.reasoning.evidence import counted, successor, uncounted
from lapt.reasoning.frequency import Frequency
from lapt.reasoning.language.briefing import Briefing
from lapt.reasoning.language.parts import EVERY_PART, PromptParts
from lapt.reasoning.language.replies import EXPLORE, LEARN, principles_schema, read_principles, read_space, space_schema
from lapt.reasoning.prompts.templates import Prompt, rendered, with_fronts
from lapt.spaces import SearchSpace
from lapt.spaces.refining import refined

Combine = Literal["majority", "union", "intersection"]


def merged(draws: Sequence[Sequence[Principle]]) -> tuple[Principle, ...]:
    """The principles of all draws. Equal claims become one principle, which lists the draws that state it; so do equal
    conditions with one effect.

    Most stated first, then in the order of the draws.
    """
    found: dict[tuple[Any, ...], Principle] = {}
    for principles in draws:
        for principle in principles:
            claims = sorted((c.layer, c.kind, c.candidate, c.effect) for c in principle.claims)
            made = (*claims, *((pattern.feature, pattern.weight > 0) for pattern in principle.patterns))
            known = found.setdefault(made, principle)
            if known is not principle:
                found[made] = known.model_copy(update={"draws": tuple(sorted({*known.draws, *principle.draws}))})
    return tuple(sorted(found.values(), key=lambda principle: -len(principle.draws)))


def combined(spaces: Sequence[SearchSpace], how: Combine) -> SearchSpace:
    """Combine several refined spaces into one, a layer at a time.

    majority: candidates that more than half of the draws keep; intersection: those that all keep; if there are none,
    those that most keep. union: those that any keeps. If a node (DARTS) is left with the same single source on its
    layers, the source with the next most votes is added.
    """
    first = spaces[0]
    kept: dict[str, dict[str, list[str]]] = {"operators": {}, "sources": {}}
    ranked: dict[str, list[str]] = {}
    whole = first
    for other in spaces[1:]:
        whole = whole.union(other)
    for layer in whole.layers:
        for kind, names in kept.items():
            votes = Counter(name for space in spaces for name in getattr(space.layer(layer.name), kind))
            needed = {"majority": len(spaces) // 2 + 1, "union": 1, "intersection": len(spaces)}[how]
            most = max(votes.values())
            names[layer.name] = [name for name in getattr(layer, kind) if votes[name] >= min(needed, most)]
            if kind == "sources":
                ranked[layer.name] = sorted(layer.sources, key=lambda name: -votes[name])
    return refined(whole, kept["operators"], kept["sources"], ranked.__getitem__)


def spread(draws: Sequence[Mapping[str, Collection[str]]]) -> float:
    """Disagreement of draws, 0 (all alike) to 1: one minus the mean Jaccard index of two draws' candidates on a layer.

    ``draws``: layer -> candidates kept. Mean over the layers that both name and over the pairs; 0 for a single draw.
    """
    disagreements = [
        1 - len({*one[layer]} & {*two[layer]}) / len({*one[layer]} | {*two[layer]})
        for one, two in combinations(draws, 2)
        for layer in one
        if layer in two
    ]
    return sum(disagreements) / len(disagreements) if disagreements else 0.0


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
OnInvalid = Literal["raise", "frequency"]
_log = logging.getLogger("lapt.reasoning")


class _Read(Protocol[T_co]):
    def __call__(self, text: str, *, draw: int) -> T_co: ...


@dataclass(frozen=True)
class Chat:
    """Asks a chat model through ``caller``: ``draws`` times, each draw in a line of its own earlier replies.

    ``max_operators``, ``max_sources`` cap the candidates of a layer. A draw whose reply stays invalid is left out. If
    none is left, ``on_invalid`` decides: raise, or let the ``frequency`` reasoner stand in, which its principles
    record.
    """

    caller: Caller
    draws: int = 1
    combine: Combine = "majority"
    max_operators: int | None = 3
    max_sources: int | None = 2
    parts: PromptParts = EVERY_PART
    on_invalid: OnInvalid = "raise"

    @property
    def name(self) -> str:
        return f"chat:{self.caller.model.name}"

    # --- the four calls ----------------------------------------------------------------------------------------------
    def learn(self, space: SearchSpace, archive: Archive) -> Principles:
        brief = self._brief(space)
        architectures = [entry.architecture for entry in archive.entries]
        counts = tuple(counted(space, architectures, archive.task))
        prompt = rendered(
            "learn",
            **brief.variables(),
            cells=brief.cells(archive.entries, scores=False),
            chosen_from=f"{archive.chosen_from:,}",
            functions=brief.functions(architectures),
            counts=brief.counts(counts),
            task=brief.task(archive.task),
            effects=LEARN,
        )
        prompt = with_fronts(prompt, brief.task(archive.cost))
        question = Question("learn", archive.task, prompt, principles_schema(space, brief.words, LEARN))

        def read(text: str, *, draw: int) -> tuple[Principle, ...]:
            return read_principles(text, space, brief.words, LEARN, counts, draw=draw)

        stated = self._draw(lambda draw: question, read)
        if not stated:
            return self._instead(self._frequency.learn(space, archive))
        origin = Origin(
            reasoner=self.name,
            step="learn",
            task=archive.task,
            archive=archive.digest,
            prompt_hash=prompt.template_hash,
        )
        return successor(space, merged(stated), counts, origin, None)

    def translate(self, space: SearchSpace, principles: Principles, *, task: str) -> SearchSpace:
        principles = principles.onto(space)
        brief = self._brief(space)

        def prompt(known: Sequence[Principle]) -> Prompt:
            return rendered(
                "translate",
                **brief.variables(),
                principles=brief.principles(known),
                counts=brief.counts(principles.counts),
                task=brief.task(task),
                max_operators=self.max_operators,
                max_sources=self.max_sources,
            )

        def read(text: str, *, draw: int) -> SearchSpace:
            return read_space(text, space, brief.words, max_operators=self.max_operators, max_sources=self.max_sources)

        schema = space_schema(space, brief.words)
        spaces = self._draw(self._questions("translate", task, principles, prompt, schema), read)
        return combined(spaces, self.combine) if spaces else self._frequency.translate(space, principles, task=task)

    def update(
        self, space: SearchSpace, principles: Principles, top_architectures: Sequence[Evaluation], *, task: str
    ) -> Principles:
        principles = principles.onto(space)
        brief = self._brief(space)
        architectures = [evaluation.architecture for evaluation in top_architectures]
        earlier = (count for count in principles.counts if count.task != task)
        counts = (*counted(space, architectures, task), *earlier)

        def prompt(known: Sequence[Principle]) -> Prompt:
            return rendered(
                "update",
                **brief.variables(),
                principles=brief.principles(known),
                cells=brief.cells(top_architectures, scores=True),
                counts=brief.counts(counts),
                changes=brief.changes(counts, task, known) if self.parts.counts else None,
                task=brief.task(task),
                effects=LEARN,
            )

        def read(text: str, *, draw: int) -> tuple[Principle, ...]:
            return read_principles(text, space, brief.words, LEARN, counts, draw=draw)

        schema = principles_schema(space, brief.words, LEARN)
        stated = self._draw(self._questions("update", task, principles, prompt, schema), read)
        if not stated:
            return self._instead(self._frequency.update(space, principles, top_architectures, task=task))
        origin = Origin(
            reasoner=self.name,
            step="update",
            task=task,
            archive=short([space.encode(architecture) for architecture in architectures]),
            prompt_hash=prompt(()).template_hash,
        )
        return successor(space, merged(stated), counts, origin, principles)

    def explore(self, space: SearchSpace, principles: Principles, *, task: str) -> Principles:
        """The current principles with the model's statements on candidates without a claim.

        If every candidate has a claim, there is nothing to describe, and they stay as they are.
        """
        principles = principles.onto(space)
        brief = self._brief(space)
        if not brief.unspoken(principles.principles):
            return principles
        counts = (*principles.counts, *uncounted(space, principles.counts, principles.origin.task))

        def prompt(known: Sequence[Principle]) -> Prompt:
            return rendered(
                "explore",
                **brief.variables(),
                principles=brief.principles(known),
                unspoken=brief.unspoken(known),
                task=brief.task(task),
                effects=EXPLORE,
            )

        def read(text: str, *, draw: int) -> tuple[Principle, ...]:
            return read_principles(text, space, brief.words, EXPLORE, counts, draw=draw)

        schema = principles_schema(space, brief.words, EXPLORE)
        stated = self._draw(self._questions("explore", task, principles, prompt, schema), read)
        if not stated:
            return self._instead(self._frequency.explore(space, principles, task=task))
        origin = principles.origin.model_copy(
            update={
                "step": "explore",
                "task": task,
                "reasoner": self.name,
                "prompt_hash": prompt(()).template_hash,
                "instead_of": None,
            }
        )
        return successor(space, (*principles.principles, *merged(stated)), counts, origin, principles)

    # --- what they share ---------------------------------------------------------------------------------------------
    def _brief(self, space: SearchSpace) -> Briefing:
        return Briefing.of(space, self.parts, self.caller.sample)

    @staticmethod
    def _questions(
        step: str,
        task: str,
        principles: Principles,
        prompt: Callable[[Sequence[Principle]], Prompt],
        schema: dict[str, Any],
    ) -> Callable[[int], Question]:
        """Draw -> its question, on the principles that the draw stated before."""
        return lambda draw: Question(step, task, prompt(principles.of_draw(draw)), schema, principles.id)

    def _draw(self, question: Callable[[int], Question], read: _Read[T]) -> list[T]:
        """The usable replies, in the order of the draws; none if ``frequency`` is to stand in.

        Raises ReasonerError if no reply is usable and the policy is to raise. Every draw is asked for before an awaited
        reply stops the run, so that all of its prompts are there.
        """
        found: list[T] = []
        faults: list[Unusable] = []
        awaited: list[AwaitingReply] = []
        for draw in range(self.draws):
            try:
                found.append(self.caller.ask(question(draw), partial(read, draw=draw), draw=draw))
            except Unusable as fault:
                faults.append(fault)
                _log.warning("%s: draw %d cannot be used: %s", self.name, draw, fault)
            except AwaitingReply as waiting:
                awaited.append(waiting)
        if awaited:
            raise awaited[0]
        if not found and self.on_invalid == "raise":
            raise ReasonerError(
                f"a reply of {self.name} that can be used, in {self.caller.repairs + 1} attempts",
                f"{faults[0]}",
                faults[0].remedy or "name a stronger model, or say on_invalid: frequency to let counting stand in",
            )
        return found

    @property
    def _frequency(self) -> Frequency:
        return Frequency(max_operators=self.max_operators or 2, max_sources=self.max_sources or 2)

    def _instead(self, principles: Principles) -> Principles:
        _log.warning("%s gave nothing that can be used: frequency stands in for it", self.name)
        return principles.model_copy(update={"origin": principles.origin.model_copy(update={"instead_of": self.name})})
