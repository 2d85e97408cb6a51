"""The reasoner that a language model is, with principles that state conditions (the form ``conditions``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from lapt.archive import Archive
from lapt.base.digests import short
from lapt.conditions.language import Choice, leaves
from lapt.evaluation import Evaluation, top
from lapt.principles import Origin, Principle, Principles
from lapt.reasoning.endpoint.calls import Question
from lapt.reasoning.evidence import counted, successor, uncounted
from lapt.reasoning.expectation import background, expectation_of
from lapt.reasoning.language.chat import Chat, combined, merged
from lapt.reasoning.language.conditional.stating import (
    EFFECTS,
    STRENGTHS,
    asked_of,
    principles_schema,
    read_principles,
    read_space,
    space_schema,
)
from lapt.reasoning.language.conditional.survey import BEST, Survey
from lapt.reasoning.prompts.templates import Prompt, rendered, with_fronts
from lapt.spaces import Architecture, SearchSpace
from lapt.spaces.refining import refined


@dataclass(frozen=True)
class Conditional(Chat):
    """Asks a chat model for conditions that good architectures meet or do not meet, each with a strength.

    A principle has one pattern: its condition, the weight that the strength gives it, its support in the architectures
    read and its base rate in the space. They order the space (``lapt.reasoning.expectation``). ``orders``: whether
    nothing but this order is made of them, which the prompts say. ``tried``: all evaluations on the target, for prompts
    that adapt. If no reply can be used and ``frequency`` is to stand in, it learns and updates by counting; an
    exploration leaves the principles as they are, and a space is cut to the candidates that the principles expect most
    of.
    """

    orders: bool = False
    tried: tuple[Evaluation, ...] = ()

    def seeing(self, evaluations: Sequence[Evaluation]) -> Conditional:
        """The same reasoner with these evaluations in view."""
        return replace(self, tried=tuple(evaluations))

    # --- the four calls ----------------------------------------------------------------------------------------------
    def learn(self, space: SearchSpace, archive: Archive) -> Principles:
        survey = self._survey(space)
        read = [entry.architecture for entry in archive.entries]
        prompt = rendered("conditions/learn", **self._variables(survey), **source_of(survey, archive))
        prompt = with_fronts(prompt, survey.task(archive.cost))
        question = Question("learn", archive.task, prompt, principles_schema(survey.wording.grammar))
        stated = self._draw(lambda draw: question, self._reader(survey, read, archive.task))
        if not stated:
            return self._instead(self._frequency.learn(space, archive))
        origin = Origin(
            reasoner=self.name,
            step="learn",
            task=archive.task,
            archive=archive.digest,
            prompt_hash=prompt.template_hash,
        )
        return successor(space, merged(stated), tuple(counted(space, read, archive.task)), origin, None)

    def translate(self, space: SearchSpace, principles: Principles, *, task: str) -> SearchSpace:
        principles = principles.onto(space)
        if not any(asked_of(space, name) for name in space.layer_names):
            return space
        survey = self._survey(space)

        def prompt(known: Sequence[Principle]) -> Prompt:
            return rendered(
                "conditions/translate",
                **self._variables(survey),
                principles=survey.stated(known),
                task=survey.task(task),
                max_operators=self.max_operators,
                max_sources=self.max_sources,
            )

        def read(text: str, *, draw: int) -> SearchSpace:
            caps = {"max_operators": self.max_operators, "max_sources": self.max_sources}
            return read_space(text, space, survey.words, **caps)

        schema = space_schema(space, survey.words)
        spaces = self._draw(self._questions("translate", task, principles, prompt, schema), read)
        return combined(spaces, self.combine) if spaces else self._expected(space, principles)

    def update(
        self, space: SearchSpace, principles: Principles, top_architectures: Sequence[Evaluation], *, task: str
    ) -> Principles:
        principles = principles.onto(space)
        survey, tried = self._survey(space), self.tried or tuple(top_architectures)
        read = [evaluation.architecture for evaluation in top_architectures]
        earlier = (count for count in principles.counts if count.task != task)

        def prompt(known: Sequence[Principle]) -> Prompt:
            return rendered(
                "conditions/update",
                **self._variables(survey),
                principles=survey.stated(known, top_architectures, tried),
                target=survey.target(top_architectures, tried),
                shares=survey.shares(read),
                task=survey.task(task),
            )

        schema = principles_schema(survey.wording.grammar)
        questions = self._questions("update", task, principles, prompt, schema)
        stated = self._draw(questions, self._reader(survey, read, task))
        if not stated:
            return self._instead(self._frequency.update(space, principles, top_architectures, task=task))
        origin = Origin(
            reasoner=self.name,
            step="update",
            task=task,
            archive=short([space.encode(architecture) for architecture in read]),
            prompt_hash=prompt(()).template_hash,
        )
        return successor(space, merged(stated), (*counted(space, read, task), *earlier), origin, principles)

    def explore(self, space: SearchSpace, principles: Principles, *, task: str) -> Principles:
        """The current principles with the model's statements on what they do not speak of, or what was never tried.

        Their support is that in the best architectures of the target, if any were evaluated.
        """
        principles = principles.onto(space)
        survey, best = self._survey(space), top(self.tried, BEST)

        def prompt(known: Sequence[Principle]) -> Prompt:
            return rendered(
                "conditions/explore",
                **self._variables(survey),
                principles=survey.stated(known, best, self.tried),
                target=survey.target(best, self.tried) if best else None,
                unspoken=_unspoken(survey, known),
                task=survey.task(task),
            )

        schema = principles_schema(survey.wording.grammar)
        questions = self._questions("explore", task, principles, prompt, schema)
        stated = self._draw(questions, self._reader(survey, [one.architecture for one in best], task))
        if not stated:
            return self._instead(principles)
        origin = principles.origin.model_copy(
            update={
                "step": "explore",
                "task": task,
                "reasoner": self.name,
                "prompt_hash": prompt(()).template_hash,
                "instead_of": None,
            }
        )
        counts = (*principles.counts, *uncounted(space, principles.counts, principles.origin.task))
        return successor(space, merged([principles.principles, *stated]), counts, origin, principles)

    # --- what they share ---------------------------------------------------------------------------------------------
    def _survey(self, space: SearchSpace) -> Survey:
        return Survey.of(space, self.parts, self.caller.sample)

    def _variables(self, survey: Survey) -> dict[str, Any]:
        return {**survey.variables(), "effects": EFFECTS, "strengths": STRENGTHS, "orders": self.orders}

    @staticmethod
    def _reader(survey: Survey, read: Sequence[Architecture], task: str) -> partial[tuple[Principle, ...]]:
        return partial(_read, survey, read, task)

    def _expected(self, space: SearchSpace, principles: Principles) -> SearchSpace:
        """The space of the candidates whose architectures are expected to be the best in the mean, within the caps."""
        members, expected = background(space).members, expectation_of(space, principles).over_background()
        kept: dict[str, dict[str, list[str]]] = {"operators": {}, "sources": {}}
        ranked: dict[str, list[str]] = {}
        for name in space.layer_names:
            at = space.layer_names.index(name)
            for kind, candidates in asked_of(space, name).items():
                chosen = np.array([getattr(member, kind)[at] for member in members])
                means = {
                    candidate: float(expected[chosen == candidate].mean())
                    for candidate in candidates
                    if (chosen == candidate).any()
                }
                order = sorted(means, key=means.__getitem__, reverse=True)
                kept[kind][name] = order[: self.max_operators if kind == "operators" else self.max_sources]
                ranked |= {name: order} if kind == "sources" else {}
        return refined(space, kept["operators"], kept["sources"], lambda layer: ranked.get(layer, []))


def _read(survey: Survey, read: Sequence[Architecture], task: str, text: str, *, draw: int) -> tuple[Principle, ...]:
    return read_principles(text, survey.wording, read, task, draw=draw)


def source_of(survey: Survey, archive: Archive) -> dict[str, Any]:
    """The variables of a prompt that shows the source's architectures."""
    read = [entry.architecture for entry in archive.entries]
    return {
        "cells": survey.cells(archive.entries, scores=survey.parts.scores),
        "chosen_from": f"{archive.chosen_from:,}",
        "functions": survey.functions(read),
        "noise": survey.noise([*archive.entries, *archive.asked]),
        "poor": survey.contrast(archive),
        "shares": survey.shares(read),
        "source": survey.task(archive.task),
    }


def _unspoken(survey: Survey, principles: Sequence[Principle]) -> list[dict[str, Any]]:
    """For each layer with a choice, the candidates that no choice in a condition, and no claim, names."""
    spoken = {(c.layer, c.kind, c.candidate) for principle in principles for c in principle.claims}
    for principle in principles:
        for pattern in principle.patterns:
            for leaf in leaves(pattern.condition) if pattern.condition is not None else ():
                if isinstance(leaf, Choice):
                    said = leaf.choice
                    spoken |= {(said.layer, "operator", name) for name in said.operators}
                    spoken |= {(said.layer, "source", name) for name in said.sources}
    rows = []
    for name, shown in survey.words.layers.items():
        missing = {
            kind: [c for c in candidates if (name, kind.removesuffix("s"), c) not in spoken]
            for kind, candidates in asked_of(survey.space, name).items()
        }
        words = {kind: survey.words.in_order(kind.removesuffix("s"), left) for kind, left in missing.items()}
        if any(words.values()):
            rows.append({"layer": shown, "operators": words.get("operators", []), "sources": words.get("sources", [])})
    return rows
