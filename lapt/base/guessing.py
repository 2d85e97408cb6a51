"""Score of guessing: what an accuracy must exceed before it says anything of an architecture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

DOUBT = 0.05
"""Probability that the best of networks that only guess is taken for one that has learned."""


class Reach(NamedTuple):
    """Accuracies of guessing in %: of one guess, and the least that the best of ``tries`` must exceed."""

    one: float
    best: float
    tries: int

    @property
    def described(self) -> str:
        return f"guessing gives {self.one:.3g} %, and up to {self.best:.3g} % as the best of {self.tries}"


@dataclass(frozen=True)
class Guessing:
    """Classification by guessing. ``share``: of the images that the best guess gets right; ``images``: their number.

    The best guess is always the largest class.
    """

    share: float
    images: int

    @property
    def percent(self) -> float:
        return 100 * self.share

    def reach(self, tries: int = 1) -> float:
        """The accuracy, in %, that the best of so many guessing networks exceeds with a probability of ``DOUBT``.

        By the normal approximation of the binomial, with the share of correct guesses of one network.
        """
        error = math.sqrt(self.share * (1 - self.share) / max(1, self.images))
        return 100 * (self.share + NormalDist().inv_cdf(1 - DOUBT / max(1, tries)) * error)

    def best_of(self, tries: int) -> Reach:
        """The accuracies as figures for a reader."""
        return Reach(round(self.percent, 2), round(self.reach(tries), 2), tries)

    def tells_nothing(self, value: float | None, tries: int = 1) -> bool:
        """Whether an accuracy in %, the best of so many, is what guessing reaches too."""
        return value is not None and value <= self.reach(tries)

    def nothing_read(self, values: Sequence[float], tries: int) -> bool:
        """Whether at least half of these accuracies, the best of so many, are what guessing reaches too."""
        return bool(values) and 2 * sum(self.tells_nothing(value, tries) for value in values) >= len(values)


def largest_share(counts: Sequence[int]) -> float:
    """The share of the largest class among images of these counts."""
    return max(counts, default=0) / max(1, sum(counts))
