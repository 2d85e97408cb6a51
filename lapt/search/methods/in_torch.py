"""Base class of search methods that learn with torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from lapt.search.methods.model_based import Candidates
from lapt.search.methods.predictors import PredictorBased
from lapt.spaces import SearchSpace
from lapt.spaces.features import Floats


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
