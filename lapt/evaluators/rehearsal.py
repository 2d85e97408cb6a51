"""Scores of another evaluator with a delay, to test a set-up of workers before it costs anything."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lapt.evaluation import Evaluation, Evaluator, Wrapping
from lapt.spaces import Architecture


class Rehearsal(Wrapping):
    """Every score takes ``seconds`` and counts as paid for: it is stored like a training's, one by one."""

    def __init__(self, evaluator: Evaluator, seconds: float) -> None:
        super().__init__(evaluator)
        self.seconds = seconds

    @property
    def fingerprint(self) -> str:
        return f"rehearsal:{self.evaluator.fingerprint}"

    def stream(self, architectures: Sequence[Architecture]) -> Iterator[Evaluation]:
        for architecture in architectures:
            yield from self.evaluate([architecture])

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        time.sleep(self.seconds * len(architectures))
        found = self.evaluator.evaluate(architectures)
        return [replace(evaluation, origin="computed", cost_seconds=self.seconds) for evaluation in found]

    def test(self, architecture: Architecture) -> float | None:
        return self.evaluator.test(architecture)
