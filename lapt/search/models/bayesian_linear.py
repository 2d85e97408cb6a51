"""Bayesian linear regression with precisions of highest evidence (Bishop 2006, sections 3.3 and 3.5)."""

# scikit-learn's BayesianRidge was tried: its fixed point ends elsewhere, so one of 8 searches by bonas (NAS-Bench-201's
# space, 40 evaluations) asked otherwise from the 22nd on, with equal best scores; 7.0 ms an ask in place of 5.9.

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapt.spaces.features import Floats

_ROUNDS = 20
"""Iterations of the fixed point of the precisions; it settles in about ten."""
_WITHIN = (1e-3, 1e4)
"""Bounds of the precisions: with few targets the evidence may grow without end."""


@dataclass(frozen=True)
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
