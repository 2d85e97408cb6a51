"""Combination of several replies to one prompt: draws of a model differ more than seeds of a search do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import Any, Literal

from lapt.principles import Principle
from lapt.spaces import SearchSpace
from lapt.spaces.refining import refined

Combine = Literal["majority", "union", "intersection"]


def merged(draws: Sequence[Sequence[Principle]]) -> tuple[Principle, ...]:
    """The principles of all draws. Equal claims become one principle, which lists the draws that state it.

    Most stated first, then in the order of the draws.
    """
    found: dict[tuple[Any, ...], Principle] = {}
    for principles in draws:
        for principle in principles:
            made = tuple(sorted((c.layer, c.kind, c.candidate, c.effect) for c in principle.claims))
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
