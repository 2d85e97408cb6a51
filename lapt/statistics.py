"""Figures over seeds, with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict


class Summary(BaseModel):
    """A quantity over seeds: mean, sample sd, 95 % percentile-bootstrap interval of the mean, quartiles."""

    model_config = ConfigDict(frozen=True)

    mean: float
    sd: float
    ci_low: float
    ci_high: float
    median: float
    q25: float
    q75: float
    seeds: int


class Nested(Summary):
    """A quantity over draws of a reasoner, each with several seeds of the search.

    ``mean`` and ``sd`` are over all values; the interval takes draws anew, then seeds within them. ``sd_search``:
    within a draw, pooled; None for single values. ``sd_draws``: between draws, without what the seeds within them
    explain (one-way random effects; 0 where they explain all); None for a single draw.
    """

    draws: int
    sd_draws: float | None
    sd_search: float | None


def nested(draws: Sequence[Sequence[float]], *, resamples: int = 2000) -> Nested:
    """``draws``: the values of each, one a seed, at least one. A single draw is ``summarised``, an honest interval of
    that draw alone.
    """
    groups = [np.asarray(group, dtype=float) for group in draws]
    plain = summarised(np.concatenate(groups).tolist(), resamples=resamples)
    repeated = [group for group in groups if len(group) > 1]
    within = None
    if repeated:
        freedom = sum(len(group) - 1 for group in repeated)
        within = float(sum(((group - group.mean()) ** 2).sum() for group in repeated)) / freedom
    between = None
    update: dict[str, float] = {}
    if len(groups) > 1:
        per_draw = float(
            np.mean([1 / len(group) for group in groups])
        )  # of the variance that a draw's mean has from seeds
        between = max(0.0, float(np.var([group.mean() for group in groups], ddof=1)) - (within or 0.0) * per_draw)
        rng = np.random.default_rng(0)
        means = [
            np.mean([rng.choice(groups[i], len(groups[i])).mean() for i in rng.integers(len(groups), size=len(groups))])
            for _ in range(resamples)
        ]
        low, high = np.quantile(means, [0.025, 0.975])
        update = {"ci_low": float(low), "ci_high": float(high)}
    return Nested(
        **plain.model_dump() | update | {"seeds": max(len(group) for group in groups)},
        draws=len(groups),
        sd_draws=None if between is None else between**0.5,
        sd_search=None if within is None else within**0.5,
    )


def summarised(values: Sequence[float], *, resamples: int = 2000) -> Summary:
    """``values``: one a seed, at least one. The bootstrap is seeded, so a figure prints the same twice."""
    from scipy.stats import bootstrap

    array = np.asarray(values, dtype=float)
    low = high = float(array.mean())
    if len(array) > 1 and np.ptp(array) > 0:
        interval = bootstrap(
            (array,), np.mean, n_resamples=resamples, method="percentile", rng=np.random.default_rng(0)
        ).confidence_interval
        low, high = float(interval.low), float(interval.high)
    q25, median, q75 = (float(q) for q in np.quantile(array, [0.25, 0.5, 0.75]))
    return Summary(
        mean=float(array.mean()),
        sd=float(array.std(ddof=1)) if len(array) > 1 else 0.0,
        ci_low=low,
        ci_high=high,
        median=median,
        q25=q25,
        q75=q75,
        seeds=len(array),
    )
