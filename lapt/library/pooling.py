"""Evidence of several tasks together: a random-effects mean of log odds ratios."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

DIFFERING = 0.25
"""Smallest variance between tasks. One task, however many of its architectures were read, says little of others."""
BOUND = 1.96
"""Standard errors of the bounds: 95 %, two-sided."""


@dataclass(frozen=True)
class Odds:
    """Good architectures and others, and how many of each meet a condition.

    ``base_of``: number of the others; None: all of a space, whose share has no error.
    """

    support: float
    of: float
    base_rate: float
    base_of: float | None = None

    @property
    def log_ratio(self) -> float:
        """Log odds ratio of good architectures against the others, with Haldane's half a count."""
        return self._good[0] - self._others[0]

    @property
    def variance(self) -> float:
        return self._good[1] + self._others[1]

    @property
    def _good(self) -> tuple[float, float]:
        return _log_odds(self.support, self.of)

    @property
    def _others(self) -> tuple[float, float]:
        if self.base_of is not None:
            return _log_odds(self.base_rate * self.base_of, self.base_of)
        share = min(max(self.base_rate, 1e-4), 1 - 1e-4)
        return math.log(share / (1 - share)), 0.0

    @classmethod
    def mean(cls, odds: Sequence[Odds]) -> Odds:
        """One for several of the same task: the means of their counts and shares. What is read twice is not twice as
        certain."""
        n = len(odds)
        sizes = [one.base_of for one in odds if one.base_of is not None]
        return cls(
            sum(one.support for one in odds) / n,
            sum(one.of for one in odds) / n,
            sum(one.base_rate for one in odds) / n,
            sum(sizes) / len(sizes) if len(sizes) == n else None,
        )


@dataclass(frozen=True)
class Pooled:
    """The log odds ratio that a further task is expected to have.

    ``mean``, ``error``: of the mean over tasks. ``tasks``: their number. ``against``: of these, tasks that say the
    contrary.
    """

    mean: float
    error: float
    tasks: int
    against: int

    @property
    def lower(self) -> float:
        return self.mean - BOUND * self.error

    @property
    def upper(self) -> float:
        return self.mean + BOUND * self.error

    @property
    def said(self) -> str:
        """The evidence in words."""
        over = f"over {self.tasks} task{'s' if self.tasks > 1 else ''}"
        contrary = f", {self.against} of them against it" if self.against else ""
        bound = f"at least {_times(self.lower)}" if self.mean >= 0 else f"at most {_times(self.upper)}"
        return f"Odds {_times(self.mean)} times those of other cells ({bound}), {over}{contrary}."


def pooled(odds: Sequence[Odds]) -> Pooled:
    """The random-effects mean with equal weights (Hedges and Olkin 1985, section 9.3), one effect for each task.

    Equal weights, since where nothing of 50 meets a condition the error is large and the contradiction is none the
    less. The variance between tasks is at least ``DIFFERING``. So a condition of one task stays uncertain, and tasks
    that contradict each other widen the interval.
    """
    effects, n = [one.log_ratio for one in odds], len(odds)
    within = sum(one.variance for one in odds) / n
    mean = sum(effects) / n
    spread = sum((effect - mean) ** 2 for effect in effects) / (n - 1) if n > 1 else 0.0
    against = sum(effect * mean < 0 for effect in effects)
    return Pooled(mean, math.sqrt(max(spread, DIFFERING + within) / n), n, against)


def _times(log_ratio: float) -> str:
    return f"{min(math.exp(log_ratio), 999):.2g}"


def _log_odds(count: float, of: float) -> tuple[float, float]:
    """(log odds, its variance)."""
    a, b = count + 0.5, of - count + 0.5
    return math.log(a / b), 1 / a + 1 / b
