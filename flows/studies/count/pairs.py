"""Figures of pairs of tasks: how much better LAPT's rank is than that of the same search alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flows.studies.rows import Counts, Pair, Verdict
from lapt.base.shipped import table_beside
from lapt.base.statistics import holm, nested, paired_p_value, summarised

QUANTITY = "log2_rank_ratio"
WORSE = math.log2(1.25)
"""A mean above it hurts, however wide its interval: ranks a quarter higher than without LAPT."""
_TUNED: dict[str, dict[str, Any]] = table_beside(__name__)

Ratios = Mapping[tuple[str, str], Sequence[float]]
"""(source, target) -> log2 of LAPT's rank over that of the search alone, one a seed; equally many in all."""


def ratios(ranks: Sequence[float], alone: Sequence[float]) -> list[float]:
    """log2 of each rank over that of the search alone with the same seed. Negative: better."""
    return [math.log2(mine / theirs) for mine, theirs in zip(ranks, alone, strict=True)]


def verdict(mean: float, low: float, high: float) -> Verdict:
    """``helps`` if the interval of the mean lies below 0; ``hurts`` if it lies above 0, or if the mean is above
    ``WORSE``; else ``neither``."""
    if high < 0:
        return "helps"
    return "hurts" if low > 0 or mean > WORSE else "neither"


def tuned_on(table: str, source: str, target: str) -> bool:
    """Whether settings of LAPT were chosen by that pair of the table."""
    sources = _TUNED.get(table, {}).get(target, ())
    return sources == "any" or source in sources


def pairs_of(found: Ratios, method: str, table: str) -> tuple[Pair, ...]:
    """The figures of every pair. p: Wilcoxon over seeds, Holm over the pairs."""
    p_values = holm([paired_p_value(values, [0.0] * len(values)) for values in found.values()])
    pairs = []
    for ((source, target), values), p_value in zip(found.items(), p_values, strict=True):
        summary = summarised(values)
        pairs.append(
            Pair(
                source=source,
                target=target,
                method=method,
                difference=summary.mean,
                ci_low=summary.ci_low,
                ci_high=summary.ci_high,
                p_value=p_value,
                tuned=tuned_on(table, source, target),
                verdict=verdict(summary.mean, summary.ci_low, summary.ci_high),
            )
        )
    return tuple(pairs)


def counts(pairs: Sequence[Pair], found: Ratios) -> Counts:
    """Numbers of these pairs by verdict, and the mean over them.

    The interval resamples targets, then seeds within them. Both are None without a pair.
    """
    said = [pair.verdict for pair in pairs]
    numbers: dict[Verdict, int] = {word: said.count(word) for word in ("helps", "hurts", "neither")}
    if not pairs:
        return Counts(pairs=0, **numbers)
    targets = dict.fromkeys(pair.target for pair in pairs)
    of_targets = [[found[pair.source, pair.target] for pair in pairs if pair.target == target] for target in targets]
    means = [np.mean(of_sources, axis=0).tolist() for of_sources in of_targets]
    overall = nested(means, weights=[len(of_sources) for of_sources in of_targets])
    return Counts(pairs=len(pairs), **numbers, mean=overall.mean, ci_low=overall.ci_low, ci_high=overall.ci_high)
