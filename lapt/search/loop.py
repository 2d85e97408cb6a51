"""Search of one iteration, and where it may go if an evaluator measures nothing and lacks some of a space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from lapt.evaluation import Evaluation, Evaluator, Holding
from lapt.search.feasible import Feasible, some_of
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


def asking(
    make: Callable[[SearchSpace], S],
    space: SearchSpace,
    evaluator: Evaluator,
    *,
    at_least: int = 0,
    feasible: Feasible | None = None,
) -> S:
    """A searcher of ``space``, made by ``make``, that asks only for architectures of ``askable``, if these are
    fewer.

    It searches the feasible ones alone. If it proposes another all the same, that is skipped.
    """
    there = askable(space, evaluator, at_least=at_least, feasible=feasible)
    if there is space:
        return make(space)
    held = _held(evaluator)
    skips = held is not None and held.lacking == "skip"
    inside = there
    if skips:
        inside = space if feasible is None else feasible.within(space, at_least=at_least)
    searcher = make(inside)
    if skips or feasible is not None:
        searcher.there = there
    if feasible is not None and feasible.exact is not None:
        searcher.confirm = feasible.confirmed
    return searcher


def askable(
    space: SearchSpace, evaluator: Evaluator, *, at_least: int = 0, feasible: Feasible | None = None
) -> SearchSpace:
    """The part of ``space`` that a search may evaluate: what meets the constraints, if there are any, without the
    architectures that the evaluator skips or hides because it lacks them.

    Nothing may be left of a refined space. If fewer than ``at_least`` are left, those nearest to the space count too;
    but what the evaluator skips does not. Raises SpaceError if constraints leave nothing.
    """
    held = _held(evaluator)
    if held is None or held.lacking == "fail":
        return space if feasible is None else feasible.within(space, at_least=at_least)
    rows = held.pool().rows
    if feasible is None:
        return Pool.of(space, rows, at_least=at_least if held.lacking == "never" else 0)
    return some_of(Pool.of(space, filter(feasible.meets, rows), at_least=at_least))


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
