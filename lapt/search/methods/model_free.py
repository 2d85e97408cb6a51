"""Search methods that learn no model: uniform random search, local search and regularized evolution."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import isclose
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from lapt.base.declarations import added
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, top
from lapt.search.advice import Advice
from lapt.search.methods.model_based import Candidates, apart, features, one_thread, scores_of, standardised, whole
from lapt.search.searcher import Searcher, Weighed
from lapt.spaces import ENUMERABLE, Architecture, SearchSpace

_CHOICES = 16
"""Number of proposals among which the advice chooses."""


class Advised(Searcher):
    """A method without a model. If there are advisers, each ask is the best of several proposals by their advice.

    The advice is the sum of the advisers' expectations times their weights. Each adviser is passed over as often as the
    target's scores doubt it; where all are, the method's own proposal is taken.
    """

    def __init__(self, space: SearchSpace, **given: Any) -> None:
        super().__init__(space, **given)
        self._weighing, self._weighed = Advice(self.prior.advisers), -1

    def _unknown(self) -> Architecture | None:
        if not self.prior.advisers:
            return super()._unknown()
        proposed: dict[str, Architecture] = {}
        for _ in range(_CHOICES):
            proposal = self.propose()
            if self._identity(proposal) not in self._known and self._is_there(proposal):
                proposed.setdefault(self._identity(proposal), proposal)
        if not proposed:
            return super()._unknown()
        found = list(proposed.values())
        self._weigh()
        heard = self.rng.random(len(self.advice)) >= [one.doubt for one in self.advice]
        weights = np.array([max(one.weight, 0.0) for one in self.advice]) * heard
        return found[int(np.argmax(weights @ self._weighing.expected(found)))]

    def _weigh(self) -> None:
        """Set ``advice`` by the scores so far."""
        learned = sum(not evaluation.failed for evaluation in self.history)
        if self._weighed != learned:
            self._weighed, self.advice = learned, weights_after(self.space, self._weighing, self.history)


def weights_after(space: SearchSpace, weighing: Advice, evaluations: Sequence[Evaluation]) -> tuple[Weighed, ...]:
    """The advisers' weights after evaluations; those before the first while two scores do not differ."""
    learned = [evaluation for evaluation in evaluations if not evaluation.failed]
    scores = scores_of(learned)
    if len(set(scores)) < 2:
        return weighing.before
    told = [evaluation.architecture for evaluation in learned]
    x = Candidates.of(space, told).x if space.size > ENUMERABLE else whole(space).standardise(features(space, told))
    with one_thread():
        return weighing.learn(apart(space, x, x), standardised(scores), weighing.expected(told))


class RandomSearch(Advised):
    """Every unseen member of the space is equally likely."""

    def propose(self) -> Architecture:
        return self.space.sample(self.rng)


class LocalSearch(Advised):
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

    def corrected(self, earlier: Evaluation, evaluation: Evaluation) -> None:
        if self.current is earlier:
            self.current = evaluation
        else:
            self.observe(evaluation)

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


class RegularizedEvolution(Advised):
    """Tournament selection, one-layer mutation, and removal of the oldest.

    The first ``population_size`` proposals are uniform. From then on a parent is the best of ``tournament_size``
    members drawn without replacement from the latest ``population_size`` evaluations (ageing: the oldest leaves,
    whatever its score). With ``mutation_probability`` the child is a mutation of the parent, otherwise a uniform
    crossover of two such parents. ``crossover_probability`` (Table 1: 0.5 beside 0.5 on DARTS) is the remainder, and
    may be given. A parent from an earlier, different space is first projected into this one.

    Evaluations told before the first ask (earlier iterations) found the population: its best, the best as the youngest.
    Founding it with the latest instead lost the incumbent to ageing: NAS-Bench-201 cifar10, 1,000 seeds, 0.973 of the
    runs reached the top 0.1 % against 0.991.
    """

    class Parameters(Searcher.Parameters):
        population_size: int = Field(5, ge=1)
        tournament_size: int = Field(2, ge=1)
        mutation_probability: float = Field(1.0, ge=0, le=1)
        crossover_probability: float | None = added(None, ge=0, le=1)

        @model_validator(mode="after")
        def _go_together(self) -> Self:
            drawn, population = self.tournament_size, self.population_size
            if drawn > population:
                raise ConfigError(
                    f"tournament_size from 1 to population_size ({population})",
                    f"tournament_size ({drawn})",
                    "draw at most the whole population",
                )
            mutated, crossed = self.mutation_probability, self.crossover_probability
            if crossed is not None and not isclose(mutated + crossed, 1):
                raise ConfigError(
                    f"crossover_probability of 1 - mutation_probability ({mutated}), since a child is one of the two",
                    f"crossover_probability ({crossed})",
                    "let the two add up to 1",
                )
            return self

    parameters: Parameters

    def __init__(self, space: SearchSpace, **given: Any) -> None:
        super().__init__(space, **given)
        self.population: deque[Evaluation] = deque(maxlen=self.parameters.population_size)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        founding = not self._known
        super().tell(evaluations)
        if founding:
            self.population.clear()
            self.population.extend(reversed(top(evaluations, self.parameters.population_size)))

    def observe(self, evaluation: Evaluation) -> None:
        self.population.append(evaluation)

    def corrected(self, earlier: Evaluation, evaluation: Evaluation) -> None:
        for place, member in enumerate(self.population):
            if member is earlier:
                self.population[place] = evaluation

    def propose(self) -> Architecture:
        # Until a whole population was told, proposals are uniform, however large a batch is asked.
        if len(self.population) < self.parameters.population_size:
            return self.space.sample(self.rng)
        if self.rng.random() < self.parameters.mutation_probability:
            parent = self._parent()
            return self.space.mutate(parent, self.rng) if self.space.size > 1 else parent
        return self.space.crossover(self._parent(), self._parent(), self.rng)

    def _parent(self) -> Architecture:
        drawn = self.rng.choice(len(self.population), size=self.parameters.tournament_size, replace=False)
        winner = max((self.population[int(i)] for i in drawn), key=lambda evaluation: evaluation.score)
        return self.space.project(winner.architecture, self.rng)
