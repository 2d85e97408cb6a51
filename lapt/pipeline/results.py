"""Results of a run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from lapt.base.declarations import added
from lapt.base.guessing import Reach
from lapt.base.noise import Noise
from lapt.errors import LaptError
from lapt.evaluation import Evaluation, Evaluator
from lapt.search.halving import Rungs
from lapt.search.searcher import Refuted, Weighed
from lapt.spaces import SearchSpace


class NothingFound(LaptError):
    """A run in which nothing could be scored."""


class FinalResult(BaseModel):
    """The final network, trained from scratch. ``flops``: multiply-adds of one image.

    ``device_seconds``: of the training, by any run and over all attempts.
    """

    model_config = ConfigDict(frozen=True)

    test: float | None
    parameters: int | None
    flops: int | None
    device_seconds: float
    error: str | None = None
    tested_on: int | None = added(None)
    """Number of test images."""


class FrontPoint(NamedTuple):
    """An architecture on the front of two objectives. ``evaluation``: its number in the search, from 1."""

    architecture: str
    validation: float
    cost: float
    evaluation: int


class Found(BaseModel):
    """The result of a search on one task. ``seconds`` is wall time; the rest is the same on every replay."""

    model_config = ConfigDict(frozen=True)

    task: str
    architecture: str | None
    validation: float | None
    test: float | None = None
    metric: str
    unit: str
    higher_is_better: bool = True
    """Direction of the metric; runs of earlier versions lack it."""
    evaluations: int
    paid_now: int
    """Evaluations computed in this attempt; the others came from the store or a table."""
    seconds: float
    device_seconds: float = 0.0
    """Cost of the scores, whoever paid: trainings and inherited scores, with those of the supernets."""
    final: FinalResult | None = None
    failed: int = 0
    """Evaluations without a score."""
    lacking: int = 0
    """Architectures that the search proposed and that were skipped: the table lacks them, or they break a constraint.
    They are not evaluations, and cost nothing."""
    quantities: dict[str, float] = added({})
    """The constrained quantities of the architecture found, known before it was scored."""
    front: tuple[FrontPoint, ...] = added(())
    """With two objectives: what no other evaluation is better than in both, by rising cost."""
    rungs: tuple[tuple[int, int], ...] = added(())
    """Epochs of each rung and the number of architectures that reached it, where trainings stop early. ``evaluations``
    are those of the last one."""
    costs: tuple[float | None, ...] = added(())
    """With two objectives: the cost of each evaluation, in order; None where it failed, or nothing is known."""

    @classmethod
    def of(
        cls,
        space: SearchSpace,
        evaluator: Evaluator,
        incumbent: Evaluation | None,
        evaluations: Sequence[Evaluation],
        began: float,
        *,
        supernets: float = 0.0,
        rungs: Rungs | None = None,
        **rest: Any,
    ) -> Self:
        """The result from ``evaluations``, all of the search. ``began``: seconds of the monotonic clock. ``supernets``:
        seconds of training. ``rungs``: where trainings stop early, with those that did not go on."""
        paid = evaluations if rungs is None else rungs.evaluations
        return cls(
            task=evaluator.task,
            architecture=space.encode(incumbent.architecture) if incumbent else None,
            validation=incumbent.value if incumbent else None,
            metric=evaluator.metric.name,
            unit=evaluator.metric.unit,
            higher_is_better=evaluator.metric.higher_is_better,
            evaluations=len(evaluations),
            paid_now=sum(evaluation.origin == "computed" for evaluation in paid),
            failed=sum(evaluation.failed for evaluation in evaluations),
            seconds=round(time.monotonic() - began, 3),
            device_seconds=round(sum(evaluation.cost_seconds for evaluation in paid) + supernets, 3),
            rungs=() if rungs is None else tuple(zip(rungs.fidelity.epochs, rungs.counts, strict=True)),
            **rest,
        )


class ControlResult(Found):
    """A search method on the whole space, with the same budget and nothing transferred."""

    method: str


class TargetResult(Found):
    """LAPT's result for one target task, and the controls beside it."""

    repeats: int
    space_size: int
    """Size of the last refined space."""
    controls: tuple[ControlResult, ...] = ()
    stopped: str | None = None
    """The reason why the search ended before its last iteration."""
    advice: tuple[Weighed, ...] = added(())
    """The advisers' weights at the last ask, where principles order the space (``refinement: order``)."""
    refuted: tuple[Refuted, ...] = added(())
    """The advisers that the target's scores turned against."""
    guessing: Reach | None = added(None)
    """The scores of guessing, if nothing that was evaluated is better than guessing."""


class RunResult(BaseModel):
    """One pipeline run."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    pipeline: str
    store: str
    targets: tuple[TargetResult, ...]
    stopped: str | None = None
    """The limit at which the run ended early."""

    def require_scores(self, remedy: str) -> None:
        """Raises NothingFound if every search came to its end without any score."""
        if self.stopped is not None or any(target.architecture for target in self.targets):
            return
        asked = sum(target.evaluations + target.lacking for target in self.targets)
        spent = next((target.stopped for target in self.targets if target.stopped), None)
        got = f"run {self.run_id}: no architecture of {asked} asked has a score"
        if spent is not None and not asked:
            got, remedy = f"run {self.run_id}, which ended before its first evaluation ({spent})", "raise that limit"
        raise NothingFound("a score of some architecture", got, remedy)

    @property
    def report(self) -> str:
        """Address of the summary."""
        return f"{self.store}/reports/{self.run_id}.md"


class Trial(BaseModel):
    """One task's trial. ``unit``: of the scores. ``mean``: of all trainings, in the metric's direction.

    ``budget``: evaluations of a search; ``gain``: ``noise.gain`` of as many random networks. ``failed``: the reason of
    each network that was left out, because a training failed.
    """

    model_config = ConfigDict(frozen=True)

    task: str
    metric: str
    unit: str
    mean: float
    noise: Noise
    budget: int
    gain: float
    failed: tuple[str, ...]
