"""The noise of trainings: how far scores of one architecture agree, and what is won by choosing among several."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lapt.base.statistics import Scores


@dataclass(frozen=True)
class Noise:
    """The agreement of trainings of one architecture, and how much architectures differ beyond it.

    ``tau``: Kendall's tau, mean over pairs of seeds. ``tau_top``: the same among the quarter that is best by a third
    seed. With two seeds, the quarter is chosen by one of the pair; this narrows its range, so the figure is a little
    too low. ``deviation``: median standard deviation between seeds, in the unit of the score. ``architectures``: the
    number of architectures in the estimate.

    ``error``: the standard deviation of one training's score around its architecture's mean; ``spread``: that of these
    means (one-way random effects, by mean squares); both in the unit of the score. ``p``: of Fisher's F test that all
    architectures have one mean.
    """

    tau: float
    tau_top: float
    deviation: float
    architectures: int
    error: float
    spread: float
    p: float

    def gain(self, trainings: int) -> float:
        """The expected lead of the best by score of so many random architectures over an average one, in its mean.

        The expected maximum of as many standard normal values, times spread^2 / sqrt(spread^2 + error^2): the
        breeder's equation (Lush 1937), R = i h^2 sigma.
        """
        total = math.hypot(self.spread, self.error)
        return expected_maximum(trainings) * self.spread**2 / total if total else 0.0


def noise(scores: Scores) -> Noise:
    """The noise of ``scores``: N architectures x S seeds, higher is better, none missing; N and S at least 2."""
    overall, among_best = [], []
    quarter = max(2, len(scores) // 4)
    for one, two in combinations(range(scores.shape[1]), 2):
        first, second = scores[:, one], scores[:, two]
        overall.append(agreement(first, second))
        # Chosen by the pair's own mean, two rankings of pure noise would seem opposed: -0.35 instead of 0.
        judges = [seed for seed in range(scores.shape[1]) if seed not in (one, two)] or [one, two]
        for judge in judges:
            best = np.argsort(-scores[:, judge], kind="stable")[:quarter]
            among_best.append(agreement(first[best], second[best]))
    deviation = float(np.median(scores.std(axis=1, ddof=1)))
    return Noise(float(np.mean(overall)), float(np.mean(among_best)), deviation, len(scores), *_apart(scores))


def _apart(scores: Scores) -> tuple[float, float, float]:
    """(error, spread, p) of ``Noise``."""
    from scipy.special import fdtrc  # half a second to import, and every run imports this module

    architectures, seeds = scores.shape
    within = float(scores.var(axis=1, ddof=1).mean())
    between = seeds * float(scores.mean(axis=1).var(ddof=1))
    degrees = architectures - 1, architectures * (seeds - 1)
    p = float(fdtrc(*degrees, between / within)) if within else float(between == 0)
    return math.sqrt(within), math.sqrt(max(0.0, between - within) / seeds), p


def expected_maximum(count: int) -> float:
    """The expected value of the largest of ``count`` standard normal values."""
    from scipy.special import ndtr

    z = np.linspace(-9, 9, 4001)
    return float(np.trapezoid(z * count * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * ndtr(z) ** (count - 1), z))


def agreement(first: Scores, second: Scores) -> float:
    """Kendall's tau-b of two rankings."""
    from scipy.stats import kendalltau  # a second to import, and every run imports this module

    return float(kendalltau(first, second).statistic)
