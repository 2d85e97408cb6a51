"""A search that goes back to the first refined space now and then."""

from __future__ import annotations

from collections.abc import Sequence

from lapt.evaluation import Evaluation, top
from lapt.search.searcher import Searcher
from lapt.spaces import Architecture


class Revisiting(Searcher):
    """One method on two spaces: that of this iteration, and the first refined space.

    ``here``, ``first``: searchers of the two. Every ``every``-th architecture comes from ``first`` while the best so
    far is of its space, all others come from ``here``. Where one has no unseen architecture left, the other gives it.
    Both are told of all.

    Adaptation widens the space. That saves a search whose principles do not fit. It costs a search whose principles do:
    it leaves the first space before all its good architectures are found. The place of the best so far tells the two
    cases apart.
    """

    def __init__(self, here: Searcher, first: Searcher, every: int) -> None:
        super().__init__(here.space, seed=0, prior=here.prior)
        self._here, self._first, self._every = here, first, every
        self._asked = 0
        self.history = here.history  # one list

    @property
    def pending(self) -> list[Architecture]:
        return self._here.pending

    def propose(self) -> Architecture:
        return self._here.propose()

    def ask(self, n: int) -> list[Architecture]:
        asked: list[Architecture] = []
        while len(asked) < n:
            due = (self._asked + 1) % self._every == 0 and self._is_best_there
            order = (self._first, self._here) if due else (self._here, self._first)
            new = next((found for one in order if (found := one.ask(1))), None)
            if new is None:
                break
            self._asked += 1
            self.reserve(new)
            asked += new
        self.repeats, self.lacking = (
            (self._here.repeats + self._first.repeats),
            (self._here.lacking + self._first.lacking),
        )
        self.advice = self._here.advice
        return asked

    @property
    def _is_best_there(self) -> bool:
        best = top(self.history, 1)
        return not best or self._first.space.contains(best[0].architecture)

    def reserve(self, architectures: Sequence[Architecture]) -> None:
        for one in (self._here, self._first):
            one.reserve(architectures)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        for one in (self._here, self._first):
            one.tell(evaluations)

    def correct(self, evaluations: Sequence[Evaluation]) -> None:
        for one in (self._here, self._first):
            one.correct(evaluations)
