"""Search among scored architectures, for an evaluator that measures nothing and lacks some of a space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from lapt.evaluation import Evaluator, Holding
from lapt.search.searcher import Searcher
from lapt.spaces import Architecture, Pool, SearchSpace

S = TypeVar("S", bound=Searcher)


def asking(make: Callable[[SearchSpace], S], space: SearchSpace, evaluator: Evaluator, *, at_least: int = 0) -> S:
    """A searcher of ``space``, made by ``make``, that asks only for architectures of ``askable``, if these are
    fewer."""
    held = _held(evaluator)
    if held is None or held.lacking == "fail":
        return make(space)
    there = askable(space, evaluator, at_least=at_least)
    if held.lacking == "never":
        return make(there)
    searcher = make(space)
    searcher.there = there
    return searcher


def askable(space: SearchSpace, evaluator: Evaluator, *, at_least: int = 0) -> SearchSpace:
    """The part of ``space`` that a search may evaluate: all of it, unless the evaluator skips or hides architectures
    that it lacks.

    If it hides them, nothing may be left of a refined space. If fewer than ``at_least`` are left, those nearest to the
    space count too.
    """
    held = _held(evaluator)
    if held is None or held.lacking == "fail":
        return space
    return Pool.of(space, held.pool().rows, at_least=at_least if held.lacking == "never" else 0)


def scored(space: SearchSpace, evaluator: Evaluator) -> Sequence[Architecture]:
    """Every architecture of ``space`` that has a score, however requests for others are treated.

    Raises SpaceError if the evaluator measures, and the space is too large to list.
    """
    held = _held(evaluator)
    if held is None:
        return space.listed()
    pool = held.pool()
    if space.size < pool.size:
        return [member for member in space.members() if pool.contains(member)]
    return Pool.of(space, pool.rows).rows


def _held(evaluator: Evaluator) -> Holding | None:
    return getattr(evaluator, "holding", None)
