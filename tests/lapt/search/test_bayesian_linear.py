"""Bayesian linear regression against its closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from lapt.search.models.gaussian_process import BayesianLinear

RNG = np.random.default_rng(0)
PHI = RNG.normal(size=(30, 4))
T = PHI @ [1.0, -2.0, 0.0, 0.5] + 0.3 * RNG.normal(size=30)


def log_evidence(alpha: float, beta: float) -> float:
    """Of T: normal, with mean 0 and covariance I / beta + Phi Phi' / alpha."""
    covariance = np.eye(30) / beta + PHI @ PHI.T / alpha
    _, log = np.linalg.slogdet(covariance)
    return float(-(30 * np.log(2 * np.pi) + log + T @ np.linalg.solve(covariance, T)) / 2)


def test_the_mean_is_ridge_regression() -> None:
    found = BayesianLinear.given(PHI, T, alpha=2.0, beta=5.0)
    assert found.mean == pytest.approx(np.linalg.solve(PHI.T @ PHI + 2 / 5 * np.eye(4), PHI.T @ T))


def test_predictions_are_those_of_a_gaussian_process_with_a_linear_kernel() -> None:
    alpha, beta, at = 2.0, 5.0, RNG.normal(size=(7, 4))
    mean, deviation = BayesianLinear.given(PHI, T, alpha, beta).predict(at)
    among, across = PHI @ PHI.T / alpha + np.eye(30) / beta, PHI @ at.T / alpha
    assert mean == pytest.approx(across.T @ np.linalg.solve(among, T))
    explained = (across * np.linalg.solve(among, across)).sum(axis=0)
    assert deviation**2 == pytest.approx((at @ at.T).diagonal() / alpha - explained + 1 / beta)


def test_the_precisions_have_the_highest_evidence_of_their_neighbours() -> None:
    found = BayesianLinear.fit(PHI, T)
    best = log_evidence(found.alpha, found.beta)
    assert found.beta == pytest.approx(1 / 0.3**2, rel=0.5)
    for factor in (0.8, 1.25):
        assert best > log_evidence(found.alpha * factor, found.beta)
        assert best > log_evidence(found.alpha, found.beta * factor)
