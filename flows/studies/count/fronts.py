"""Figures of the study of fronts: hypervolumes over seeds, and tests against LAPT."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from lapt.base.statistics import Scores, holm, paired_p_value

Key = TypeVar("Key", bound=Hashable)


def filled(shares: Sequence[float], length: int) -> list[float]:
    """The shares after each of ``length`` evaluations. A search that ended earlier stays at its last share."""
    return [*shares, *[shares[-1] if shares else 0.0] * (length - len(shares))]


def bands(runs: Sequence[Sequence[float]]) -> tuple[Scores, Scores, Scores]:
    """Means of S runs after each of N evaluations, with the bounds of their 95 % bootstrap intervals."""
    from scipy.stats import bootstrap

    values = np.array(runs)
    mean = values.mean(axis=0)
    if len(values) < 2:
        return mean, mean, mean
    found = bootstrap(
        (values,), np.mean, axis=0, n_resamples=1000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return mean, found.low, found.high


def differences(mine: Mapping[int, float], baseline: Mapping[int, float]) -> list[float]:
    """Mine less the baseline's, for every seed that both have."""
    return [mine[seed] - baseline[seed] for seed in sorted(mine.keys() & baseline.keys())]


def p_values_of(found: Mapping[Key, Sequence[float]]) -> dict[Key, float]:
    """p of each list of differences over seeds: Wilcoxon signed-rank, Holm over all that are given."""
    p_values = [paired_p_value(values, [0.0] * len(values)) for values in found.values()]
    return dict(zip(found, holm(p_values), strict=True))
