"""Parts of a run: what it pays for on each task, counted from its declaration before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict

from lapt.evaluators.hand_made import HAND_MADE
from lapt.pipeline.config import Pipeline
from lapt.pipeline.sources import Source, sources_of
from lapt.pipeline.wording import named

Purpose = Literal["source", "search", "control", "final training", "supernet"]


class Part(BaseModel):
    """One part of a run. ``task``: a task, or the name of a source. ``method``: of a search or a control.

    ``paid``: the evaluations, trainings or supernets that are computed at most; scores that are looked up are not paid.
    ``at_once``: the number that is asked for together.
    """

    model_config = ConfigDict(frozen=True)

    purpose: Purpose
    task: str
    paid: int
    looked_up: int = 0
    method: str | None = None
    at_once: int = 1

    @property
    def described(self) -> str:
        """The part in words, without its task."""
        if self.method is not None and (self.purpose == "control" or self.method in HAND_MADE):
            return f"{self.purpose}: {named(self.method)}"
        return self.purpose if self.method is None else f"{self.purpose}: {self.method}"


def parts_of(pipeline: Pipeline, finals: Iterable[str]) -> tuple[Part, ...]:
    """The parts of a run, in its order. ``finals``: the targets for which a network is trained in the end."""
    return (*_sources(pipeline), *_targets(pipeline), *_finals(pipeline, set(finals)))


def _pays(pipeline: Pipeline) -> bool:
    """Whether a score costs more than a look-up: networks are trained or inherit weights, or a table rehearses that."""
    return pipeline.evaluator.trains or bool(getattr(pipeline.evaluator, "seconds", None))


def _evaluations(pipeline: Pipeline, number: int) -> dict[str, int]:
    return {"paid": number} if _pays(pipeline) else {"paid": 0, "looked_up": number}


def _sources(pipeline: Pipeline) -> Iterator[Part]:
    for one in sources_of(pipeline.source):
        read = one.archive.evaluations if isinstance(one, Source) else 0
        if isinstance(one, Source) and one.table is None:
            if pipeline.evaluator.kind == "supernet":
                yield Part(purpose="supernet", task=one.named, paid=1, method="of the source")
            yield Part(purpose="source", task=one.named, at_once=read, **_evaluations(pipeline, read))
        else:
            yield Part(purpose="source", task=one.named, paid=0, looked_up=read)


def _targets(pipeline: Pipeline) -> Iterator[Part]:
    shared, search = pipeline.evaluator.kind == "supernet", pipeline.search
    for target in pipeline.targets:
        if shared:
            spaces = pipeline.adaptation.iterations
            yield Part(purpose="supernet", task=target, paid=spaces, method="of refined spaces")
        budget = _evaluations(pipeline, pipeline.budget + pipeline.scored_again)
        yield Part(purpose="search", task=target, method=pipeline.label, at_once=search.asked, **budget)
    for target in pipeline.targets:
        searched = [method for method in pipeline.controls if method not in HAND_MADE]
        if shared and searched:
            yield Part(purpose="supernet", task=target, paid=1, method="of the whole space")
        for method in searched:
            budget = _evaluations(pipeline, pipeline.budget)
            yield Part(purpose="control", task=target, method=method, at_once=search.asked, **budget)


def _finals(pipeline: Pipeline, finals: set[str]) -> Iterator[Part]:
    for target in pipeline.targets:
        if target in finals:
            hand_made = [method for method in pipeline.controls if method in HAND_MADE]
            found = 1 + len(pipeline.controls) - len(hand_made)
            yield Part(purpose="final training", task=target, paid=found)
            for method in hand_made:
                yield Part(purpose="final training", task=target, paid=1, method=method)


def counted(parts: Iterable[Part], *, inherits: bool = False) -> str:
    """One line on what a run trains. ``inherits``: scores are inherited from supernets, and not trained for."""
    parts = tuple(parts)

    def paid(*purposes: Purpose) -> int:
        return sum(part.paid for part in parts if part.purpose in purposes)

    sources, searches, controls = (paid(purpose) for purpose in ("source", "search", "control"))
    of = [f"{sources:,} of sources"] * bool(sources) + [f"{searches:,} of searches"]
    of += [f"{controls:,} of controls"] * bool(controls)
    said = f"{sources + searches + controls:,} {'scores' if inherits else 'trainings'} ({', '.join(of)})"
    said = f"{_number(paid('supernet'), 'supernet')} and {said}" if inherits else said
    finals = paid("final training")
    return said + (f", then {_number(finals, 'final training')}" if finals else "")


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
