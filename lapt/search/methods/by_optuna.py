"""Search by a sampler of Optuna (Akiba et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from lapt.base.declarations import added
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation
from lapt.search.searcher import Searcher
from lapt.spaces import Architecture, SearchSpace
from lapt.spaces.distributions import optuna, params


class OptunaSearch(Searcher):
    """A sampler of Optuna chooses every layer's operator and source, each a categorical parameter.

    What it chooses outside the space (DARTS: one source twice in a node) counts as the nearest member, and so do
    evaluations of earlier iterations. ``optuna:TPESampler`` as the method is short for the two keys.

    With two objectives (``prior.costs``) the study has two directions, and an evaluation without a known cost counts as
    failed. ``TPESampler`` is then the multi-objective TPE (Ozaki et al. 2022), and ``NSGAIISampler`` is NSGA-II.
    """

    objectives = True

    class Parameters(Searcher.Parameters):
        sampler: str = Field("TPESampler", description="a class of optuna.samplers that can be made from a seed alone")
        options: dict[str, bool | int | float | str | None] = added(
            {}, description="further arguments of the sampler, such as {population_size: 10} of NSGAIISampler"
        )

    parameters: Parameters

    def __init__(self, space: SearchSpace, **given: Any) -> None:
        super().__init__(space, **given)
        package, directions = optuna(), ["maximize"] if self.prior.costs is None else ["maximize", "minimize"]
        self._distributions = space.to_optuna()
        seed = int(self.rng.integers(2**31))
        if self.prior.costs is not None:
            self._try(package.create_study(directions=directions, sampler=self._sampler(seed)))
        self.study = package.create_study(directions=directions, sampler=self._sampler(seed))
        self._trials: dict[str, int] = {}
        self._scores: dict[str, list[float] | None] = {}

    def _sampler(self, seed: int) -> Any:
        name, options = self.parameters.sampler, self.parameters.options
        try:
            return getattr(optuna().samplers, name)(seed=seed, **options)
        except (AttributeError, TypeError, ValueError, ImportError) as error:
            got = " ".join(f"{name}: {error}".split())
            made = "a seed" + (f" and {', '.join(options)}" if options else "")
            raise ConfigError(f"a sampler of Optuna that can be made from {made}", got, "TPESampler is one") from None

    def _try(self, study: Any) -> None:
        """Raises ConfigError if the sampler has one objective. ``study``: thrown away after."""
        try:
            study.ask(self._distributions)
        except ValueError as error:
            got = " ".join(f"{self.parameters.sampler}: {error}".split())
            raise ConfigError(
                "a sampler of Optuna for two objectives", got, "NSGAIISampler and TPESampler are some"
            ) from None

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
        values = self._scores[identity] = self._values(evaluation)
        if identity in self._trials:
            self._tell(self._trials.pop(identity), values)
            return
        # Of an earlier iteration, or not chosen by the sampler.
        chosen = params(self.space.layers, self.space.project(evaluation.architecture, self.rng))
        made = optuna().trial.create_trial(
            params=chosen, distributions=self._distributions, values=values, state=_state(values)
        )
        self.study.add_trial(made)

    def _values(self, evaluation: Evaluation) -> list[float] | None:
        """The score, and the cost if it is an objective; None if one of them is not known."""
        if evaluation.failed:
            return None
        values = [evaluation.score]
        if self.prior.costs is not None:
            values.append(float(self.prior.costs([evaluation.architecture])[0]))
        return None if np.isnan(values).any() else values

    def _tell(self, number: int, values: Sequence[float] | None) -> None:
        self.study.tell(number, values, state=_state(values))


def _state(values: Sequence[float] | None) -> Any:
    states = optuna().trial.TrialState
    return states.FAIL if values is None else states.COMPLETE
