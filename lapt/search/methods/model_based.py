"""Base class of searches that rate candidates with a model of the scores."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lapt.evaluation import Evaluation, top
from lapt.search.models.gaussian_process import squared_distances
from lapt.search.searcher import Searcher
from lapt.spaces import ENUMERABLE, Architecture, SearchSpace
from lapt.spaces.features import Floats, one_hot
from lapt.spaces.pool import Coded

_SAMPLED, _PARENTS, _MUTANTS, _ANEW = 1000, 10, 50, 1.25
"""Candidates in a space too large to list: a uniform sample, and mutants of each of the best so far.

The sample is drawn again when a quarter of evaluations was added.
"""


_ALIKE, _PRIOR = 8, 0.3
"""Parameters of ``feasible``.

Mean rank of ``gp`` after 50 evaluations of TransNAS-Bench-101 class_object (16 seeds), of random search in brackets, if
there is no score of a random half: 23 (70); of cells with a 3x3 convolution on the first layer: 20 (113); of most cells
with any: 33 (99); of those with three or more: 26 (81). A failure that counts as the worst score loses to random search
on the last three (NAS-Bench-201 cifar10).
"""


class Description(NamedTuple):
    """A description of architectures for a model."""

    of: Callable[[SearchSpace, Sequence[Architecture]], Floats]
    """N architectures -> N x F. Cells that compute the same function have equal rows."""
    standardise: bool
    """Whether each column is brought to mean 0 and standard deviation 1 over the candidates."""


def features(space: SearchSpace, architectures: Sequence[Architecture]) -> Floats:
    """N x F: for predictors over any space; the family's own numbers, whatever a restriction left out."""
    return space.family.features(architectures)


def flat_graphs(space: SearchSpace, architectures: Sequence[Architecture]) -> Floats:
    """N x F: graphs where the family has them, else one-hot choices of the space."""
    if space.family.graph_shape is None:
        return one_hot(space.layers, architectures)
    return space.family.flat_graphs(architectures)


PATHS = Description(features, standardise=True)
GRAPHS = Description(flat_graphs, standardise=False)


@dataclass(frozen=True)
class Candidates:
    """N architectures and their features, with the mean and scale that standardised them."""

    architectures: Sequence[Architecture]
    x: Floats
    """N x F."""
    centre: Floats
    scale: Floats

    @classmethod
    def of(
        cls, space: SearchSpace, architectures: Sequence[Architecture], description: Description = PATHS
    ) -> Candidates:
        x = description.of(space, architectures)
        if not description.standardise:
            return cls(architectures, x, np.zeros(x.shape[1]), np.ones(x.shape[1]))
        spread = x.std(axis=0)
        centre, scale = x.mean(axis=0), np.where(spread > 0, spread, 1.0)
        return cls(architectures, (x - centre) / scale, centre, scale)

    def standardise(self, x: Floats) -> Floats:
        """Features of other architectures, standardised as those of the candidates."""
        return np.asarray((x - self.centre) / self.scale)

    def among(self, space: SearchSpace, architectures: Sequence[Architecture], description: Description) -> Candidates:
        """Other candidates, described in the units of these."""
        return replace(self, architectures=architectures, x=self.standardise(description.of(space, architectures)))

    @cached_property
    def coded(self) -> Coded:
        return Coded.of(self.architectures)

    @cached_property
    def distinct(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """M positions of different rows of ``x``, and for each of the N rows the one of the M that it equals."""
        seen: dict[bytes, int] = {}
        which = [seen.setdefault(row.tobytes(), len(seen)) for row in self.x]
        _, first = np.unique(which, return_index=True)
        return np.asarray(first, dtype=np.int64), np.array(which, dtype=np.int64)


@lru_cache(maxsize=16)
def whole(space: SearchSpace, description: Description = PATHS) -> Candidates:
    """Every member of a space, computed once per process."""
    return Candidates.of(space, tuple(space.members()), description)


def standardised(scores: Floats, lowest: float = -2.0) -> Floats:
    """Scores with mean 0 and standard deviation 1, and nothing more than two deviations below the mean.

    Scores of architectures have a long lower tail (cells that barely train) that says nothing about the best.
    """

    def standard(values: Floats) -> Floats:
        return np.asarray((values - values.mean()) / max(float(values.std()), 1e-12))

    return standard(np.maximum(standard(scores), lowest))


def apart(space: SearchSpace, one: Floats, two: Floats) -> list[Floats]:
    """n x m squared distances between standardised features, for each of their blocks."""
    return [squared_distances(one[:, block], two[:, block]) for block in space.family.blocks]


def scores_of(evaluations: Sequence[Evaluation]) -> Floats:
    """Scores of evaluations that did not fail."""
    return np.array([evaluation.score for evaluation in evaluations], dtype=np.float64)


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit to one thread. Small matrices gain nothing from more, and two processes on two cores lose a factor of
    ten."""
    torch = sys.modules.get("torch")  # it has threads of its own, for the methods that learn with networks
    before = torch.get_num_threads() if torch else 1
    with _controller(len(sys.modules)).limit(limits=1):
        if torch:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)


@lru_cache(maxsize=1)
def _controller(modules: int) -> Any:
    """The thread pools of the libraries that are loaded. scikit-learn brings one that numpy does not have, and is
    loaded late; ``modules``: of Python, so that pools are looked for again then."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


class ModelBased(Searcher):
    """Asks for the unseen candidate that ``rate`` puts first. Ties are broken at random.

    The first ``initial`` evaluations are uniform; earlier iterations count. Candidates are the whole space. If it is
    too large to list, they are a sample, drawn again now and then, and mutants of the best, drawn again after each
    tell. A failed evaluation has no score to learn from; a separate estimate learns where evaluations fail
    (``feasible``). Pending architectures count as mediocre (the constant liar of Ginsbourger et al. 2010, with the
    mean), so that a batch spreads out.
    """

    description: ClassVar[Description] = PATHS

    class Parameters(Searcher.Parameters):
        initial: int = Field(5, ge=2, description="uniform evaluations before the first fit")

    parameters: Parameters

    def __init__(self, space: SearchSpace, **given: Any) -> None:
        super().__init__(space, **given)
        self._drawn: tuple[int, Candidates] | None = None
        self._uniform: tuple[int, list[Architecture]] | None = None
        self._seen: dict[Architecture, Floats] = {}

    @abstractmethod
    def rate(self, x: Floats, y: Floats, at: Floats) -> Floats:
        """N values; the highest is asked for. ``x``: n x F, ``y``: n targets, standardised; ``at``: N x F candidates.

        The first ``len(self.learned)`` of the n were evaluated, the others are pending.
        """

    def rated(self, x: Floats, y: Floats, candidates: Candidates) -> Floats:
        """As ``rate``, for methods that treat candidates with equal features together."""
        return self.rate(x, y, candidates.x)

    @property
    def learned(self) -> list[Evaluation]:
        """The history without failures."""
        return [evaluation for evaluation in self.history if not evaluation.failed]

    def ready(self, scores: Floats) -> bool:
        """Whether there is enough to learn from. Until then ``propose`` is used. ``scores``: n, of ``learned``."""
        return len(scores) >= self.parameters.initial and len(set(scores)) >= 2

    def targets(self, scores: Floats) -> Floats:
        """Targets of the model from n scores, higher is better: mean 0, standard deviation 1."""
        return standardised(scores)

    def propose(self) -> Architecture:
        return self.space.sample(self.rng)

    def _unknown(self) -> Architecture | None:
        learned = self.learned
        scores = scores_of(learned)
        if not self.ready(scores):
            return super()._unknown()
        candidates = self._candidates()
        known = [*(evaluation.architecture for evaluation in learned), *self.pending]
        x, y = candidates.standardise(self._described(known)), self.targets(scores)
        with one_thread():
            ratings = self.rated(x, np.concatenate([y, np.zeros(len(self.pending))]), candidates)
            if len(learned) < len(self.history):
                ratings = (ratings - ratings.min()) * self.feasible(candidates)
        for at in np.lexsort((self.rng.random(len(ratings)), -ratings)):
            architecture = candidates.architectures[int(at)]
            if self._identity(architecture) not in self._known and self._is_there(architecture):
                return architecture
        return super()._unknown()

    def feasible(self, candidates: Candidates) -> Floats:
        """N probabilities that an evaluation does not fail, from the success of similar architectures.

        The weight of an evaluation for a candidate is the share of layers in which both choose alike, to the power of
        ``_ALIKE``. The share of all successes counts as ``_PRIOR`` evaluations.
        """
        succeeded = np.array([not evaluation.failed for evaluation in self.history], dtype=np.float64)
        alike = np.stack([candidates.coded.agree(e.architecture).mean(axis=1) for e in self.history]) ** _ALIKE
        overall = (succeeded.sum() + _PRIOR) / (len(succeeded) + _PRIOR)
        return np.asarray((_PRIOR * overall + succeeded @ alike) / (_PRIOR + alike.sum(axis=0)))

    def _described(self, known: Sequence[Architecture]) -> Floats:
        """Features n x F. Each architecture is described once, for all asks."""
        new = [architecture for architecture in known if architecture not in self._seen]
        if new:
            self._seen.update(zip(new, self.description.of(self.space, new), strict=True))
        return np.array([self._seen[a] for a in known]) if known else self.description.of(self.space, ())

    def _candidates(self) -> Candidates:
        if self.space.size <= ENUMERABLE:
            return whole(self.space, self.description)
        told = len(self.history)
        if self._drawn is None or self._drawn[0] != told:
            self._drawn = told, self._sampled()
        return self._drawn[1]

    def _sampled(self) -> Candidates:
        told = len(self.history)
        if self._uniform is None or told >= _ANEW * self._uniform[0]:
            self._uniform = told, [self.space.sample(self.rng) for _ in range(_SAMPLED)]
        drawn = list(self._uniform[1])
        for parent in top(self.history, _PARENTS):
            member = self.space.project(parent.architecture, self.rng)
            drawn += [self.space.mutate(member, self.rng) for _ in range(_MUTANTS)]
        return Candidates.of(self.space, list(dict.fromkeys(drawn)), self.description)
