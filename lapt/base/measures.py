"""Measures that the literature reports of a search on a tabular benchmark."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

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
