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
