"""The alarm: whether the target's scores turned against an adviser's principles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lapt.evaluation import Evaluation
from lapt.search.models.advised import BELIEF, DOUBT
from lapt.search.searcher import Adviser
from lapt.spaces.features import Floats

REFUTED = 0.95
"""Probability of a weight of 0 or less above which an alarm is told. With 0.9, one adviser in nine that is right is
refuted; with 0.95, one in fourteen (benchmarks/alarm_rates.py)."""
ENOUGH = 10
"""Number of scores from which on an alarm can be told."""
_NOISES = (0.3, 0.5, 0.7, 1.0, 1.5)
"""Grid of the noise's deviation, in units of the scores' own."""


def refuted(advisers: Sequence[Adviser], evaluations: Sequence[Evaluation]) -> list[tuple[Adviser, float]]:
    """The advisers that the scores of a task refute, each with the probability that its weight is 0 or less."""
    learned = [evaluation for evaluation in evaluations if not evaluation.failed]
    scores = np.array([evaluation.score for evaluation in learned])
    if len(learned) < ENOUGH or not advisers or not scores.std():
        return []
    told = [evaluation.architecture for evaluation in learned]
    found = [(adviser, opposition(adviser.expects(told), scores)) for adviser in advisers]
    return [(adviser, against) for adviser, against in found if against > REFUTED]


def opposition(expected: Floats, scores: Floats) -> float:
    """The probability that an adviser's weight is 0 or less, given n expectations and n scores.

    Scores, standardised and cut at two deviations below the mean, are a line in the expectations plus noise. The weight
    is N(1/2, 1/4) before the first score and the constant N(0, 1); the noise is averaged over a grid by likelihood.
    Nothing else explains the scores here: a Gaussian process, which may explain all of them, would hide the slope.
    """
    from scipy.special import ndtr

    y = _standardised(np.maximum(_standardised(scores), -2.0))
    x = np.stack([expected, np.ones(len(y))], axis=1)
    before, precision = np.array([BELIEF, 0.0]), np.diag([1 / DOUBT**2, 1.0])
    surprise = y - x @ before
    likely, against = [], []
    for noise in _NOISES:
        certainty = x.T @ x / noise**2 + precision
        posterior = np.linalg.inv(certainty)
        mean = posterior @ (x.T @ y / noise**2 + precision @ before)
        # The covariance of n scores, noise^2 I + x precision^-1 x', has rank 2 beside the noise (Woodbury).
        explained = x.T @ surprise / noise**2
        distance = surprise @ surprise / noise**2 - explained @ posterior @ explained
        volume = 2 * len(y) * np.log(noise) + np.linalg.slogdet(certainty)[1] - np.linalg.slogdet(precision)[1]
        likely.append(-(distance + volume) / 2)
        against.append(float(ndtr(-mean[0] / np.sqrt(posterior[0, 0]))))
    shares = np.exp(np.array(likely) - max(likely))
    return float(shares @ against / shares.sum())


def _standardised(values: Floats) -> Floats:
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-12))
