"""Search by a sampler of Optuna (Akiba et al. 2019)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from lapt.errors import ConfigError
from lapt.evaluation import Evaluation
from lapt.search.searcher import Searcher
from lapt.spaces import Architecture, SearchSpace
from lapt.spaces.distributions import optuna, params


class OptunaSearch(Searcher):
    """A sampler of Optuna chooses every layer's operator and source, each a categorical parameter.

    What it chooses outside the space (DARTS: one source twice in a node) counts as the nearest member, and so do
    evaluations of earlier iterations. ``optuna:TPESampler`` as the method is short for the two keys.
    """

    class Parameters(Searcher.Parameters):
        sampler: str = Field("TPESampler", description="a class of optuna.samplers that can be made from a seed alone")

    parameters: Parameters

    def __init__(self, space: SearchSpace, **given: Any) -> None:
        super().__init__(space, **given)
        name, package = self.parameters.sampler, optuna()
        try:
            sampler = getattr(package.samplers, name)(seed=int(self.rng.integers(2**31)))
        except (AttributeError, TypeError, ImportError) as error:
            got = " ".join(f"{name}: {error}".split())
            raise ConfigError("a sampler of Optuna that can be made from a seed", got, "TPESampler is one") from None
        self.study = package.create_study(direction="maximize", sampler=sampler)
        self._distributions = space.to_optuna()
        self._trials: dict[str, int] = {}
        self._scores: dict[str, float | None] = {}

    def propose(self) -> Architecture:
        for identity in [identity for identity in self._trials if identity not in self._pending]:
            self._tell(self._trials.pop(identity), None)  # the last proposal, which cannot be evaluated
        trial = self.study.ask(self._distributions)
        proposal = self.space.project(self.space.from_optuna(trial.params), self.rng)
        identity = self._identity(proposal)
        if identity in self._known:
            self._tell(trial.number, self._scores.get(identity))
        else:
            self._trials[identity] = trial.number
        return proposal

    def observe(self, evaluation: Evaluation) -> None:
        identity = self._identity(evaluation.architecture)
        score = self._scores[identity] = None if evaluation.failed else evaluation.score
        if identity in self._trials:
            self._tell(self._trials.pop(identity), score)
            return
        # Of an earlier iteration, or not chosen by the sampler.
        chosen = params(self.space.layers, self.space.project(evaluation.architecture, self.rng))
        made = optuna().trial.create_trial(
            params=chosen, distributions=self._distributions, value=score, state=_state(score)
        )
        self.study.add_trial(made)

    def _tell(self, number: int, score: float | None) -> None:
        self.study.tell(number, score, state=_state(score))


def _state(score: float | None) -> Any:
    states = optuna().trial.TrialState
    return states.FAIL if score is None else states.COMPLETE
