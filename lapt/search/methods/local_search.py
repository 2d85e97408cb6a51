"""Local search (White et al., UAI 2021)."""

from __future__ import annotations

from collections import deque
from typing import Any

from lapt.evaluation import Evaluation
from lapt.search.searcher import Searcher
from lapt.spaces import Architecture, SearchSpace


class LocalSearch(Searcher):
    """From a random architecture to better neighbours, until none is better; then from another random one.

    Neighbours differ in one layer and are tried in random order. The search moves to the first better one (the variant
    "query until lower" of the published code), so under ask and tell it need not wait for a whole neighbourhood. After
    earlier iterations it goes on from their best, projected into the space.
    """

    def __init__(self, space: SearchSpace, **given: Any) -> None:
        super().__init__(space, **given)
        self.current: Evaluation | None = None
        self._neighbours: deque[Architecture] = deque()

    def observe(self, evaluation: Evaluation) -> None:
        if not evaluation.failed and (self.current is None or evaluation.score > self.current.score):
            self._move_to(evaluation)

    def propose(self) -> Architecture:
        if self._neighbours:
            return self._neighbours.popleft()
        if not self.pending:  # all neighbours are told, and none was better
            self.current = None
        return self.space.sample(self.rng)

    def _move_to(self, evaluation: Evaluation) -> None:
        self.current = evaluation
        around = list(self.space.neighbours(self.space.project(evaluation.architecture, self.rng)))
        self._neighbours = deque(around[int(i)] for i in self.rng.permutation(len(around)))
