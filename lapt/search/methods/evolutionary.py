"""NSGA-II (Deb et al. 2002), by pymoo."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from pydantic import Field

from lapt.errors import ConfigError
from lapt.evaluation import Evaluation
from lapt.search.searcher import Searcher
from lapt.spaces import Architecture, SearchSpace
from lapt.spaces.distributions import architecture, candidates, params


class Nsga2(Searcher):
    """Non-dominated sorting and crowding select ``survivors``; uniform crossover and mutation make their children.

    It is pymoo's implementation, used by ask and tell. Every layer's operator and source is a choice. Parents win
    binary tournaments; nine pairs of ten are crossed over, and each choice is drawn anew with probability 1 / choices
    (pymoo's defaults). A child outside the space, for example one that breaks a constraint, counts as the nearest
    member, and so do evaluations of earlier iterations. The first ``survivors`` architectures are uniform; evaluations
    told before count among them. A generation has as many children as there are survivors. The next one is bred from
    what was told by then, so an ask never waits.

    With one objective it is the same algorithm with a population sorted by the score. Failed evaluations, and those
    whose cost is not known, are never parents.
    """

    objectives = True

    class Parameters(Searcher.Parameters):
        survivors: int = Field(10, ge=2, description="architectures that survive a generation, and children of each")

    parameters: Parameters

    def __init__(self, space: SearchSpace, **given: Any) -> None:
        super().__init__(space, **given)
        made = _pymoo()
        choices = {name: made.Choice(options=list(of)) for name, of in candidates(space.layers).items()}
        self._names = tuple(choices)
        self._algorithm = made.NSGA2(
            pop_size=self.parameters.survivors,
            crossover=made.UX(),
            mutation=made.ChoiceRandomMutation(),
            eliminate_duplicates=False,  # the base class passes over what is known
            seed=int(self.rng.integers(2**31)),
        )
        self._algorithm.setup(
            made.Problem(vars=choices, n_obj=1 if self.prior.costs is None else 2), termination=made.NoTermination()
        )
        self._children: deque[Architecture] = deque()
        self._grown: list[tuple[Architecture, list[float]]] = []

    def propose(self) -> Architecture:
        if not self._children:
            self._breed()
        return self._children.popleft() if self._children else self.space.sample(self.rng)

    def observe(self, evaluation: Evaluation) -> None:
        if evaluation.failed:
            return
        values = [-evaluation.score]
        if self.prior.costs is not None:
            values.append(float(self.prior.costs([evaluation.architecture])[0]))
        if not np.isnan(values).any():
            self._grown.append((self.space.project(evaluation.architecture, self.rng), values))

    def _breed(self) -> None:
        """Let what was told since survive or not, and make the next children; none before the first generation."""
        founded = self._algorithm.is_initialized
        if not founded and len(self._grown) < self.parameters.survivors:
            return
        if self._grown:
            self._algorithm.tell(infills=self._population())
        for child in self._algorithm.ask():
            chosen = dict(zip(self._names, child.X, strict=True))
            self._children.append(self.space.project(architecture(self.space.layers, chosen), self.rng))

    def _population(self) -> Any:
        """Individuals of pymoo, with values to minimise, of what was told since the last generation."""
        made = _pymoo()
        x = [list(params(self.space.layers, grown).values()) for grown, _ in self._grown]
        found = made.Population.new(X=np.array(x, dtype=object))
        known = made.StaticProblem(self._algorithm.problem, F=np.array([values for _, values in self._grown]))
        made.Evaluator().eval(known, found)
        self._grown = []
        return found


def _pymoo() -> Any:
    """The parts of pymoo that are used. Raises ConfigError if it is missing."""
    try:
        from lapt.search.methods import from_pymoo
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pymoo":
            raise
        raise ConfigError("pymoo", "an environment without it", "pip install 'lapt[pareto]'") from None
    return from_pymoo
