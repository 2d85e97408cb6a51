"""One iteration's search: ask, evaluate, tell, until the budget or the space is used up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lapt.evaluation import Evaluation
from lapt.search.searcher import Searcher
from lapt.spaces import Architecture

Evaluate = Callable[[list[Architecture]], Sequence[Evaluation]]


def search(
    searcher: Searcher, evaluate: Evaluate, *, budget: int, ask_size: int, history: Sequence[Evaluation] = ()
) -> list[Evaluation]:
    """At most ``budget`` new evaluations, ``ask_size`` at a time, told in the order asked.

    ``history`` holds the evaluations of earlier iterations on the same task. An ask that comes back empty means that
    the space is exhausted, and ends the search.
    """
    searcher.tell(history)
    found: list[Evaluation] = []
    while len(found) < budget:
        asked = searcher.ask(min(ask_size, budget - len(found)))
        if not asked:
            break
        told = list(evaluate(asked))
        searcher.tell(told)
        found.extend(told)
    return found
