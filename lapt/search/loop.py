"""Search of one iteration, and where it may go if an evaluator measures nothing and lacks some of a space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from lapt.evaluation import Evaluation, Evaluator, Holding
from lapt.search.searcher import Searcher
from lapt.spaces import Architecture, Pool, SearchSpace

Evaluate = Callable[[list[Architecture]], Sequence[Evaluation]]


def search(
    searcher: Searcher,
    evaluate: Evaluate,
    *,
    budget: int,
    ask_size: int,
    history: Sequence[Evaluation] = (),
    first: Sequence[Architecture] = (),
) -> list[Evaluation]:
    """Make at most ``budget`` new evaluations, ``ask_size`` at a time, told in the order asked.

    ``history``: the evaluations of earlier iterations on the same task. ``first``: distinct architectures to evaluate
    before the first ask, within the budget. The method is told of them with the history, so they found the population
    of a method that has one. The search ends at an empty ask, which means that the space is exhausted, and at an answer
    with fewer evaluations than asked for, which means that a limit of the run is reached.
    """
    found = list(evaluate(list(first[:budget]))) if first else []
    if len(found) < len(first[:budget]):
        return found
    searcher.tell([*history, *found])
    while len(found) < budget:
        asked = searcher.ask(min(ask_size, budget - len(found)))
        if not asked:
            break
        told = list(evaluate(asked))
        found.extend(told)
        if len(told) < len(asked):
            break
        searcher.tell(told)
    return found


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
