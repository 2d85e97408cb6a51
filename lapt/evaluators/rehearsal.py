"""Scores of another evaluator with a delay, to test a set-up of workers before it costs anything."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lapt.evaluation import Evaluation, Evaluator, Holding, Metric
from lapt.spaces import Architecture


class Rehearsal:
    """Every score takes ``seconds`` and counts as paid for: it is stored like a training's, one by one."""

    def __init__(self, evaluator: Evaluator, seconds: float) -> None:
        self._inner, self.seconds = evaluator, seconds

    @property
    def task(self) -> str:
        return self._inner.task

    @property
    def metric(self) -> Metric:
        return self._inner.metric

    @property
    def fingerprint(self) -> str:
        return f"rehearsal:{self._inner.fingerprint}"

    @property
    def holding(self) -> Holding | None:
        return getattr(self._inner, "holding", None)

    def identity(self, architecture: Architecture) -> str:
        return self._inner.identity(architecture)

    def stream(self, architectures: Sequence[Architecture]) -> Iterator[Evaluation]:
        for architecture in architectures:
            yield from self.evaluate([architecture])

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        time.sleep(self.seconds * len(architectures))
        found = self._inner.evaluate(architectures)
        return [replace(evaluation, origin="computed", cost_seconds=self.seconds) for evaluation in found]

    def test(self, architecture: Architecture) -> float | None:
        return self._inner.test(architecture)
