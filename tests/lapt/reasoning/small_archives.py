"""Archives of a few cells, written by hand, whose counts can be seen."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

from lapt.archive import Archive
from lapt.evaluation import Evaluation, Metric
from lapt.principles import Count
from lapt.reasoning.evidence import counted
from lapt.spaces import BUILTIN, Architecture, Layer, SearchSpace

SPACE = BUILTIN["nas201"]
LETTERS = {"n": "none", "s": "skip_connect", "1": "nor_conv_1x1", "3": "nor_conv_3x3", "p": "avg_pool_3x3"}
LAYERS = list(SPACE.layer_names)
"""0->1, 0->2, 1->2, 0->3, 1->3, 2->3: the order of the letters of a cell."""

SOURCED = SearchSpace(
    name="sourced",
    cell="nas201",
    layers=tuple(
        Layer(name=name, operators=operators, sources=sources)
        for name, operators, sources in [
            ("0->1", ("none", "nor_conv_3x3"), ("0", "1")),
            ("0->2", ("skip_connect", "avg_pool_3x3"), ("0", "1", "2")),
            ("1->2", ("none", "skip_connect", "nor_conv_1x1"), ("0", "2")),
            ("0->3", ("nor_conv_3x3",), ("0",)),
            ("1->3", ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"), ("1",)),
            ("2->3", ("nor_conv_1x1", "avg_pool_3x3"), ("1", "2")),
        ]
    ),
)
"""Layers that differ in operators and sources."""
NODE = SOURCED.model_copy(update={"name": "node", "groups": ((0, 1),)})
"""The same, but its first two layers must read from different sources."""


def cell(letters: str, space: SearchSpace = SPACE) -> Architecture:
    """``s33333`` is a skip on edge 0->1 and 3x3 convolutions everywhere else."""
    return Architecture(tuple(LETTERS[letter] for letter in letters), tuple(layer.sources[0] for layer in space.layers))


def scored(*architectures: Architecture) -> tuple[Evaluation, ...]:
    """The first is the best, at 90 percent."""
    accuracy = Metric("accuracy", "%")
    return tuple(Evaluation(a, " ".join(a.operators), 90.0 - place, accuracy) for place, a in enumerate(architectures))


def evaluations(*cells: str, space: SearchSpace = SPACE) -> tuple[Evaluation, ...]:
    return scored(*(cell(letters, space) for letters in cells))


def archive_of(entries: tuple[Evaluation, ...], space: SearchSpace, task: str = "source") -> Archive:
    return Archive(space, task, entries, entries, 100)


def archive(*cells: str, space: SearchSpace = SPACE, task: str = "source") -> Archive:
    return archive_of(evaluations(*cells, space=space), space, task)


def members(space: SearchSpace, count: int) -> list[Architecture]:
    return list(islice(space.members(), count))


def counts_of(*cells: str, task: str = "source") -> tuple[Count, ...]:
    return tuple(counted(SPACE, [cell(c) for c in cells], task))


def principle(
    *operators: str, layers: list[str] | None = None, effect: str = "keep", statement: str = "Good.", **more: Any
) -> dict[str, Any]:
    """One principle as a model states it."""
    layers = ["0->1"] if layers is None else layers
    return {"statement": statement, "layers": layers, "operators": list(operators), "effect": effect, **more}


def principles(*stated: dict[str, Any]) -> str:
    return json.dumps({"principles": stated})


def layer_sets(*operators: str, **changed: list[str] | None) -> str:
    """The refined space as a model states it: ``operators`` on every layer; ``e01=[...]`` changes layer 0->1, or, if
    None, leaves it out."""
    sets = {layer: list(operators) for layer in LAYERS}
    for name, kept in changed.items():
        layer = f"{name[1]}->{name[2]}"
        if kept is None:
            del sets[layer]
        else:
            sets[layer] = kept
    return json.dumps({"layers": [{"layer": layer, "operators": kept} for layer, kept in sets.items()]})
