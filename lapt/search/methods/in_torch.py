"""What search methods share that learn with torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lapt.search.methods.model_based import Candidates
from lapt.search.methods.predictors import PredictorBased
from lapt.spaces import Architecture, SearchSpace
from lapt.spaces.features import Floats


class InTorch(PredictorBased):
    """Rates with networks, in one thread; candidates that look the same are rated once.

    Raises ConfigError when it is made where torch is missing: before anything is evaluated.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | Sequence[int],
        identity: Callable[[Architecture], str] | None = None,
        initial: int = 10,
        retrain_every: int = 10,
    ) -> None:
        import lapt.search.models.neural  # noqa: F401

        super().__init__(space, seed=seed, identity=identity, initial=initial, retrain_every=retrain_every)

    def due(self, new: int) -> bool:
        """Is it time for a training, ``new`` evaluations after the last? In long searches when a tenth is new."""
        return new >= max(self.retrain_every, len(self.learned) // 10)

    def rated(self, x: Floats, y: Floats, candidates: Candidates) -> Floats:
        from lapt.training.device import with_threads

        first, which = candidates.distinct
        with with_threads(1):  # sums must not depend on how many cores there are
            return np.asarray(self.rate(x, y, candidates.x[first])[which])
