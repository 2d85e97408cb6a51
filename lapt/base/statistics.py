"""Measures that the literature reports of a search on a tabular benchmark, and figures over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

Scores = npt.NDArray[np.float64]


def top_threshold(scores: Scores, share: float = 0.001) -> float:
    """The lowest score of the top ``share``: ceil(N x share) architectures, 16 of 15,625 for 0.1 %.

    ``scores``: N values, higher is better.
    """
    count = math.ceil(len(scores) * share)
    return float(np.sort(scores)[-count])


def evaluations_to(scores: Sequence[float], threshold: float) -> int | None:
    """The paper's "Archs.": evaluations until the first score of at least ``threshold``; None when it is missed."""
    return next((i for i, score in enumerate(scores, start=1) if score >= threshold), None)


def rank(score: float, scores: Scores) -> int:
    """1 + the number of architectures strictly better. ``scores``: N values, higher is better."""
    return 1 + int(np.count_nonzero(scores > score))


class Summary(BaseModel):
    """A quantity over seeds: mean, sample sd, 95 % percentile-bootstrap interval of the mean, quartiles."""

    model_config = ConfigDict(frozen=True)

    mean: float
    sd: float | None
    """None of a single value."""
    ci_low: float
    ci_high: float
    median: float
    q25: float
    q75: float
    seeds: int


class Nested(Summary):
    """A quantity over draws of a reasoner, each with several seeds of the search.

    ``mean`` and ``sd`` are over all values. The interval resamples draws, then seeds within them. ``sd_search``: within
    a draw, pooled; None for single values. ``sd_draws``: between draws, without the share that the seeds within them
    explain (one-way random effects; 0 if they explain all); None for a single draw.
    """

    draws: int
    sd_draws: float | None
    sd_search: float | None


def nested(
    draws: Sequence[Sequence[float]], *, weights: Sequence[float] | None = None, resamples: int = 2000
) -> Nested:
    """Statistics over draws. ``draws``: the values of each draw, one a seed, equally many in all. ``weights``: of each
    draw in the mean and its interval; equal if unset.

    A single draw is ``summarised``: the interval then holds for that draw alone.
    """
    values = np.asarray(draws, dtype=float)
    count, seeds = values.shape
    plain = summarised(values.ravel().tolist(), resamples=resamples).model_dump() | {"seeds": seeds}
    within = float(values.var(axis=1, ddof=1).mean()) if seeds > 1 else None
    if count == 1:
        return Nested(**plain, draws=1, sd_draws=None, sd_search=None if within is None else within**0.5)
    between = max(0.0, float(values.mean(axis=1).var(ddof=1)) - (within or 0.0) / seeds)
    rng = np.random.default_rng(0)
    drawn = rng.integers(count, size=(resamples, count, 1))
    resampled = values[drawn, rng.integers(seeds, size=(resamples, count, seeds))]
    if weights is None:
        means = resampled.mean(axis=(1, 2))
    else:
        of_drawn = np.asarray(weights, dtype=float)[drawn[:, :, 0]]
        means = np.average(resampled.mean(axis=2), axis=1, weights=of_drawn)
        plain["mean"] = float(np.average(values.mean(axis=1), weights=weights))
    low, high = (float(bound) for bound in np.quantile(means, [0.025, 0.975]))
    return Nested(
        **plain | {"ci_low": low, "ci_high": high},
        draws=count,
        sd_draws=between**0.5,
        sd_search=None if within is None else within**0.5,
    )


def summarised(values: Sequence[float], *, resamples: int = 2000) -> Summary:
    """Statistics over seeds. ``values``: one a seed, at least one. The bootstrap is seeded, so figures repeat."""
    array = np.asarray(values, dtype=float)
    low = high = float(array.mean())
    if len(array) > 1 and np.ptp(array) > 0:
        low, high = _interval(array.tobytes(), resamples)
    q25, median, q75 = (float(q) for q in np.quantile(array, [0.25, 0.5, 0.75]))
    return Summary(
        mean=float(array.mean()),
        sd=float(array.std(ddof=1)) if len(array) > 1 else None,
        ci_low=low,
        ci_high=high,
        median=median,
        q25=q25,
        q75=q75,
        seeds=len(array),
    )


@lru_cache(maxsize=4096)
def _interval(values: bytes, resamples: int) -> tuple[float, float]:
    """The bootstrap of the mean, once for equal values, which studies count again and again."""
    from scipy.stats import bootstrap

    interval = bootstrap(
        (np.frombuffer(values),), np.mean, n_resamples=resamples, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return float(interval.low), float(interval.high)


def paired_p_value(mine: Sequence[float], theirs: Sequence[float]) -> float:
    """Two-sided p of the Wilcoxon signed-rank test over pairs, one a seed; 1 if no pair differs.

    Pairs without a difference are ranked and then left out (Pratt): equal ranks are common, and they make the ranks of
    the other pairs larger. The p is exact for up to 50 seeds without ties or such pairs, else by scipy's choice of
    method.
    """
    differences = np.asarray(mine, dtype=float) - np.asarray(theirs, dtype=float)
    return _signed_rank(differences.tobytes()) if np.any(differences) else 1.0


@lru_cache(maxsize=4096)
def _signed_rank(differences: bytes) -> float:
    from scipy.stats import wilcoxon

    return float(wilcoxon(np.frombuffer(differences), zero_method="pratt").pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values of one family, adjusted (Holm 1979): the k-th smallest of m times m - k + 1, never falling."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for k, at in enumerate(np.argsort(p_values, kind="stable")):
        highest = max(highest, min(1.0, (len(p_values) - k) * p_values[at]))
        adjusted[at] = highest
    return adjusted
