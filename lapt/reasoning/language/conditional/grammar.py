"""The conditions that a reply may state of a space, as JSON Schema in the words of a prompt.

The language of ``lapt.conditions`` is expanded to a fixed depth, so that servers which follow a schema exactly, and
grammars made of one, need no recursion.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lapt.conditions.cells import Cells, Graph
from lapt.conditions.judging import holding
from lapt.conditions.language import MOST, condition_of
from lapt.errors import SpaceError
from lapt.reasoning.language.shapes import few, numbers, one, record
from lapt.reasoning.language.vocabulary import Vocabulary
from lapt.spaces import SearchSpace

PROBED = 500
"""Number of random members by which it is found out what differs among the architectures of a space."""
JOINED = 6
"""Largest number of conditions that one joins."""
NAMED = 40
"""Largest number of names in a list, as in ``lapt.conditions.language``."""
COUNTED = 20
"""Largest bound of a count."""

Fields = dict[str, Any]


@dataclass(frozen=True)
class Grammar:
    """The conditions that can be stated of the architectures of ``space``, the whole one, in the words of a prompt.

    Only what differs among the architectures can be said. Behind disguised ``words``, choices, counts of choices and
    reads of sources alone: everything else would tell the graph of the cell, and its names.
    """

    space: SearchSpace
    words: Vocabulary

    # --- the schema --------------------------------------------------------------------------------------------------
    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of leaves that can be said: choice, count, ..."""
        return tuple(self._leaves)

    @property
    def definitions(self) -> dict[str, Any]:
        """``$defs`` of a schema: condition, and what it is made of. None refers to itself, directly or by others."""
        leaf, part = _named("leaf"), _named("part")
        leaves = [record({kind: _any(list(map(record, variants)))}) for kind, variants in self._leaves.items()]
        layers = list(self.words.layers.values())
        names = {
            "operators": self._several(self._operators),
            "layers": few(one(layers), 2, max(2, min(NAMED, len(layers)))),
            "start": one(self._starts),
            "end": one(self._ends),
            **self._cell_named,
        }
        said = json.dumps(leaves)
        return {
            **{name: schema for name, schema in names.items() if f'"#/$defs/{name}"' in said},
            "leaf": _any(leaves),
            "part": _any([leaf, record({"not": leaf}), *_joining(leaf)]),
            "condition": _any(
                [
                    leaf,
                    record({"not": part}),
                    *_joining(part),
                    record({"if": part, "then": part}),
                    record({"at_least": numbers([2, 3]), "of": few(part, 3, JOINED)}),
                ]
            ),
        }

    @property
    def _leaves(self) -> dict[str, list[Fields]]:
        """Kind -> the fields of each of its variants. A bound is either below or above, so that none contradicts."""
        found = {"choice": list(self._choices()), "count": list(self._counts())}
        if self.words.disguised:
            found["source"] = list(self._sources())
            return {kind: variants for kind, variants in found.items() if variants}
        if self._linked:
            layers = [shown for name, shown in self.words.layers.items() if self._may_reach(name)]
            found["path"] = list(self._paths())
            found["reaches"] = [{"layers": self._several(layers)}] if layers else []
            for kind in ("depth", "width"):
                found[kind] = [
                    {**self._cell, bound: numbers(told)}
                    for bound in ("at_least", "at_most")
                    if (told := self._told_apart(kind, bound))
                ]
        found["source"] = list(self._sources())
        found["size"] = [
            {"of": one(_sizes(self.space)), bound: numbers(quantiles)}
            for bound, quantiles in (("at_least", (0.5, 0.75, 0.9)), ("at_most", (0.1, 0.25, 0.5)))
            if _sizes(self.space)
        ]
        return {kind: variants for kind, variants in found.items() if variants}

    def _choices(self) -> Iterator[Fields]:
        """The choices of a layer among its own candidates; layers with the same ones are said together."""
        for kind in ("operators", "sources"):
            alike: dict[tuple[str, ...], list[str]] = {}
            for name, shown in self.words.layers.items():
                candidates = getattr(self.space.layer(name), kind)
                if len(candidates) > 1:
                    alike.setdefault(candidates, []).append(shown)
            for candidates, layers in alike.items():
                # All candidates but one at the most: a layer always chooses one of all.
                words = self.words.in_order(kind.removesuffix("s"), candidates)
                yield {"layer": one(layers), kind: self._several(words, len(words) - 1)}

    def _counts(self) -> Iterator[Fields]:
        operators = {"operators": _named("operators")}
        graphs = graphs_of(self.space)
        most = min(COUNTED, max((len(graph.layers) for graph in graphs), default=len(self.space.layers)))
        where: list[Fields] = [{**operators, **self._cell}]
        if self.words.disguised:
            where = [operators]
        if len(self.words.layers) > 2:
            where.append({**operators, "layers": _named("layers")})
        if self._linked and not self.words.disguised:
            where.append({**operators, "into": _named("end"), **self._cell})
            where.append({**operators, "reads": _named("start"), **self._cell})
        told = {"live": {"type": "boolean", "enum": [False]}} if self.words.disguised else {}
        for fields in where:
            yield from ({**fields, **told, **bound} for bound in _bounds(most))

    def _paths(self) -> Iterator[Fields]:
        longest = min(MOST, max(len(graph.nodes) - 1 for graph in graphs_of(self.space)))
        operators, only = ({key: _named("operators")} for key in ("operators", "only"))
        through = [{**operators, **bound} for bound in _bounds(longest)]
        lengths = [{"length": record(bound)} for bound in _bounds(longest, least=1)]
        ends = {"from": _named("start"), "to": _named("end")}
        for body in (*through, only):
            yield {**body, **self._cell}
            yield {**ends, **body, **self._cell}
        yield from ({**only, **length, **self._cell} for length in lengths)

    def _sources(self) -> Iterator[Fields]:
        """The number of layers that read a node that several may read."""
        choosing = [layer for layer in self.space.layers if len(layer.sources) > 1]
        known = {node for graph in graphs_of(self.space) for node in graph.nodes}
        read = {source for layer in choosing for source in layer.sources if source in known}
        most = min(COUNTED, len(choosing))
        if read and most:
            cell = {} if self.words.disguised else self._cell
            nodes = self.words.in_order("source", read)
            yield from ({"node": one(nodes), **cell, **bound} for bound in _bounds(most))

    def _told_apart(self, kind: str, bound: str) -> list[int]:
        """The values of a bound of depth or width that some architectures keep, in any cell, and others do not."""
        cells, found = _probe(self.space), []
        for value in range(COUNTED + 1):
            said = (
                condition_of({kind: {bound: value, **({} if name is None else {"cell": name})}}) for name in self._cells
            )
            if any(0 < holding(one, cells).mean() < 1 for one in said):
                found.append(value)
        return found

    def _may_reach(self, layer: str) -> bool:
        at = self.space.layer_names.index(layer)
        return any(graph.live[:, graph.layers.index(at)].any() for graph in graphs_of(self.space) if at in graph.layers)

    # --- names -------------------------------------------------------------------------------------------------------
    @property
    def _operators(self) -> list[str]:
        """Operators to count, as shown: those that layers may choose. Zero reaches no output, and lies on no path."""
        chosen = {o for layer in self.space.layers for o in layer.operators if len(layer.operators) > 1}
        if not self.words.disguised and len(chosen) > 1:
            chosen.discard(self.space.family.zero or "")
        return self.words.in_order("operator", chosen or set(self.words.operators))

    @property
    def _cell(self) -> Fields:
        """The field that names a cell, of a space with several."""
        return {"cell": _named("cell")} if self._cell_named else {}

    @property
    def _cell_named(self) -> Fields:
        names = [name for name in self._cells if name is not None]
        return {"cell": one(names)} if names else {}

    @property
    def _cells(self) -> list[str | None]:
        names: list[str | None] = [graph.name for graph in graphs_of(self.space)]
        return names if len(names) > 1 else [None]

    @property
    def _linked(self) -> bool:
        """Whether architectures differ in what reaches the output, or in what is read."""
        return any(
            graph.live.min() != graph.live.max() or np.ptp(graph.sources, axis=0).any()
            for graph in graphs_of(self.space)
        )

    @property
    def _starts(self) -> list[str]:
        return ["input", *self._nodes(lambda graph, node: node != graph.output and graph.inputs != (node,))]

    @property
    def _ends(self) -> list[str]:
        return ["output", *self._nodes(lambda graph, node: node != graph.output and node not in graph.inputs)]

    def _nodes(self, wanted: Callable[[Graph, int], bool]) -> list[str]:
        found = (
            name for graph in graphs_of(self.space) for at, name in enumerate(graph.nodes) if wanted(graph, at)
        )  # fmt: skip
        return [name for name in dict.fromkeys(found) if name not in ("input", "output")]

    def _several(self, names: Sequence[str], most: int = NAMED) -> dict[str, Any]:
        return few(one(names), 1, max(1, min(most, len(names), NAMED)))


# --- schemas ---------------------------------------------------------------------------------------------------------
def _any(variants: list[dict[str, Any]]) -> dict[str, Any]:
    return variants[0] if len(variants) == 1 else {"anyOf": variants}


def _named(name: str) -> dict[str, Any]:
    """A reference to a definition."""
    return {"$ref": f"#/$defs/{name}"}


def _joining(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [record({"all": few(part, 2, JOINED)}), record({"any": few(part, 2, JOINED)})]


def _bounds(most: int, least: int = 0) -> list[Fields]:
    """A bound below and a bound above, each of which some number from ``least`` to ``most`` does not keep."""
    above, below = list(range(least + 1, most + 1)), list(range(least, most))
    return [{"at_least": numbers(above)}, {"at_most": numbers(below)}] if above else []


# --- the space -------------------------------------------------------------------------------------------------------
@lru_cache(maxsize=8)
def _probe(space: SearchSpace) -> Cells:
    rng = np.random.default_rng(0)
    return Cells.of(space, [space.sample(rng) for _ in range(PROBED)])


def graphs_of(space: SearchSpace) -> tuple[Graph, ...]:
    """The cells of some random members of a space."""
    return _probe(space).graphs


@lru_cache(maxsize=8)
def _sizes(space: SearchSpace) -> tuple[str, ...]:
    """The quantities of size that are known of a space and differ among its architectures."""
    try:
        known = _probe(space).sizes
    except SpaceError:
        return ()
    return tuple(name for name, values in known.items() if np.ptp(values) > 0)
