"""What a run returns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from lapt.evaluation import Evaluation, Evaluator, best
from lapt.spaces import SearchSpace


class Found(BaseModel):
    """What a search found on one task. ``seconds`` is wall time; the rest is the same on every replay."""

    model_config = ConfigDict(frozen=True)

    task: str
    architecture: str | None
    validation: float | None
    test: float | None = None
    metric: str
    unit: str
    evaluations: int
    paid_now: int
    """Evaluations computed in this attempt; the others came from the store or a table."""
    seconds: float

    @classmethod
    def of(
        cls, space: SearchSpace, evaluator: Evaluator, evaluations: Sequence[Evaluation], began: float, **rest: Any
    ) -> Self:
        """``evaluations``: in the order asked, the incumbent among them. ``began``: seconds of the monotonic clock."""
        incumbent = best(evaluations)
        return cls(
            task=evaluator.task,
            architecture=space.encode(incumbent.architecture) if incumbent else None,
            validation=incumbent.value if incumbent else None,
            metric=evaluator.metric.name,
            unit=evaluator.metric.unit,
            evaluations=len(evaluations),
            paid_now=sum(evaluation.origin == "computed" for evaluation in evaluations),
            seconds=round(time.monotonic() - began, 3),
            **rest,
        )


class ControlResult(Found):
    """A search method on the whole space, with the same budget and nothing transferred."""

    method: str


class TargetResult(Found):
    """What LAPT found for one target task, and the controls beside it."""

    repeats: int
    space_size: int
    """Size of the last refined space."""
    controls: tuple[ControlResult, ...] = ()
    stopped: str | None = None
    """Why the search ended before its last iteration."""


class RunResult(BaseModel):
    """One pipeline run."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    pipeline: str
    store: str
    targets: tuple[TargetResult, ...]

    @property
    def report(self) -> str:
        """Address of the summary."""
        return f"{self.store}/reports/{self.run_id}.md"
