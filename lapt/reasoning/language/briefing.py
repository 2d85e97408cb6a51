"""Descriptions of a space and of architectures for a prompt. Every part can be switched off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from lapt.evaluation import Evaluation
from lapt.principles import Count, Kind, Principle
from lapt.reasoning.evidence import candidates_of
from lapt.reasoning.language.meanings import TASKS
from lapt.reasoning.language.parts import PromptParts
from lapt.reasoning.language.vocabulary import Vocabulary
from lapt.spaces import Architecture, SearchSpace

KINDS: tuple[Kind, ...] = ("operator", "source")


@dataclass(frozen=True)
class Briefing:
    """Makes the variables of the prompt templates from a space and architectures."""

    space: SearchSpace
    words: Vocabulary
    parts: PromptParts

    @classmethod
    def of(cls, space: SearchSpace, parts: PromptParts, sample: int) -> Self:
        """A briefing on a space. ``sample``: number of the disguise, if names are hidden."""
        words = Vocabulary.neutral(space, sample) if parts.disguise else Vocabulary.plain(space)
        return cls(space, words, parts)

    def variables(self) -> dict[str, Any]:
        explained = not self.words.disguised
        family = self.space.family
        return {
            "layers": [
                {
                    "name": shown,
                    "operators": self._operators(self.space.layer(name).operators),
                    "sources": self._sources(self.space.layer(name).sources),
                }
                for name, shown in self.words.layers.items()
            ],
            "size": self.space.size,
            "code": family.program(self.space.layers) if self.parts.code and explained else None,
            "meanings": self._meanings() if self.parts.meanings and explained else None,
            "paths": family.paths if self.parts.paths and explained else None,
            "sourced": self.chooses("source"),
            "disguised": self.words.disguised,  # then the size of a space would tell it, too
        }

    def chooses(self, kind: Kind) -> bool:
        """Whether any layer has a choice of that kind."""
        return any(len(layer.operators if kind == "operator" else layer.sources) > 1 for layer in self.space.layers)

    def task(self, name: str) -> str | None:
        if not self.parts.tasks or self.words.disguised:
            return None
        return f"{name}: {TASKS[name]}" if name in TASKS else name

    def cells(self, evaluations: Sequence[Evaluation], *, scores: bool) -> list[str]:
        """One line for each architecture: its Layer_list, its score, and its choices without effect."""
        return [self._cell(evaluation, scores) for evaluation in evaluations]

    def functions(self, architectures: Sequence[Architecture]) -> int | None:
        """Number of different functions that they compute."""
        return len({self.space.canonical(a) for a in architectures}) if self.parts.functions else None

    def counts(self, counts: Sequence[Count]) -> list[dict[str, Any]] | None:
        """For each layer, the number of architectures of the newest task that choose each candidate."""
        if not self.parts.counts or not counts:
            return None
        rows = []
        for name, shown in self.words.layers.items():
            for kind in KINDS:
                here = [c for c in counts if c.task == counts[0].task and c.layer == name and c.kind == kind]
                if len(here) > 1:
                    found = {self.words.shown(kind, c.candidate): c.count for c in here}
                    rows.append({"layer": shown, "of": here[0].of, "chosen": self._by_word(found)})
        return rows

    def principles(self, principles: Sequence[Principle]) -> list[dict[str, Any]]:
        """Principles for the prompt: a model's own statements, and the claims in the prompt's own words."""
        return [{"statement": p.statement, "claims": self._claims(p)} for p in principles]

    def _claims(self, principle: Principle) -> list[str]:
        """Claims such as ``keep a, b on 0->1, 0->2``. Layers with the same claim are listed together."""
        said: dict[tuple[str, str], list[str]] = {}
        for claim in principle.claims:
            word = self.words.shown(claim.kind, claim.candidate)
            said.setdefault((claim.effect, self.words.shown("layer", claim.layer)), []).append(word)
        alike: dict[tuple[str, str], list[str]] = {}
        for (effect, layer), words in said.items():
            alike.setdefault((effect.replace("_", " "), ", ".join(words)), []).append(layer)
        return [f"{effect} {words} on {', '.join(layers)}" for (effect, words), layers in alike.items()]

    def unspoken(self, principles: Sequence[Principle]) -> list[dict[str, Any]]:
        """For each layer, the candidates without any claim."""
        spoken = {(c.layer, c.kind, c.candidate) for principle in principles for c in principle.claims}
        rows = []
        for name, shown in self.words.layers.items():
            layer = self.space.layer(name)
            operators = [o for o in layer.operators if (name, "operator", o) not in spoken]
            sources = [s for s in layer.sources if (name, "source", s) not in spoken] if len(layer.sources) > 1 else []
            if operators or sources:
                rows.append(
                    {"layer": shown, "operators": self._operators(operators), "sources": self._sources(sources)}
                )
        return rows

    def changes(self, counts: Sequence[Count], task: str, principles: Sequence[Principle]) -> list[str]:
        """Candidates that at least half of a task's architectures choose, though no principle keeps them."""
        kept = {(c.layer, c.kind, c.candidate) for p in principles for c in p.claims if c.effect in ("keep", "try")}
        return [
            f"{self.words.shown('layer', c.layer)} {self.words.shown(c.kind, c.candidate)} ({c.count} of {c.of})"
            for c in counts
            if c.task == task and 2 * c.count >= c.of > 0 and (c.layer, c.kind, c.candidate) not in kept
            if len(candidates_of(self.space, c.kind, c.layer)) > 1
        ]

    def _cell(self, evaluation: Evaluation, scores: bool) -> str:
        architecture = evaluation.architecture
        choices = dict(zip(self.space.layer_names, zip(*architecture, strict=True), strict=True))
        chosen = []
        for name in self.words.layers:
            operator, source = choices[name]
            shown = self.words.shown("operator", operator)
            chosen.append(f"({shown}, {self.words.shown('source', source)})" if self.chooses("source") else shown)
        line = f"[{', '.join(chosen)}]"
        if scores and evaluation.value is not None and not self.words.disguised:  # a metric and its values tell a task
            line += f" {evaluation.metric.name} {evaluation.value:.4g}{evaluation.metric.unit}"
        return line + self._in_vain(architecture)

    def _in_vain(self, architecture: Architecture) -> str:
        told = self.parts.dead and not self.words.disguised
        dead = self.space.family.in_vain(architecture) if told else ()
        return f" dead: {' '.join(dead)}" if dead else ""

    def _meanings(self) -> Mapping[str, str]:
        known = self.space.family.explained
        return {shown: known[name] for name, shown in self.words.operators.items() if name in known}

    def _operators(self, names: Sequence[str]) -> list[str]:
        return sorted((self.words.shown("operator", name) for name in names), key=self._place)

    def _sources(self, names: Sequence[str]) -> list[str]:
        return sorted((self.words.shown("source", name) for name in names), key=self._place)

    def _by_word(self, found: Mapping[str, int]) -> dict[str, int]:
        return {word: found[word] for word in sorted(found, key=self._place)}

    def _place(self, word: str) -> int:
        """Position of a word: in the order of the tokens if disguised (the space's own order would show), else the
        space's."""
        return [*self.words.operators.values(), *self.words.sources.values()].index(word)
