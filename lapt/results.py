"""What a run returns."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class TargetResult(BaseModel):
    """The architecture found for one target task. ``seconds`` is wall time; the rest is the same on every replay."""

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
    repeats: int
    seconds: float
    space_size: int
    """Size of the last refined space."""


class RunResult(BaseModel):
    """One pipeline run."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    pipeline: str
    store: str
    targets: tuple[TargetResult, ...]
