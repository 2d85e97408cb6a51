"""History of one run as a store has it: the data of its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from lapt.evaluation import Evaluation, Metric
from lapt.pipeline.config import Pipeline
from lapt.pipeline.results import RunResult
from lapt.principles import Principles
from lapt.reasoning.language.ledger import Ledger
from lapt.spaces import SearchSpace


@dataclass(frozen=True)
class Trial:
    """One evaluation of a search. ``score``: ``value`` as higher is better, None if it failed. ``incumbent``: the
    best value until then; it begins anew with ``fingerprint``, the evaluator's. ``flops``: multiply-adds of one image.
    """

    ordinal: int
    iteration: int
    architecture: str
    value: float | None
    score: float | None
    incumbent: float | None
    fingerprint: str | None
    origin: str
    error: str | None = None
    parameters: int | None = None
    flops: int | None = None
    cost_seconds: float | None = None
    subspace_id: str | None = None
    principles_id: str | None = None


@dataclass(frozen=True)
class Search:
    """The evaluations of one method on one task, in their order. ``metric``, ``unit``: of their values."""

    method: str
    trials: Sequence[Trial]
    metric: str
    unit: str
    higher_is_better: bool

    @classmethod
    def of(
        cls,
        method: str,
        space: SearchSpace,
        evaluations: Sequence[Evaluation],
        metric: Metric,
        *,
        iterations: Sequence[int] = (),
        fingerprint: str | None = None,
    ) -> Self:
        """A search from its evaluations in order; ``iterations``: of each, 1 if unsaid."""
        trials, incumbent = [], None
        for ordinal, one in enumerate(evaluations, start=1):
            if not one.failed and (incumbent is None or one.score > incumbent.score):
                incumbent = one
            trial = Trial(
                ordinal=ordinal,
                iteration=iterations[ordinal - 1] if iterations else 1,
                architecture=space.encode(one.architecture),
                value=one.value,
                score=None if one.failed else one.score,
                incumbent=None if incumbent is None else incumbent.value,
                fingerprint=fingerprint,
                origin=one.origin,
                error=one.error,
                parameters=one.parameters,
                flops=one.flops,
                cost_seconds=one.cost_seconds,
            )
            trials.append(trial)
        return cls(method, trials, metric.name, metric.unit, metric.higher_is_better)

    @property
    def best(self) -> Trial | None:
        """The first evaluation with the highest score by the last evaluator. Scores of two are not compared."""
        last = self.trials[-1].fingerprint if self.trials else None
        scored = [trial for trial in self.trials if trial.score is not None and trial.fingerprint == last]
        return max(scored, key=lambda trial: trial.score or 0.0) if scored else None


@dataclass(frozen=True)
class TaskCosts:
    """Costs of one task, as the view ``costs`` has them. Seconds of one device; money in the prices' currency."""

    task: str
    method: str
    evaluations: int
    computed: int
    looked_up: int
    failed: int
    seconds_paid_now: float
    seconds_total: float
    supernets: int
    seconds_supernets: float
    reasoner_calls: int
    tokens: int
    money: float


@dataclass(frozen=True)
class TaskHistory:
    """One target: LAPT's search, the controls, and what was learned and refined on the way.

    ``principles``: (iteration, what it left behind). ``spaces``: (iteration, Omega_r, the id of the principles that
    made it).
    """

    task: str
    search: Search | None
    controls: Sequence[Search] = ()
    principles: Sequence[tuple[int, Principles]] = ()
    spaces: Sequence[tuple[int, SearchSpace, str]] = ()


@dataclass(frozen=True)
class Attempt:
    """One row of the data set ``runs``."""

    event: str
    created_at: datetime
    detail: str | None = None


@dataclass(frozen=True)
class RunHistory:
    """A run, finished or not. ``result`` is None until it is finished, and with it every test score."""

    run_id: str
    store: str
    pipeline: Pipeline
    space: SearchSpace
    result: RunResult | None
    attempts: Sequence[Attempt]
    archive: Search | None
    learned: Principles | None
    targets: Sequence[TaskHistory]
    costs: Sequence[TaskCosts]
    ledger: Ledger | None
    versions: Mapping[str, str] = field(default_factory=dict)
    devices: Sequence[str] = ()
