"""Descriptions of architectures for prompts of the form ``conditions``, beside the whole space that they are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lapt.archive import Archive
from lapt.conditions.cells import Cells
from lapt.conditions.judging import holding, members_of
from lapt.conditions.language import Condition
from lapt.evaluation import Evaluation, top
from lapt.principles import Kind, Pattern, Principle
from lapt.reasoning.evidence import candidates_of
from lapt.reasoning.expectation import deviation
from lapt.reasoning.language.briefing import KINDS, Briefing
from lapt.reasoning.language.conditional.grammar import Grammar
from lapt.reasoning.language.conditional.wording import Wording
from lapt.spaces import ENUMERABLE, Architecture, SearchSpace

POOR = 10
"""Number of poor architectures that are shown, worst first."""
BEST = 5
"""Number of the best that an exploration shows."""

Shares = Mapping[tuple[str, Kind, str], float]
"""(layer, kind, candidate) -> the share of architectures that choose it."""


@dataclass(frozen=True)
class Survey(Briefing):
    """Makes the variables of the prompts of the form ``conditions``."""

    @property
    def wording(self) -> Wording:
        return Wording(Grammar(self.space, self.words))

    def variables(self) -> dict[str, Any]:
        named = self.space.layer_names
        return {
            **super().variables(),
            "kinds": self.wording.grammar.kinds,
            "cells_named": self._cells_named,
            "nodes": [[self.words.shown("layer", named[at]) for at in group] for group in self.space.groups],
            "usage": self.parts.usage,
        }

    @property
    def _cells_named(self) -> list[str]:
        names = [graph.name for graph in members_of(self.space).graphs]
        return names if len(names) > 1 and not self.words.disguised else []

    def _meanings(self) -> Mapping[str, str]:
        known = self.space.family.computed
        return {shown: known[name] for name, shown in self.words.operators.items() if name in known}

    # --- counts ------------------------------------------------------------------------------------------------------
    @property
    def live(self) -> bool:
        """Whether counts are over distinct functions and layers that reach the output. Not behind a disguise: they
        would tell the graph of the cell."""
        return self.parts.live and not self.words.disguised

    def shares(self, architectures: Sequence[Architecture]) -> dict[str, Any] | None:
        """For each layer with a choice, the number of architectures that choose each candidate, and the share of the
        space that does."""
        if not self.parts.counts or not architectures:
            return None
        read = list(dict.fromkeys(map(self.space.canonical, architectures))) if self.live else list(architectures)
        found, everywhere = _shares(Cells.of(self.space, read), self.live), _everywhere(self.space, self.live)
        rows = []
        for name, shown in self.words.layers.items():
            for kind in KINDS:
                candidates = candidates_of(self.space, kind, name)
                if len(candidates) > 1:
                    told = [c for c in candidates if not (self.live and c == self.space.family.zero)]
                    order = self.words.in_order(kind, told)
                    chosen = {
                        word: self._figure(found, everywhere, (name, kind, self._name(kind, word)), len(read))
                        for word in order
                    }
                    if self.live:
                        none: tuple[str, Kind, str] = (name, kind, "")
                        chosen["no effect"] = self._figure(found, everywhere, none, len(read))
                    rows.append({"layer": shown, "kind": kind, "chosen": chosen})
        return {"rows": rows, "of": len(read), "live": self.live, "rates": self.parts.rates}

    def _name(self, kind: str, word: str) -> str:
        return self.words.real(kind, word) or ""

    def _figure(self, found: Shares, everywhere: Shares, at: tuple[str, Kind, str], of: int) -> str:
        number = f"{round(found.get(at, 0.0) * of)}"
        return f"{number} ({everywhere.get(at, 0.0):.0%})" if self.parts.rates else number

    # --- architectures -----------------------------------------------------------------------------------------------
    def contrast(self, archive: Archive) -> dict[str, Any] | None:
        """The worst architectures that were evaluated on the source, else random ones, whose scores are not known."""
        if not self.parts.poor:
            return None
        kept = {entry.architecture for entry in archive.entries}
        others = [one for one in archive.asked if one.architecture not in kept and not one.failed]
        if others:
            worst = top(others, len(others))[: -POOR - 1 : -1]
            return {"known": True, "cells": self.cells(worst, scores=self.parts.scores), "of": len(archive.asked)}
        rng = np.random.default_rng(int(archive.digest[:12], 16))
        drawn = list(dict.fromkeys(self.space.sample(rng) for _ in range(3 * POOR)))
        metric = archive.entries[0].metric
        random = [Evaluation(one, "", None, metric) for one in drawn if one not in kept][:POOR]
        return {"known": False, "cells": self.cells(random, scores=False), "of": 0} if random else None

    def noise(self, evaluations: Sequence[Evaluation]) -> str | None:
        """The standard deviation of scores of one function, if some were measured more than once."""
        if not self.parts.scores or self.words.disguised:
            return None
        alike: dict[Architecture, list[float]] = {}
        for one in {one.identity: one for one in evaluations}.values():
            if one.value is not None:
                alike.setdefault(self.space.canonical(one.architecture), []).append(one.value)
        several = [values for values in alike.values() if len(values) > 1]
        freedom = sum(len(values) - 1 for values in several)
        if not freedom:
            return None
        spread = np.sqrt(sum(np.var(values) * len(values) for values in several) / freedom)
        return f"{spread:.2g}{evaluations[0].metric.unit}"

    def gaps(self, tried: Sequence[Evaluation]) -> list[dict[str, Any]]:
        """For each layer, the candidates that no evaluated architecture chose."""
        chosen = _shares(Cells.of(self.space, [one.architecture for one in tried]), False)
        rows = []
        for name, shown in self.words.layers.items():
            missing: dict[str, list[str]] = {}
            for kind in KINDS:
                known = candidates_of(self.space, kind, name)
                never = [candidate for candidate in known if not chosen.get((name, kind, candidate))]
                if never and len(known) > 1:
                    missing[kind] = self.words.in_order(kind, never)
            if missing:
                rows.append(
                    {"layer": shown, "operators": missing.get("operator", []), "sources": missing.get("source", [])}
                )
        return rows

    def target(self, best: Sequence[Evaluation], tried: Sequence[Evaluation]) -> dict[str, Any]:
        """The evaluations on the target task: the best and, if told, their number, the weaker ones, noise and gaps."""
        shown = {one.architecture for one in best}
        others = [one for one in tried if one.architecture not in shown and not one.failed]
        told = self.parts.tried
        return {
            "best": self.cells(best, scores=True),
            "evaluated": len(tried) if told else None,
            "failed": sum(one.failed for one in tried) if told else 0,
            "weaker": self.cells(top(others, len(others))[: -POOR - 1 : -1], scores=True) if told else [],
            "noise": self.noise(tried) if told else None,
            "gaps": self.gaps(tried) if told else [],
        }

    # --- principles --------------------------------------------------------------------------------------------------
    def stated(
        self, principles: Sequence[Principle], best: Sequence[Evaluation] = (), tried: Sequence[Evaluation] = ()
    ) -> list[dict[str, Any]]:
        """Principles for the prompt: statement, effect, condition, and the shares of architectures that meet it."""
        return [self._stated(principle, best, tried) for principle in principles]

    def _stated(self, principle: Principle, best: Sequence[Evaluation], tried: Sequence[Evaluation]) -> dict[str, Any]:
        said = [pattern for pattern in principle.patterns if pattern.condition is not None]
        statement = principle.statement
        rows = []
        for pattern in said:
            assert pattern.condition is not None
            sentence = self.wording.sentence(pattern.condition)
            statement = sentence if statement == pattern.feature else statement
            strength = self._strength(pattern, pattern.condition)
            rows.append(
                {
                    "effect": "avoid" if pattern.weight < 0 else "prefer",
                    "strength": strength,
                    "sentence": sentence,
                    "shares": self._met(pattern, best, tried) if self.parts.rates else [],
                }
            )
        own = [
            claim
            for claim in principle.claims
            if len(candidates_of(self.space, claim.kind, claim.layer)) > 1  # what has no choice cannot be avoided
        ]
        claims = self._claims(principle.model_copy(update={"claims": tuple(own)}))
        return {"statement": statement, "patterns": rows, "claims": claims}

    def _strength(self, pattern: Pattern, condition: Condition) -> int | None:
        """The strength behind a weight; None if the condition tells nothing apart."""
        spread = deviation(self.space, condition)
        return max(1, round(abs(pattern.weight) / spread)) if spread else None

    def _met(self, pattern: Pattern, best: Sequence[Evaluation], tried: Sequence[Evaluation]) -> list[str]:
        """By how many architectures the condition is met: of those read, of the space, and of the target's."""
        assert pattern.condition is not None
        support, chance = pattern.support, pattern.chance
        if pattern.weight < 0:
            support, chance = 1 - support, 1 - chance
        task = self.task(pattern.task)
        found = [f"{support:.0%} of those read{f' on {pattern.task}' if task else ''}", f"{chance:.0%} of the space"]
        shown = {one.architecture for one in best}
        for of, architectures in (
            (f"the best {len(best)} now", [one.architecture for one in best]),
            ("the other evaluated ones", [one.architecture for one in tried if one.architecture not in shown]),
        ):
            if architectures:
                held = holding(pattern.condition, Cells.of(self.space, architectures))
                found.append(f"{held.mean():.0%} of {of}")
        return found


def _shares(cells: Cells, live: bool) -> Shares:
    """The share of architectures that choose each candidate; of ``live`` layers alone, with "" for the others."""
    space, of = cells.space, max(len(cells), 1)
    counted = np.ones((len(cells), len(space.layers)), dtype=bool)
    if live:
        for graph in cells.graphs:
            counted[:, list(graph.layers)] = graph.live
    found: dict[tuple[str, Kind, str], float] = {}
    for at, layer in enumerate(space.layers):
        chosen: dict[Kind, list[str]] = {
            "operator": [one.operators[at] for one in cells.architectures],
            "source": [one.sources[at] for one in cells.architectures],
        }
        for kind, names in chosen.items():
            found[layer.name, kind, ""] = float(1 - counted[:, at].sum() / of)
            for name, counts in zip(names, counted[:, at], strict=True):
                if counts:
                    found[layer.name, kind, name] = found.get((layer.name, kind, name), 0.0) + 1 / of
    return found


@lru_cache(maxsize=8)
def _everywhere(space: SearchSpace, live: bool) -> Shares:
    """The shares of the whole space: of its distinct functions, if ``live`` and if all can be listed."""
    members: Sequence[Architecture] = members_of(space).architectures
    if live and space.size <= ENUMERABLE:
        members = list(dict.fromkeys(map(space.canonical, members)))
    return _shares(Cells.of(space, members), live)
