"""Exact Gaussian process regression (Rasmussen and Williams 2006, algorithm 2.1), with only the parts that a search
needs.

One lengthscale and one noise, chosen on a grid. scikit-learn's GaussianProcessRegressor climbs the same likelihood by
gradients from several starts. This takes 10 to 100 times as long for 50 points, and a search fits again after every
evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from lapt.spaces.features import Floats

LENGTHSCALES: Floats = np.geomspace(0.5, 10, 8)
"""Grid of lengthscales, in units of the typical distance between standardised features."""
NOISES: Floats = np.geomspace(0.01, 1, 7)
"""Grid of noise variances, relative to the signal variance. Below 0.01 a search trusts its scores too much."""
WEIGHTS = (0.25, 0.5, 1.0, 2.0)
"""Grid of weights of all blocks of features but the last, whose weight is 1."""


@dataclass(frozen=True)
class Kernel:
    """Parameters that the marginal likelihood chooses. Covariances are in units of the signal variance."""

    weight: float
    lengthscale: float
    noise: float

    def __call__(self, apart: Sequence[Floats]) -> Floats:
        """Matern 5/2 of B blocks of n x m squared distances: (1 + s + s^2 / 3) exp(-s), s = sqrt(5) r / lengthscale.

        r^2 is the mean of the blocks' squared distances, weighted by the squares of their weights.
        """
        *others, last = apart
        squares = self.weight**2
        together = (last + squares * sum(others)) / (1 + squares * len(others))
        scaled = np.sqrt(5 * together) / self.lengthscale
        return np.asarray((1 + scaled + scaled**2 / 3) * np.exp(-scaled))


def squared_distances(one: Floats, two: Floats) -> Floats:
    """n x m mean squared differences between the rows of n x F and m x F."""
    squared = (one**2).sum(axis=1)[:, None] + (two**2).sum(axis=1) - 2 * one @ two.T
    return np.asarray(np.maximum(squared, 0) / one.shape[1])


def fit_kernel(among: Sequence[Floats], y: Floats) -> Kernel:
    """The kernel of the grid with the highest marginal likelihood of n standardised targets ``y``.

    ``among``: B blocks of n x n squared distances. The signal variance is profiled out: with R = K + noise I it is
    y' R^-1 y / n at its best, which leaves -n/2 log(y' R^-1 y / n) - 1/2 log |R|. One eigendecomposition of K serves
    all noises.
    """
    n, found = len(y), []
    for weight, lengthscale in product(WEIGHTS if len(among) > 1 else WEIGHTS[:1], LENGTHSCALES):
        values, vectors = np.linalg.eigh(Kernel(weight, lengthscale, 0)(among))
        spectrum = np.maximum(values, 0)[:, None] + NOISES
        signal = ((vectors.T @ y)[:, None] ** 2 / spectrum).sum(axis=0) / n
        likelihood = -n / 2 * np.log(np.maximum(signal, 1e-300)) - np.log(spectrum).sum(axis=0) / 2
        at = int(np.argmax(likelihood))
        found.append((float(likelihood[at]), Kernel(weight, float(lengthscale), float(NOISES[at]))))
    return max(found, key=lambda pair: pair[0])[1]


def log_likelihood(kernel: Kernel, among: Sequence[Floats], y: Floats) -> float:
    """Log likelihood of n targets under a kernel, up to a constant of n.

    The signal variance is profiled out as in ``fit_kernel``.
    """
    covariance = kernel(among)
    covariance[np.diag_indices(len(y))] += kernel.noise
    root = np.linalg.cholesky(covariance)
    whitened = np.linalg.solve(root, y)
    signal = max(float(whitened @ whitened) / len(y), 1e-300)
    return float(-len(y) / 2 * np.log(signal) - np.log(np.diag(root)).sum())


def predict(kernel: Kernel, among: Sequence[Floats], y: Floats, across: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Mean and standard deviation (without noise) of the function at m points, in the units of ``y``.

    ``among``: B blocks of n x n squared distances between the observed points; ``across``: of n x m to the others.
    """
    covariance = kernel(among)
    covariance[np.diag_indices(len(y))] += kernel.noise
    inverse = np.linalg.inv(np.linalg.cholesky(covariance))  # well conditioned: noise is at least 0.01
    whitened, reaching = inverse @ y, kernel(across)
    left = inverse @ reaching
    signal = max(float(whitened @ whitened) / len(y), 1e-12)
    variance = signal * np.maximum(1 - (left**2).sum(axis=0), 1e-12)
    return np.asarray(left.T @ whitened), np.sqrt(variance)
