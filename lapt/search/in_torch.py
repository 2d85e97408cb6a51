"""What search methods share that learn with torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lapt.search.features import Floats
from lapt.search.model_based import Candidates, ModelBased
from lapt.spaces import Architecture, SearchSpace


class InTorch(ModelBased):
    """Rates with networks, in one thread; candidates that look the same are rated once.

    Raises ConfigError when it is made where torch is missing: before anything is evaluated.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | Sequence[int],
        identity: Callable[[Architecture], str] | None = None,
        initial: int = 5,
    ) -> None:
        import lapt.search.neural  # noqa: F401

        super().__init__(space, seed=seed, identity=identity, initial=initial)

    def rated(self, x: Floats, y: Floats, candidates: Candidates) -> Floats:
        from lapt.training.device import with_threads

        first, which = candidates.distinct
        with with_threads(1):  # sums must not depend on how many cores there are
            return np.asarray(self.rate(x, y, candidates.x[first])[which])

    def drawn_seed(self) -> int:
        """For a network's weights, from the search's own generator."""
        return int(self.rng.integers(2**31))
