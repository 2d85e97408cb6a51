"""Gaussian process regression on the advice of several advisers, whose weights are inferred with everything else.

A score, standardised, is y = s (sum_k r_k b_k m_k + c + g + noise). m_k is the expectation of adviser k (mean 0,
deviation 1 over the space), b_k ~ N(1/2, 1/4) its weight, r_k the scale of its prior, c ~ N(0, 1) a constant, g the
process and s the unit of the scores. Weights, constant and process are integrated out, and s has a closed form. What is
left, the scales and the kernel, is averaged over the settings of highest likelihood on a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from lapt.search.models.gaussian_process import Kernel
from lapt.spaces.features import Floats

LENGTHSCALES = (0.5, 1.0, 2.0, 4.0, 8.0)
NOISES: Floats = np.array([0.01, 0.03, 0.1, 0.3, 1.0])
WEIGHTS = (0.25, 1.0)
"""Grid of the kernel, coarser than a process alone has: what advisers explain leaves less to it."""
BELIEF, DOUBT = 0.5, 0.5
"""Prior mean and deviation of an adviser's weight."""
KEPT = 8
"""Number of settings that are averaged over."""
LEAST = 0.01
"""Smallest share of a setting that is used in predictions."""


class Setting(NamedTuple):
    """A point of the grid. ``scales``: of K advisers' priors; 0 leaves an adviser out."""

    scales: tuple[float, ...]
    weight: float
    lengthscale: float


def settings_of(advisers: int, blocks: int) -> list[Setting]:
    """The grid: all advisers alike, none of them, each alone, each left out; for every weight and lengthscale."""
    alone = [tuple(float(k == at) for k in range(advisers)) for at in range(advisers)]
    scales = [
        *((scale,) * advisers for scale in (0.0, 0.5, 1.0, 2.0)),
        *alone,
        *(tuple(2 * value for value in one) for one in alone),
        *(tuple(1 - value for value in one) for one in alone),
    ]
    weights = WEIGHTS if blocks > 1 else WEIGHTS[-1:]
    return [Setting(*one) for one in product(dict.fromkeys(scales), weights, LENGTHSCALES)]


@dataclass(frozen=True)
class Fit:
    """A setting given n scores. ``share``: its part of the posterior. ``unit``: 1 / s."""

    setting: Setting
    noise: float
    share: float
    unit: float

    def given(self, among: Sequence[Floats], y: Floats, expected: Floats) -> tuple[Floats, Floats, Floats]:
        """The inverse root of the covariance of n scores, their whitened surprise, and K x n scaled expectations."""
        here = np.array(self.setting.scales)[:, None] * expected
        covariance = self.kernel(among) + DOUBT**2 * here.T @ here + 1 + self.noise * np.eye(len(y))
        inverse = np.linalg.inv(np.linalg.cholesky(covariance))
        return inverse, inverse @ (self.unit * y - BELIEF * here.sum(axis=0)), here

    @property
    def kernel(self) -> Kernel:
        return Kernel(self.setting.weight, self.setting.lengthscale, self.noise)


def fit(among: Sequence[Floats], y: Floats, expected: Floats, settings: Sequence[Setting]) -> list[Fit]:
    """The settings of highest likelihood, each with its best noises.

    ``among``: B blocks of n x n squared distances; ``y``: n scores; ``expected``: K x n.
    """
    likely, unit = _likelihoods(among, y, expected, settings)
    order = np.argsort(-likely, axis=None)[:KEPT]
    shares = np.exp(likely.flat[order] - likely.max())
    places = [np.unravel_index(int(at), likely.shape) for at in order]
    return [
        Fit(settings[int(row)], float(NOISES[column]), float(share), float(unit[row, column]))
        for (row, column), share in zip(places, shares / shares.sum(), strict=True)
    ]


def _likelihoods(
    among: Sequence[Floats], y: Floats, expected: Floats, settings: Sequence[Setting]
) -> tuple[Floats, Floats]:
    """Log likelihoods and units 1 / s: both S x (number of ``NOISES``) for S settings.

    One eigendecomposition of a setting's covariance serves all noises. With a the mean and R the covariance of y / s,
    1 / s is the positive root t of t y'R^-1 y - a'R^-1 y = n / t, where the likelihood is highest.
    """
    n, covariances, means = len(y), [], []
    for setting in settings:
        scaled = np.array(setting.scales)[:, None] * expected
        process = Kernel(setting.weight, setting.lengthscale, 0)(among)
        covariances.append(process + DOUBT**2 * scaled.T @ scaled + 1)
        means.append(BELIEF * scaled.sum(axis=0))
    values, vectors = np.linalg.eigh(np.array(covariances))
    spectrum = np.maximum(values, 0)[:, :, None] + NOISES
    rotated = np.einsum("sij,i->sj", vectors, y)[:, :, None]
    mean = np.einsum("sij,si->sj", vectors, np.array(means))[:, :, None]
    yy, ay, aa = ((one / spectrum).sum(axis=1) for one in (rotated**2, mean * rotated, mean**2))
    yy = np.maximum(yy, 1e-12)
    unit = (ay + np.sqrt(ay**2 + 4 * n * yy)) / (2 * yy)
    surprise = unit**2 * yy - 2 * unit * ay + aa
    return n * np.log(unit) - surprise / 2 - np.log(spectrum).sum(axis=1) / 2, unit


def predict(
    fitted: Fit, among: Sequence[Floats], y: Floats, expected: Floats, across: Floats, there: Floats
) -> tuple[Floats, Floats]:
    """Means and deviations, without noise, of the scores at m points.

    ``across``: n x m, the kernel of ``fitted`` between the scored and these; ``there``: K x m expectations.
    """
    inverse, surprise, here = fitted.given(among, y, expected)
    over = np.array(fitted.setting.scales)[:, None] * there
    left = inverse @ (across + DOUBT**2 * here.T @ over + 1)
    mean = BELIEF * over.sum(axis=0) + left.T @ surprise
    variance = 2 + DOUBT**2 * (over**2).sum(axis=0) - (left**2).sum(axis=0)
    return mean / fitted.unit, np.sqrt(np.maximum(variance, 1e-12)) / fitted.unit


def weights(fits: Sequence[Fit], among: Sequence[Floats], y: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Posterior means of K advisers' weights r_k b_k, and the probabilities that they are 0 or less.

    In a setting that leaves an adviser out, its weight is 0.
    """
    from scipy.special import ndtr

    means, doubts = np.zeros(len(expected)), np.zeros(len(expected))
    for one in fits:
        inverse, surprise, here = one.given(among, y, expected)
        left = inverse @ here.T
        mean = BELIEF + DOUBT**2 * left.T @ surprise
        deviation = np.sqrt(np.maximum(DOUBT**2 - DOUBT**4 * (left**2).sum(axis=0), 1e-12))
        used = np.array(one.setting.scales)
        means += one.share * used * mean
        doubts += one.share * np.where(used > 0, ndtr(-mean / deviation), 1.0)
    return means, doubts
