"""Scores from a caller's own function, or brought by the caller."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from lapt.base.statistics import Scores
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, Metric, Quantity, unknown_quantity
from lapt.spaces import Architecture, SearchSpace

Score = Callable[[Architecture], float | None]
"""A function from an architecture (``str`` gives its text) to its score. None, NaN or an exception: it has none."""


Known = Callable[[Architecture], float | None]
"""A function from an architecture to what is known of it before it is scored; None: it is not known."""


class Written(Architecture):
    """An architecture that knows its text in the space's own encoding."""

    text: str

    @classmethod
    def of(cls, space: SearchSpace, architecture: Architecture) -> Written:
        written = cls(*architecture)
        written.text = space.encode(architecture)
        return written

    def __str__(self) -> str:
        return self.text


class OwnEvaluator:
    """An evaluator whose scores are a caller's: of ``score``, or the one that was last ``brought``.

    Architectures that compute the same function have one score. A score of None, NaN or infinity is a failed
    evaluation, and so is an exception of ``score``, whose text it keeps.
    """

    def __init__(
        self,
        space: SearchSpace,
        task: str,
        metric: Metric,
        *,
        name: str = "",
        score: Score | None = None,
        quantities: Mapping[str, Known] | None = None,
    ) -> None:
        """``quantities``: functions of what is known of an architecture before it is scored, by their names."""
        self.space, self.name, self.score = space, name, score
        self.quantities = dict(quantities or {})
        self.task, self.metric = task, metric
        self.brought: Any = None

    @property
    def fingerprint(self) -> str:
        return f"function:{self.name}"

    def identity(self, architecture: Architecture) -> str:
        return self.space.encode(self.space.canonical(architecture))

    def quantity(self, name: str, column: str | None = None) -> Quantity:
        """One of the caller's ``quantities``; it is not asked for every architecture of a large space.

        Raises ConfigError.
        """
        if column is not None:
            raise ConfigError(f"no column of {name}, since scores come from a function", column, "leave it out")
        if name not in self.quantities:
            raise unknown_quantity(name, sorted(self.quantities), "the argument quantities")
        return Quantity(partial(_known, self.space, self.quantities[name]), quick=False)

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        return [self._evaluated(architecture) for architecture in architectures]

    def test(self, architecture: Architecture) -> None:
        """None: a function has no test split."""

    def _evaluated(self, architecture: Architecture) -> Evaluation:
        began, value, error = time.monotonic(), self.brought, None
        if self.score is not None:
            try:
                value = self.score(Written.of(self.space, architecture))
            except Exception as failure:  # whatever a caller's function raises  # noqa: BLE001
                value, error = None, f"{type(failure).__name__}: {failure}"[:500]
        number = number_of(value) if error is None else None
        if number is None and error is None:
            error = "no score" if value is None else f"a score of {value}"
        return Evaluation(
            architecture,
            self.identity(architecture),
            number,
            self.metric,
            error=error,
            cost_seconds=time.monotonic() - began,
        )


def _known(space: SearchSpace, of: Known, architectures: Sequence[Architecture]) -> Scores:
    """N values of a caller's function, NaN where it gives None."""
    found = [number_of(of(Written.of(space, architecture))) for architecture in architectures]
    return np.array([math.nan if value is None else value for value in found])


def number_of(value: Any) -> float | None:
    """A score as a float; None if it is None or not finite. Raises ConfigError if it is no number."""
    if value is None:
        return None
    if hasattr(value, "item"):  # of numpy or torch
        value = value.item()
    if not isinstance(value, Real):
        raise ConfigError("a number as score, or None", f"{value!r:.60}", "return one number for an architecture")
    return float(value) if math.isfinite(value) else None
