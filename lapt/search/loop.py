"""Search of one iteration: ask, evaluate, tell, until the budget or the space is used up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lapt.evaluation import Evaluation
from lapt.search.searcher import Searcher
from lapt.spaces import Architecture

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
