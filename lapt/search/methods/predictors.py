"""Searches guided by predictors that are trained again now and then: BANANAS and WeakNAS."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from lapt.search.methods.model_based import Candidates, ModelBased
from lapt.spaces import SearchSpace
from lapt.spaces.features import Floats

Every = Annotated[int, Field(ge=1, description="evaluations between two trainings")]


class PredictorBased(ModelBased):
    """Trains its predictor on all evaluations, again after every ``retrain_every`` of them."""

    class Parameters(ModelBased.Parameters):
        initial: int = Field(10, ge=2, description="uniform evaluations before the first training")
        retrain_every: Every = 10

    parameters: Parameters

    def __init__(self, space: SearchSpace, **given: Any) -> None:
        super().__init__(space, **given)
        self._predictor: Any = None
        self._trained = 0

    @abstractmethod
    def train(self, x: Floats, y: Floats) -> Any:
        """A predictor of n targets from n x F features, for ``current``."""

    def due(self, new: int) -> bool:
        """Whether to train again, ``new`` evaluations after the last training."""
        return new >= self.parameters.retrain_every

    def current(self, x: Floats, y: Floats) -> Any:
        """The predictor, trained again if that is due."""
        told = len(self.learned)  # what is pending has no score to learn from
        if self._predictor is None or self.due(told - self._trained):
            self._predictor, self._trained = self.train(x[:told], y[:told]), told
        return self._predictor

    def drawn_seed(self) -> int:
        """A seed for other packages' generators, from the search's own."""
        return int(self.rng.integers(2**31))


class Bananas(PredictorBased):
    """BANANAS (White et al. 2021): an ensemble of networks on path encodings, and independent Thompson sampling.

    Every candidate gets one draw from the normal distribution with the ensemble's mean and standard deviation. The
    highest draw is asked for. Simplified: the path encoding counts operators (``path_features``) in place of a bit a
    path, the networks are 3 x 20 and minimise squared error by L-BFGS in place of 10 x 20, percentage error and Adam,
    and the whole space is rated in place of mutants of the best, if it can be listed.
    """

    class Parameters(PredictorBased.Parameters):
        ensemble: int = Field(5, ge=2, description="networks")

    parameters: Parameters

    def train(self, x: Floats, y: Floats) -> Any:
        # scikit-learn takes a second to import: not for those who do without
        from sklearn.neural_network import MLPRegressor  # type: ignore[import-untyped]

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an early end of the training is wanted, scikit-learn warns of it
            networks = [
                MLPRegressor(
                    hidden_layer_sizes=(20, 20, 20),
                    solver="lbfgs",
                    alpha=0.1,
                    max_iter=50,
                    random_state=self.drawn_seed(),
                )
                for _ in range(self.parameters.ensemble)
            ]
            return [network.fit(x, y) for network in networks]

    def rate(self, x: Floats, y: Floats, at: Floats) -> Floats:
        predicted = np.stack([network.predict(at) for network in self.current(x, y)])
        return np.asarray(self.rng.normal(predicted.mean(axis=0), predicted.std(axis=0)))


class WeakNas(PredictorBased):
    """WeakNAS (Wu et al. 2021): weak predictors, each trained on the architectures that the one before it rated high.

    The next ask is uniform among the ``best`` candidates by the current predictor, so that samples gather around good
    architectures as predictors get better. Simplified: gradient-boosted trees alone, on path features in place of
    one-hot operators, and one step an evaluation between trainings.
    """

    class Parameters(PredictorBased.Parameters):
        retrain_every: Every = 5
        best: int = Field(20, ge=1, description="number of best candidates from which the next is drawn")

    parameters: Parameters

    def train(self, x: Floats, y: Floats) -> Any:
        from sklearn.ensemble import GradientBoostingRegressor  # type: ignore[import-untyped]

        return GradientBoostingRegressor(random_state=self.drawn_seed()).fit(x, y)

    def rate(self, x: Floats, y: Floats, at: Floats) -> Floats:
        predicted = np.asarray(self.current(x, y).predict(at), dtype=np.float64)
        promising = np.argsort(-predicted, kind="stable")[: self.parameters.best]
        ratings = predicted - predicted.max()
        ratings[promising] = self.rng.random(len(promising))
        return np.asarray(ratings)


class InTorch(PredictorBased):
    """Rates with networks, in one thread. Candidates with equal features are rated once.

    Raises ConfigError if torch is missing, when the method is made: before anything is evaluated.
    """

    def __init__(self, space: SearchSpace, **given: Any) -> None:
        import lapt.search.models.neural  # noqa: F401

        super().__init__(space, **given)

    def due(self, new: int) -> bool:
        """Whether to train again, ``new`` evaluations after the last training: in long searches when a tenth is new."""
        return new >= max(self.parameters.retrain_every, len(self.learned) // 10)

    def rated(self, x: Floats, y: Floats, candidates: Candidates) -> Floats:
        from lapt.training.device import with_threads

        first, which = candidates.distinct
        with with_threads(1):  # sums must not depend on how many cores there are
            return np.asarray(self.rate(x, y, candidates.x[first])[which])
