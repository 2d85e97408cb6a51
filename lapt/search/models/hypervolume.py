"""Two objectives, a score (higher is better) and a cost (lower is better): front, hypervolume and its expected gain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapt.base.statistics import Scores

_FAR = -8.0
"""A score so many deviations below a step adds nothing: less than 1e-16 of a deviation."""


def front_of(scores: Scores, costs: Scores) -> list[int]:
    """Positions of the Pareto front of N points, by rising cost; of equal points the first alone.

    A point is on it if no other has as high a score at as low a cost, and is better in one of the two.
    """
    best, found = -np.inf, []
    for at in np.lexsort((np.arange(len(scores)), -scores, costs)):
        if scores[at] > best:
            best = scores[at]
            found.append(int(at))
    return found


def hypervolume(scores: Scores, costs: Scores, reference: tuple[float, float]) -> float:
    """The area that N points dominate, up to the ``reference`` (score, cost); what is worse than it counts nothing."""
    return Staircase.of(scores, costs, reference).area


@dataclass(frozen=True, eq=False)
class Staircase:
    """The best score of a front at most at a cost, as a function of the cost: constant on J steps.

    Step j begins at ``costs[j]`` and has the score ``scores[j]``; the first begins at -inf with the reference's score,
    and the last ends at the cost of the ``reference`` (score, cost).
    """

    scores: Scores
    costs: Scores
    reference: tuple[float, float]

    @classmethod
    def of(cls, scores: Scores, costs: Scores, reference: tuple[float, float]) -> Staircase:
        """The steps of N points."""
        score, cost = reference
        inside = np.flatnonzero((scores > score) & (costs < cost))
        front = inside[front_of(scores[inside], costs[inside])] if len(inside) else inside
        return cls(np.array([score, *scores[front]]), np.array([-np.inf, *costs[front]]), reference)

    @property
    def area(self) -> float:
        ends = np.array([*self.costs[1:], self.reference[1]])
        return float(((self.scores - self.reference[0])[1:] * (ends - self.costs)[1:]).sum())

    def expected_gain(self, mean: Scores, deviation: Scores, costs: Scores) -> Scores:
        """N expected gains of the area, for N normal scores at known costs: exact.

        A score y at cost c adds sum_j w_j (y - s_j)+, where w_j is the part of step j beyond c, up to the reference.
        So the expectation is sum_j w_j sigma (z_j Phi(z_j) + phi(z_j)), z_j = (mu - s_j) / sigma: that of Emmerich et
        al. (2011) for a cost without variance.
        """
        from scipy.special import ndtr  # scipy takes half a second to import

        ends = np.array([*self.costs[1:], self.reference[1]])
        gain = np.zeros(len(mean))
        for start, end, score in zip(self.costs, ends, self.scores, strict=True):
            z = (mean - score) / deviation
            at = np.flatnonzero((costs < end) & (z > _FAR))
            z, beyond = z[at], end - np.maximum(start, costs[at])
            gain[at] += beyond * deviation[at] * (z * ndtr(z) + np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))
        return gain
