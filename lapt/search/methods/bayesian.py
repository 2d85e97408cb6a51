"""Bayesian optimisation with a Gaussian process: expected improvement, and MACE after HEBO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lapt.base.declarations import added
from lapt.evaluation import top
from lapt.search.advice import Advice, led
from lapt.search.methods.model_based import Candidates, ModelBased, apart, whole
from lapt.search.models.gaussian_process import Kernel, fit_kernel, log_likelihood, predict
from lapt.search.models.hypervolume import Staircase
from lapt.search.searcher import Expects
from lapt.spaces import ENUMERABLE, Architecture, SearchSpace
from lapt.spaces.features import Floats

_REFIT, _REFIT_LATE, _LATE = 50, 5, 100
"""The kernel is fitted again when more than a fiftieth of the evaluations is new, so every time up to 49.

From 100 evaluations on it is fitted when more than a fifth is new: by then it hardly changes, and the fit takes longer
than all else.
"""


class _Distances(NamedTuple):
    """Distances of the rows ``x``, of which ``told`` have scores, from each other and from the candidates ``at``."""

    told: int
    x: Floats
    at: Floats
    among: list[Floats]
    across: list[Floats]


class GaussianProcessSearch(ModelBased):
    """Expected improvement (Jones et al. 1998), maximised exactly over a space that can be listed.

    The process has a Matern 5/2 kernel on the path features of the cell family. Three values are those of
    highest marginal likelihood: the weight of features of single paths against those of all paths, the lengthscale and
    the noise. The noise keeps the process from trusting equivalent cells that were measured separately. One-hot
    operators beside the paths were no better on the tasks it was tuned on (TransNAS-Bench-101 class_object and
    room_layout, NAS-Bench-201 cifar10).

    ``near``: only neighbours of the best so far are candidates while it has unseen ones, a trust region (TuRBO,
    Eriksson et al. 2019) of one change. That helps if principles chose the first population, so it is on with a prior
    that expects something, and else off: around the best of a few random cells there is little to find.

    With two objectives (``prior.costs``), the expected gain of hypervolume takes the place of expected improvement. It
    is exact, since costs are known. Its reference is the worst score so far and the highest cost there is. Candidates
    are then the whole space, wherever the advice leads.
    """

    guided = True
    objectives = True

    class Parameters(ModelBased.Parameters):
        trust: float = Field(0.5, ge=0, description="slope of the mean in the principles' expectation")
        near: bool | None = added(None, description="neighbours of the best first; unset: with a prior")

    parameters: Parameters

    def __init__(self, space: SearchSpace, **given: Any) -> None:
        super().__init__(space, **given)
        near = self.parameters.near
        self.near = (self.prior.expects is not None if near is None else near) and self.prior.costs is None
        self._objectives: tuple[Staircase, Floats] | None = None
        self._cost: tuple[Candidates, Floats] | None = None
        self._alike: tuple[Candidates, Floats, Floats, npt.NDArray[np.int64]] | None = None
        self._kernels: dict[float, Kernel] = {}
        self._weighing, self._weighed = Advice(self.prior.advisers), -1
        self._expected: dict[Architecture, float] = {}
        self._over: tuple[Candidates, Floats] | None = None
        self._fitted = 0
        self._trusted: tuple[int, float] | None = None
        self._distances: _Distances | None = None

    def rate(self, x: Floats, y: Floats, at: Floats) -> Floats:
        (kernel,) = self._fit(x, {0.0: y})
        return self.merit(*self._predicted(kernel, x, y, at), float(y.max()))

    def rated(self, x: Floats, y: Floats, candidates: Candidates) -> Floats:
        """Rate candidates with the principles' expectation as the mean of the process, which learns the difference.

        One deviation of the scores equals two of the expectations: evaluations gather where much is expected, so their
        expectations vary less than those of the space. The likelihood of the target's scores decides whether the mean
        is used.
        """
        self._objectives = self._weighed_up(y, candidates)
        if self.prior.advisers:
            return self._advised(x, y, candidates)
        expects, slope = self.prior.expects, self.parameters.trust
        if expects is None or not slope:
            return super().rated(x, y, candidates)
        learned = [evaluation.architecture for evaluation in self.learned]
        known, told = [*learned, *self.pending], len(learned)
        if self.space.size <= ENUMERABLE and candidates is whole(self.space):
            expected, over = expects(known), _over(expects, self.space)
        else:
            if self._over is None or self._over[0] is not candidates:
                self._over = candidates, self._each(expects, candidates.architectures)
            expected, over = self._each(expects, known), self._over[1]
        unit, middle = 2 * max(float(expected[:told].std()), 0.1), float(expected[:told].mean())
        without = np.zeros_like(expected), np.zeros_like(over)
        means = {0.0: without, slope: tuple((slope * e - middle) / unit for e in (expected, over))}
        kernels = self._fit(x, {trust: y - here for trust, (here, _) in means.items()})
        if self._trusted is None or self._trusted[0] != told:  # what is pending says nothing
            among = apart(self.space, x[:told], x[:told])
            likely = {
                trust: log_likelihood(kernel, among, (y - means[trust][0])[:told])
                for trust, kernel in zip(means, kernels, strict=True)
            }
            self._trusted = told, max(likely, key=lambda trust: (likely[trust], trust))
        _, trust = self._trusted
        here, there = means[trust]
        mean, deviation = self._predicted(self._kernels[trust], x, y - here, candidates.x)
        return self.merit(mean + there, deviation, float(y.max()))

    def _advised(self, x: Floats, y: Floats, candidates: Candidates) -> Floats:
        """Rate candidates by a process that weighs the advisers, averaged over its settings.

        Those to which the advice leads come before all others (``led``).
        """
        learned = [evaluation.architecture for evaluation in self.learned]
        told, known = len(learned), [*learned, *self.pending]
        expected = np.array(self._weighing.expected(known))
        if self._weighed != told:  # what is pending says nothing
            among = apart(self.space, x[:told], x[:told])
            self.advice, self._weighed = self._weighing.learn(among, y[:told], expected[:, :told]), told
        there, best = self._weighing.expected(candidates.architectures), float(y.max())
        if self._objectives is not None:
            return self._gained(x, y, expected, candidates, there)
        among, across = self._apart(x, candidates.x)
        predicted = self._weighing.predicted(among, y, expected, across, there)
        rated = np.asarray(sum(share * self.merit(mean, deviation, best) for share, mean, deviation in predicted))
        return np.where(led(self.advice, there, self.prior.kept), rated, rated - 2 * (np.ptp(rated) + 1))

    def _gained(self, x: Floats, y: Floats, expected: Floats, candidates: Candidates, there: Floats) -> Floats:
        """Expected gains of hypervolume. Scores are predicted once for candidates that differ in nothing but cost."""
        if self._alike is None or self._alike[0] is not candidates:
            rows = np.ascontiguousarray(np.hstack([candidates.x, there.T]))
            seen: dict[bytes, int] = {}
            which = np.array([seen.setdefault(row.tobytes(), len(seen)) for row in rows])
            first = np.unique(which, return_index=True)[1]
            self._alike = candidates, candidates.x[first], there[:, first], which
        _, distinct, there, which = self._alike
        among, across = self._apart(x, distinct)
        predicted = self._weighing.predicted(among, y, expected, across, there)
        gains = (share * self.merit(mean[which], deviation[which], 0.0) for share, mean, deviation in predicted)
        return np.asarray(sum(gains))

    def _weighed_up(self, y: Floats, candidates: Candidates) -> tuple[Staircase, Floats] | None:
        """The front so far, and the candidates' costs; None for one objective."""
        if self.prior.costs is None:
            return None
        if self._cost is None or self._cost[0] is not candidates:
            known = self.prior.costs(candidates.architectures)
            self._cost = candidates, np.where(np.isnan(known), np.nanmax(known), known)
        there, told = self._cost[1], len(self.learned)
        here = self.prior.costs([evaluation.architecture for evaluation in self.learned])
        here = np.where(np.isnan(here), there.max(), here)
        reference = float(y[:told].min()), float(max(there.max(), here.max()))
        return Staircase.of(y[:told], here, reference), there

    def _each(self, expects: Expects, asked: Sequence[Architecture]) -> Floats:
        """Values of ``expects``, computed once per architecture: in a large space this takes longer than all else
        here."""
        new = [architecture for architecture in asked if architecture not in self._expected]
        if new:
            self._expected.update(zip(new, expects(new).tolist(), strict=True))
        return np.array([self._expected[architecture] for architecture in asked])

    def merit(self, mean: Floats, deviation: Floats, best: float) -> Floats:
        """N values from N means and deviations and the best target; the highest is asked for."""
        if self._objectives is not None:
            steps, costs = self._objectives
            return steps.expected_gain(mean, deviation, costs)
        return expected_improvement(mean, deviation, best)

    def _candidates(self) -> Candidates:
        candidates = super()._candidates()
        if not self.near:
            return candidates
        (incumbent,) = top(self.history, 1)
        member = self.space.project(incumbent.architecture, self.rng)
        around = (near for near in self.space.neighbours(member) if self.there is None or self.there.contains(near))
        unseen = [near for near in around if self._identity(near) not in self._known]
        return candidates.among(self.space, unseen, self.description) if unseen else candidates

    def _fit(self, x: Floats, targets: Mapping[float, Floats]) -> list[Kernel]:
        """For each of several targets, the kernel of highest marginal likelihood, fitted again now and then."""
        told = len(self.learned)
        if not self._kernels or told - self._fitted > told // (_REFIT if told < _LATE else _REFIT_LATE):
            among = apart(self.space, x[:told], x[:told])
            self._kernels = {trust: fit_kernel(among, y[:told]) for trust, y in targets.items()}
            self._fitted = told
        return [self._kernels[trust] for trust in targets]

    def _predicted(self, kernel: Kernel, x: Floats, y: Floats, at: Floats) -> tuple[Floats, Floats]:
        """N means and standard deviations, in units of the targets."""
        among, across = self._apart(x, at)
        return predict(kernel, among, y, across)

    def _apart(self, x: Floats, at: Floats) -> tuple[list[Floats], list[Floats]]:
        """``apart`` of x from itself and from the candidates. Within a batch only pending rows are computed."""
        told, known = len(self.learned), self._distances
        done = 0 if known is None else len(known.x)
        # Of what was pending, some may have failed: then rows are gone.
        if known is None or known.told != told or known.at is not at or not np.array_equal(known.x, x[:done]):
            among, across = apart(self.space, x, x), apart(self.space, x, at)
        else:
            new = apart(self.space, x[done:], x)
            pairs = zip(known.among, new, strict=True)
            among = [np.vstack([np.hstack([old, rows[:, :done].T]), rows]) for old, rows in pairs]
            pairs = zip(known.across, apart(self.space, x[done:], at), strict=True)
            across = [np.vstack([old, rows]) for old, rows in pairs]
        self._distances = _Distances(told, x, at, among, across)
        return among, across


class HeboLike(GaussianProcessSearch):
    """The core of HEBO (Cowen-Rivers et al. 2022): targets made normal by a power transform, and MACE.

    Scores go through a Yeo-Johnson transform. MACE (Lyu et al. 2018) asks for a random member of the Pareto front of
    expected improvement, probability of improvement and upper confidence bound. Left out: the warped inputs (the
    features have no scale to warp), the noise added to the acquisitions, and the evolutionary search for the front,
    which is exact here.
    """

    objectives = False

    def targets(self, scores: Floats) -> Floats:
        from scipy.stats import yeojohnson  # scipy takes half a second to import: not for those who do without

        spread = scores.std()
        standard = (scores - scores.mean()) / (spread if spread > 0 else 1.0)
        normal, _ = yeojohnson(standard)
        if not np.isfinite(normal).all() or normal.std() == 0:  # the transform's likelihood has no maximum
            return np.asarray(standard)
        return np.asarray((normal - normal.mean()) / normal.std())

    def merit(self, mean: Floats, deviation: Floats, best: float) -> Floats:
        from scipy.special import log_ndtr

        improvement = expected_improvement(mean, deviation, best)
        probability = log_ndtr((mean - best) / deviation)
        bound = mean + 2 * deviation
        front = pareto_front(np.stack([improvement, probability, bound], axis=1))
        return np.where(front, 1 + self.rng.random(len(mean)), improvement / max(float(improvement.max()), 1e-300))


@lru_cache(maxsize=8)
def _over(expects: Expects, space: SearchSpace) -> Floats:
    """``expects`` of a whole space, computed once, since every ask needs it."""
    return expects(whole(space).architectures)


def expected_improvement(mean: Floats, deviation: Floats, best: float) -> Floats:
    """EI = sigma (z Phi(z) + phi(z)) with z = (mu - best) / sigma: N values, in units of the targets."""
    from scipy.special import ndtr

    z = (mean - best) / deviation
    return np.asarray(deviation * (z * ndtr(z) + np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)))


def pareto_front(merits: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """N booleans: whether no other of the N x M rows is as high in every column and higher in some."""
    front = np.zeros(len(merits), dtype=bool)
    left = np.lexsort(-merits.T[::-1])  # by falling first merit: a row is dominated only by rows before it
    while len(left):
        first, *_ = left
        front[first] = True
        dominated = (merits[left] <= merits[first]).all(axis=1) & (merits[left] < merits[first]).any(axis=1)
        dominated[0] = True
        left = left[~dominated]
    return front
