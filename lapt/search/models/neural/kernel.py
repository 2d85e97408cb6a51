"""A Gaussian process with a kernel on a network's output."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from lapt.search.models.neural.fitting import fit
from lapt.spaces.features import Floats

_LEAST_NOISE = 0.01
"""Smallest noise, in signal variances, as in ``gaussian_process``: below it a search trusts its scores too much."""


class DeepKernel(nn.Module):
    """Matern 5/2 on phi(x) (Wilson et al. 2016): phi is linear F -> 32, tanh, linear -> 16. Double precision.

    Covariances are in units of the signal variance, which is profiled out: y' R^-1 y / n at its best.
    """

    def __init__(self, columns: int, width: int = 32, out: int = 16) -> None:
        super().__init__()
        self.phi = nn.Sequential(nn.Linear(columns, width), nn.Tanh(), nn.Linear(width, out)).double()
        self.log_lengthscale = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.log_noise = nn.Parameter(torch.full((), math.log(0.1), dtype=torch.float64))

    def covariance(self, one: Tensor, two: Tensor) -> Tensor:
        """Covariance n x m, of n x 16 and m x 16 outputs of phi."""
        squares = (one**2).sum(1)[:, None] + (two**2).sum(1) - 2 * one @ two.T
        scaled: Tensor = torch.sqrt(5 * squares.clamp_min(1e-12)) / torch.exp(self.log_lengthscale)
        covariance: Tensor = (1 + scaled + scaled**2 / 3) * torch.exp(-scaled)
        return covariance

    def factor(self, seen: Tensor) -> Tensor:
        """The Cholesky factor of R = K + noise I."""
        noise = _LEAST_NOISE + torch.exp(self.log_noise)
        covariance = self.covariance(seen, seen) + noise * torch.eye(len(seen), dtype=seen.dtype)
        factor: Tensor = torch.linalg.cholesky(covariance)
        return factor

    def unlikelihood(self, x: Tensor, y: Tensor) -> Tensor:
        """The negative log marginal likelihood of n targets at n x F, over n, without its constant:
        1/2 log(y' R^-1 y / n) + 1/2n log |R|."""
        factor = self.factor(self.phi(x))
        whitened = torch.linalg.solve_triangular(factor, y[:, None], upper=False)
        signal = (whitened**2).sum() / len(y)
        return torch.log(signal.clamp_min(1e-12)) / 2 + torch.log(factor.diagonal()).sum() / len(y)

    def learn(self, x: Floats, y: Floats, *, steps: int, rate: float, part: int, rng: np.random.Generator) -> None:
        """Maximise the likelihood of random subsets of ``part`` of the n rows, each standardised; in place."""
        rows, targets = torch.from_numpy(np.asarray(x)), torch.from_numpy(np.asarray(y))

        def loss() -> Tensor:
            chosen = torch.from_numpy(rng.choice(len(y), min(part, len(y)), replace=False))
            scores = targets[chosen]
            return self.unlikelihood(rows[chosen], (scores - scores.mean()) / scores.std().clamp_min(1e-6))

        fit(self, loss, steps=steps, rate=rate)

    def predict(self, x: Floats, y: Floats, at: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation (without noise) of the function at N x F, from n targets ``y`` at n x F."""
        with torch.no_grad():
            seen, wanted = (self.phi(torch.from_numpy(np.asarray(given))) for given in (x, at))
            factor, reaching = self.factor(seen), self.covariance(seen, wanted)
            targets = torch.from_numpy(np.asarray(y))[:, None]
            whitened = torch.linalg.solve_triangular(factor, targets, upper=False)
            left = torch.linalg.solve_triangular(factor, reaching, upper=False)
            signal = ((whitened**2).sum() / len(y)).clamp_min(1e-12)
            variance = signal * (1 - (left**2).sum(0)).clamp_min(1e-12)
        return np.asarray((left.T @ whitened)[:, 0].numpy()), np.asarray(torch.sqrt(variance).numpy())
