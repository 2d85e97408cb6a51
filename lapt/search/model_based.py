"""What searches share that rate candidates with a model of the scores."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from lapt.evaluation import Evaluation, top
from lapt.search.features import Floats, features
from lapt.search.searcher import ENUMERABLE, Searcher
from lapt.spaces import Architecture, SearchSpace

_SAMPLED, _PARENTS, _MUTANTS = 1000, 10, 50
"""Candidates in a space too large to list: uniform ones, and mutants of each of the best so far."""


class Candidates(NamedTuple):
    """N architectures and their standardised features, with what standardised them."""

    architectures: Sequence[Architecture]
    x: Floats
    """N x F."""
    centre: Floats
    scale: Floats

    @classmethod
    def of(cls, space: SearchSpace, architectures: Sequence[Architecture]) -> Candidates:
        x = features(space, architectures)
        spread = x.std(axis=0)
        centre, scale = x.mean(axis=0), np.where(spread > 0, spread, 1.0)
        return cls(architectures, (x - centre) / scale, centre, scale)

    def standardise(self, x: Floats) -> Floats:
        """Features of other architectures as those of the candidates are."""
        return np.asarray((x - self.centre) / self.scale)


@lru_cache(maxsize=16)
def whole(space: SearchSpace) -> Candidates:
    """Every member of a space, once a process."""
    return Candidates.of(space, tuple(space.members()))


def standardised(scores: Floats, lowest: float = -2.0) -> Floats:
    """Mean 0 and standard deviation 1, with nothing more than two deviations below the mean.

    Scores of architectures have a long lower tail (cells that barely train) that says nothing about the best.
    """

    def standard(values: Floats) -> Floats:
        return np.asarray((values - values.mean()) / max(float(values.std()), 1e-12))

    return standard(np.maximum(standard(scores), lowest))


def scores_of(evaluations: Sequence[Evaluation]) -> Floats:
    """Their scores; a failed one has the worst of the others (minus infinity where all failed)."""
    scores = np.array([evaluation.score for evaluation in evaluations], dtype=np.float64)
    learned = scores[np.isfinite(scores)]
    return np.where(np.isfinite(scores), scores, learned.min()) if len(learned) else scores


def one_thread() -> AbstractContextManager[Any]:
    """Matrices are small: threads gain nothing here, and two processes that share two cores lose a factor of ten."""
    limit: AbstractContextManager[Any] = _controller().limit(limits=1)
    return limit


@lru_cache(maxsize=1)
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


class ModelBased(Searcher):
    """Asks the unseen candidate that ``rate`` puts first; ties are broken at random.

    The first ``initial`` evaluations are uniform, earlier iterations counted. Candidates are the whole space, or, in
    one too large to list, a fresh sample and mutants of the best. A failed evaluation counts as the worst seen. What is
    asked and not told yet counts as mediocre (the constant liar of Ginsbourger et al. 2010, with the mean), so that a
    batch spreads out.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | Sequence[int],
        identity: Callable[[Architecture], str] | None = None,
        initial: int = 5,
    ) -> None:
        super().__init__(space, seed=seed, identity=identity)
        self.initial = initial

    @abstractmethod
    def rate(self, x: Floats, y: Floats, at: Floats) -> Floats:
        """N values, the next ask highest. ``x``: n x F, ``y``: n targets, standardised; ``at``: N x F candidates.

        The first ``len(self.history)`` of the n were evaluated, the others are pending.
        """

    def targets(self, scores: Floats) -> Floats:
        """What the model learns of n scores, higher is better: mean 0, standard deviation 1."""
        return standardised(scores)

    def propose(self) -> Architecture:
        return self.space.sample(self.rng)

    def _unknown(self) -> Architecture | None:
        scores = scores_of(self.history)
        if len(scores) < self.initial or len(set(scores)) < 2:
            return super()._unknown()
        candidates = self._candidates()
        known = [*(evaluation.architecture for evaluation in self.history), *self.pending]
        x, y = candidates.standardise(features(self.space, known)), self.targets(scores)
        with one_thread():
            ratings = self.rate(x, np.concatenate([y, np.zeros(len(self.pending))]), candidates.x)
        for at in np.lexsort((self.rng.random(len(ratings)), -ratings)):
            architecture = candidates.architectures[int(at)]
            if self._identity(architecture) not in self._known:
                return architecture
        return super()._unknown()

    def _candidates(self) -> Candidates:
        if self.space.size <= ENUMERABLE:
            return whole(self.space)
        drawn = [self.space.sample(self.rng) for _ in range(_SAMPLED)]
        for parent in top(self.history, _PARENTS):
            member = self.space.project(parent.architecture, self.rng)
            drawn += [self.space.mutate(member, self.rng) for _ in range(_MUTANTS)]
        return Candidates.of(self.space, list(dict.fromkeys(drawn)))
