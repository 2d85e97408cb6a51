"""Judgement of conditions: which of many architectures they hold for, and what that says of good ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, singledispatch

import numpy as np
import numpy.typing as npt

from lapt.conditions.cells import Cells, Flags, Graph, within
from lapt.conditions.language import (
    All,
    Any_,
    AtLeast,
    Choice,
    Condition,
    Count,
    CountOf,
    Depth,
    If,
    Not,
    Path,
    PathOf,
    Reaches,
    Size,
    Source,
    Width,
)
from lapt.errors import SpaceError
from lapt.spaces import ENUMERABLE, SearchSpace, functions_of

SAMPLED = 10_000
"""The number of members, of a fixed seed, by which a space too large to list is judged."""

Numbers = npt.NDArray[np.int64]


@lru_cache(maxsize=4)
def members_of(space: SearchSpace) -> Cells:
    """All members of a space (of some families, one a function), or ``SAMPLED`` of a fixed seed if it is too large."""
    if (functions := functions_of(space)) is not None:
        return Cells.of(space, functions)
    if space.size <= ENUMERABLE:
        return Cells.of(space, space.members())
    rng = np.random.default_rng(0)
    return Cells.of(space, (space.sample(rng) for _ in range(SAMPLED)))


def holding(condition: Condition, cells: Cells) -> Flags:
    """N booleans: whether the condition holds for each of N architectures.

    Raises SpaceError if it names a layer, operator, node or cell that their space does not have.
    """
    return _holding(condition, cells) if len(cells) else np.zeros(0, dtype=bool)


def fits(condition: Condition, space: SearchSpace) -> str | None:
    """The reason why a condition cannot be judged in a space; None if it can."""
    probe = Cells.of(space, [space.sample(np.random.default_rng(0))])
    try:
        holding(condition, probe)
    except SpaceError as error:
        return str(error)
    return None


@dataclass(frozen=True)
class Evidence:
    """A condition beside architectures that were read.

    ``support``: the share of those that it holds for, ``of`` their number. ``base_rate``: the share of their space.
    """

    support: float
    base_rate: float
    of: int

    @property
    def lift(self) -> float:
        """Support over base rate; infinite if nothing else in the space follows it, and 1 if nothing at all does."""
        if self.base_rate:
            return self.support / self.base_rate
        return np.inf if self.support else 1.0


def evidence_of(condition: Condition, read: Cells, space: SearchSpace) -> Evidence:
    """The evidence for a condition in architectures that were read. Raises as ``holding``."""
    held, everywhere = holding(condition, read), holding(condition, members_of(space))
    return Evidence(float(held.mean()) if len(held) else 0.0, float(everywhere.mean()), len(held))


# --- what joins conditions -------------------------------------------------------------------------------------------
@singledispatch
def _holding(condition: Condition, cells: Cells) -> Flags:
    raise TypeError(f"no condition: {condition!r}")


@_holding.register
def _(condition: All, cells: Cells) -> Flags:
    return np.asarray(np.logical_and.reduce([_holding(part, cells) for part in condition.all]))


@_holding.register
def _(condition: Any_, cells: Cells) -> Flags:
    return np.asarray(np.logical_or.reduce([_holding(part, cells) for part in condition.any]))


@_holding.register
def _(condition: Not, cells: Cells) -> Flags:
    return ~_holding(condition.not_, cells)


@_holding.register
def _(condition: If, cells: Cells) -> Flags:
    return ~_holding(condition.if_, cells) | _holding(condition.then, cells)


@_holding.register
def _(condition: AtLeast, cells: Cells) -> Flags:
    held = np.stack([_holding(part, cells) for part in condition.of])
    return np.asarray(held.sum(axis=0) >= condition.at_least)


# --- leaves ----------------------------------------------------------------------------------------------------------
@_holding.register
def _(condition: Choice, cells: Cells) -> Flags:
    said = condition.choice
    at = cells.position(said.layer)
    held = np.ones(len(cells), dtype=bool)
    if said.operators:
        held &= cells.chosen_of(said.operators, cells.chosen[:, at])
    if said.sources:
        known = cells.family.layers[at].sources
        if unknown := [source for source in said.sources if source not in known]:
            raise SpaceError(f"a source of layer {said.layer} among {list(known)}", repr(unknown[0]), "check it")
        held &= cells.reads(at, said.sources)
    return held


@_holding.register
def _(condition: Count, cells: Cells) -> Flags:
    return _bounded(_counted(condition.count, cells), condition.count.at_least, condition.count.at_most)


@_holding.register
def _(condition: Reaches, cells: Cells) -> Flags:
    return _counted(CountOf(layers=condition.reaches.layers, at_least=1), cells) >= 1


@_holding.register
def _(condition: Width, cells: Cells) -> Flags:
    said = condition.width
    return _bounded(_counted(CountOf(reads="input", cell=said.cell, at_least=1), cells), said.at_least, said.at_most)


@_holding.register
def _(condition: Source, cells: Cells) -> Flags:
    said = condition.source
    count = CountOf(reads=said.node, cell=said.cell, live=False, at_least=1)
    return _bounded(_counted(count, cells), said.at_least, said.at_most)


@_holding.register
def _(condition: Depth, cells: Cells) -> Flags:
    said = condition.depth
    identity = cells.family.identity
    deepest = np.zeros(len(cells), dtype=np.int64)
    for graph in cells.of_cell(said.cell):
        works = np.ones_like(graph.present) if identity is None else graph.operators != cells.operators[identity]
        rows, reached = np.arange(len(cells)), np.full((len(cells), len(graph.nodes)), -1)
        reached[:, list(graph.inputs)] = 0
        for edge, target in enumerate(graph.targets):
            before = reached[rows, graph.sources[:, edge]]
            after = np.where(graph.present[:, edge] & (before >= 0), before + works[:, edge], -1)
            reached[:, target] = np.maximum(reached[:, target], after)
        deepest = np.maximum(deepest, np.where(graph.ends, reached, -1).max(axis=1))
    return _bounded(deepest, said.at_least, said.at_most)


@_holding.register
def _(condition: Path, cells: Cells) -> Flags:
    said = condition.path
    cells.at(said.start)
    cells.at(said.to)
    held = np.zeros(len(cells), dtype=bool)
    wanted = within(said.length, said.at_least, said.at_most)
    for graph in cells.of_cell(said.cell):
        ends = list(graph.nodes_named(said.to))
        if ends:
            ways = _ways(said, cells, graph)[:, ends]
            held |= ((ways & wanted) != 0).any(axis=1)
    return held


@_holding.register
def _(condition: Size, cells: Cells) -> Flags:
    said = condition.size
    everywhere = members_of(cells.space).sizes[said.of]
    low, high = np.quantile(everywhere, [said.at_least, said.at_most])
    sizes = cells.sizes[said.of]
    return np.asarray((sizes >= low) & (sizes <= high))


def _bounded(numbers: Numbers, at_least: int | None, at_most: int | None) -> Flags:
    held = np.ones(len(numbers), dtype=bool)
    if at_least is not None:
        held &= numbers >= at_least
    if at_most is not None:
        held &= numbers <= at_most
    return held


def _counted(said: CountOf, cells: Cells) -> Numbers:
    """The number of layers, of each architecture, that ``said`` counts."""
    for node in (said.into, said.reads):
        if node is not None:
            cells.at(node)
    allowed = {cells.position(layer) for layer in said.layers}
    total = np.zeros(len(cells), dtype=np.int64)
    for graph in cells.of_cell(said.cell):
        counted = graph.live if said.live else graph.present
        if said.operators:
            counted = cells.chosen_of(said.operators, graph.operators) & (counted if said.live else True)
        if allowed:
            counted = counted & np.array([layer in allowed for layer in graph.layers])
        if said.into is not None:
            into = np.isin(graph.targets, graph.nodes_named(said.into))
            counted = counted & (graph.ends[:, list(graph.targets)] if said.into == "output" else into)
        if said.reads is not None:
            counted = counted & np.isin(graph.sources, graph.nodes_named(said.reads))
        total += counted.sum(axis=1)
    return total


def _ways(said: PathOf, cells: Cells, graph: Graph) -> npt.NDArray[np.uint64]:
    """N x nodes: the ways that ``said`` speaks of, to each node."""
    through = graph.present
    if said.only:
        through = through & cells.chosen_of(said.only, graph.operators)
    return graph.ways(said.start, cells.chosen_of(said.operators, graph.operators), through)
