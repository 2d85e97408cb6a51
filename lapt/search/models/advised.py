"""Gaussian process regression on the advice of several advisers, whose weights are inferred with everything else.

A score, standardised, is y = s (sum_k r_k b_k m_k + c + g + noise): m_k is what adviser k expects (mean 0, deviation 1
over the space), b_k ~ N(1/2, 1/4) its weight, r_k the scale of its prior, c ~ N(0, 1) a constant, g the process and s
the unit of the scores. Weights, constant and process are integrated out, s has a closed form, and the rest is averaged
over the settings of a grid by likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from lapt.search.models.gaussian_process import Floats, Kernel

LENGTHSCALES = (0.5, 1.0, 2.0, 4.0, 8.0)
NOISES: Floats = np.array([0.01, 0.03, 0.1, 0.3, 1.0])
WEIGHTS = (0.25, 1.0)
BELIEF, DOUBT = 0.5, 0.5
"""Prior mean and deviation of an adviser's weight."""
KEPT = 8
"""Number of settings of highest likelihood that are averaged over."""


@dataclass(frozen=True)
class Setting:
    """One point of the grid. ``scales``: of K advisers' priors; 0 leaves an adviser out."""

    scales: tuple[float, ...]
    kernel: Kernel


def scales_of(advisers: int) -> list[tuple[float, ...]]:
    """The scales that are tried: all advisers alike, none of them, each alone, each left out."""
    alike = [(scale,) * advisers for scale in (0.0, 0.5, 1.0, 2.0)]
    ones = [tuple(float(k == at) for k in range(advisers)) for at in range(advisers)]
    strong = [tuple(2.0 * value for value in one) for one in ones]
    without = [tuple(1.0 - value for value in one) for one in ones]
    return list(dict.fromkeys([*alike, *ones, *strong, *without]))


@dataclass(frozen=True)
class Fit:
    """A setting given n scores. ``share``: its posterior share among those kept. ``unit``: 1 / s."""

    setting: Setting
    share: float
    unit: float


def likelihoods(
    among: Sequence[Floats], y: Floats, expected: Floats, settings: Sequence[tuple[tuple[float, ...], float, float]]
) -> tuple[Floats, Floats]:
    """Log likelihoods and units 1 / s, S x (number of ``NOISES``), of S settings of scales, path weight, lengthscale.

    ``among``: B blocks of n x n squared distances; ``y``: n scores; ``expected``: K x n.
    """
    n = len(y)
    covariances, means = [], []
    for scales, weight, lengthscale in settings:
        scaled = np.array(scales)[:, None] * expected
        covariances.append(Kernel(weight, lengthscale, 0)(among) + DOUBT**2 * scaled.T @ scaled + 1)
        means.append(BELIEF * scaled.sum(axis=0))
    values, vectors = np.linalg.eigh(np.array(covariances))
    spectrum = np.maximum(values, 0)[:, :, None] + NOISES  # S x n x noises
    rotated = np.einsum("sij,i->sj", vectors, y)[:, :, None]
    mean = np.einsum("sij,si->sj", vectors, np.array(means))[:, :, None]
    ay, yy, aa = ((one * two / spectrum).sum(axis=1) for one, two in ((mean, rotated), (rotated, rotated), (mean, mean)))
    unit = (ay + np.sqrt(ay**2 + 4 * n * yy)) / (2 * np.maximum(yy, 1e-12))
    likely = n * np.log(unit) - (unit**2 * yy - 2 * unit * ay + aa) / 2 - np.log(spectrum).sum(axis=1) / 2
    return np.asarray(likely), np.asarray(unit)


def fit(
    among: Sequence[Floats], y: Floats, expected: Floats, among_these: Sequence[Setting] | None = None
) -> list[Fit]:
    """The settings of highest likelihood, with their shares; of ``among_these`` if given, else of the whole grid."""
    if among_these is None:
        asked = list(product(scales_of(len(expected)), WEIGHTS if len(among) > 1 else WEIGHTS[:1], LENGTHSCALES))
    else:
        asked = list(dict.fromkeys((s.scales, s.kernel.weight, s.kernel.lengthscale) for s in among_these))
    likely, unit = likelihoods(among, y, expected, asked)
    order = np.argsort(-likely, axis=None)[:KEPT]
    shares = np.exp(likely.flat[order] - likely.max())
    shares /= shares.sum()
    found = []
    for at, share in zip(order, shares, strict=True):
        which, noise = np.unravel_index(at, likely.shape)
        scales, weight, lengthscale = asked[int(which)]
        found.append(Fit(Setting(scales, Kernel(weight, lengthscale, float(NOISES[noise]))), float(share), float(unit[which, noise])))
    return found


@dataclass(frozen=True)
class Predicted:
    """Means and deviations of m scores under one setting, and its share."""

    mean: Floats
    deviation: Floats
    share: float


def predict(
    fitted: Fit,
    among: Sequence[Floats],
    y: Floats,
    expected: Floats,
    across: Sequence[Floats],
    there: Floats,
) -> Predicted:
    """The scores, without noise, at m points. ``across``: B blocks of n x m; ``there``: K x m of what is expected."""
    kernel, scales = fitted.setting.kernel, np.array(fitted.setting.scales)[:, None]
    here, over = scales * expected, scales * there
    covariance = kernel(among) + DOUBT**2 * here.T @ here + 1 + kernel.noise * np.eye(len(y))
    inverse = np.linalg.inv(np.linalg.cholesky(covariance))
    reaching = kernel(across) + DOUBT**2 * here.T @ over + 1
    left = inverse @ reaching
    whitened = inverse @ (fitted.unit * y - BELIEF * here.sum(axis=0))
    mean = BELIEF * over.sum(axis=0) + left.T @ whitened
    variance = 2 + DOUBT**2 * (over**2).sum(axis=0) - (left**2).sum(axis=0)
    return Predicted(mean / fitted.unit, np.sqrt(np.maximum(variance, 1e-12)) / fitted.unit, fitted.share)


def weights(fitted: Sequence[Fit], among: Sequence[Floats], y: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Posterior means of K advisers' weights, and the probabilities that they are 0 or less.

    A weight is r_k b_k, in units of the process. A setting that leaves an adviser out says that its weight is 0.
    """
    from scipy.special import ndtr

    means, below = np.zeros(len(expected)), np.zeros(len(expected))
    for one in fitted:
        kernel, scales = one.setting.kernel, np.array(one.setting.scales)
        here = scales[:, None] * expected
        covariance = kernel(among) + DOUBT**2 * here.T @ here + 1 + kernel.noise * np.eye(len(y))
        inverse = np.linalg.inv(np.linalg.cholesky(covariance))
        left = inverse @ here.T
        gain = left.T @ (inverse @ (one.unit * y - BELIEF * here.sum(axis=0)))
        mean = BELIEF + DOUBT**2 * gain
        variance = np.maximum(DOUBT**2 - DOUBT**4 * (left**2).sum(axis=0), 1e-12)
        means += one.share * scales * mean
        below += one.share * np.where(scales > 0, ndtr(-mean / np.sqrt(variance)), 1.0)
    return means, below
