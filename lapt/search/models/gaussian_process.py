"""Bayesian regression: a Gaussian process, and a linear model."""

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


_ROUNDS = 20
"""Iterations of the fixed point of the precisions; it settles in about ten."""
_WITHIN = (1e-3, 1e4)
"""Bounds of the precisions: with few targets the evidence may grow without end."""


@dataclass(frozen=True)
# scikit-learn's BayesianRidge was tried: its fixed point ends elsewhere, so one of 8 searches by bonas (NAS-Bench-201's
# space, 40 evaluations) asked otherwise from the 22nd on, with equal best scores; 7.0 ms an ask in place of 5.9.
class BayesianLinear:
    """t = w' phi + noise; w ~ N(0, I / alpha), noise ~ N(0, 1 / beta). ``mean``: M weights; ``covariance``: M x M."""

    mean: Floats
    covariance: Floats
    alpha: float
    beta: float

    @classmethod
    def given(cls, phi: Floats, t: Floats, alpha: float, beta: float) -> BayesianLinear:
        """The posterior (3.53, 3.54): S = (alpha I + beta Phi' Phi)^-1, m = beta S Phi' t. ``phi``: n x M; ``t``: n."""
        covariance = np.linalg.inv(alpha * np.eye(phi.shape[1]) + beta * phi.T @ phi)
        return cls(np.asarray(beta * covariance @ phi.T @ t), np.asarray(covariance), alpha, beta)

    @classmethod
    def fit(cls, phi: Floats, t: Floats) -> BayesianLinear:
        """The posterior under the precisions of highest evidence (3.91 to 3.95)."""
        values, vectors = np.linalg.eigh(phi.T @ phi)
        values, reached = np.maximum(values, 0), vectors.T @ (phi.T @ t)
        alpha = beta = 1.0
        for _ in range(_ROUNDS):
            weights = beta * reached / (alpha + beta * values)
            effective = float((beta * values / (alpha + beta * values)).sum())
            missed = float(((t - phi @ (vectors @ weights)) ** 2).sum())
            alpha = float(np.clip(effective / max(float(weights @ weights), 1e-12), *_WITHIN))
            beta = float(np.clip((len(t) - effective) / max(missed, 1e-12), *_WITHIN))
        return cls.given(phi, t, alpha, beta)

    def predict(self, phi: Floats) -> tuple[Floats, Floats]:
        """N means and standard deviations, those of the noise included (3.59)."""
        variance = 1 / self.beta + ((phi @ self.covariance) * phi).sum(axis=1)
        return np.asarray(phi @ self.mean), np.sqrt(variance)
