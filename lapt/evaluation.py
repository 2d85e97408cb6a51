"""What an evaluator is and what it returns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, Self

from lapt.spaces import Architecture, Pool, SearchSpace

Origin = Literal["computed", "store", "table", "surrogate"]
"""Where a score came from: measured now, paid for earlier, looked up in a tabular benchmark, or predicted."""


class Checkpoint(Protocol):
    """Keeps the last state of one training; a write appears whole or not at all. Picklable."""

    def load(self) -> bytes | None:
        """None before the first epoch."""
        ...

    def save(self, state: bytes) -> None: ...

    def tell(self, epoch: int, epochs: int, loss: float) -> None:
        """Says to whoever waits, perhaps in another process, how far the training is."""
        ...


@dataclass(frozen=True)
class Metric:
    """What a score measures. ``unit`` is printed behind it ("%", "" for a pure number)."""

    name: str
    unit: str = ""
    higher_is_better: bool = True

    def score(self, value: float | None) -> float:
        """Normalised to higher-is-better; a failed evaluation (None) is the worst there is."""
        if value is None or math.isnan(value):
            return -math.inf
        return value if self.higher_is_better else -value


@dataclass(frozen=True)
class Evaluation:
    """One architecture and its score on one task.

    ``value`` is in the metric's own unit and direction, None when the evaluation failed (``error`` says why);
    ``score`` is what searches compare. ``key`` names the stored score, None for a table look-up and a prediction.
    ``cost_seconds``: of the training behind the score, by whomever; predicted where the score is. ``parameters`` and
    ``flops`` follow the published definition, dead edges included; ``live_parameters`` are those that were trained.
    ``measures``: what else was measured, by name (the accuracy beside a loss), in the units of their metrics.
    """

    architecture: Architecture
    identity: str
    value: float | None
    metric: Metric
    origin: Origin = "computed"
    error: str | None = None
    key: str | None = None
    cost_seconds: float = 0.0
    parameters: int | None = None
    flops: int | None = None
    live_parameters: int | None = None
    measures: Mapping[str, float] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        return self.value is None

    @property
    def score(self) -> float:
        return self.metric.score(self.value)


class Evaluator(Protocol):
    """Scores architectures on one task. Deterministic: the same architecture gets the same score.

    It may keep caches; it changes neither the search space nor any searcher. An architecture that cannot be scored
    (diverged, out of memory) comes back as a failed Evaluation; an exception is for what the next call would not
    survive either.
    """

    @property
    def task(self) -> str: ...

    @property
    def metric(self) -> Metric: ...

    @property
    def fingerprint(self) -> str:
        """Recipe, data digest and version: two evaluators with one fingerprint give the same scores."""
        ...

    def identity(self, architecture: Architecture) -> str:
        """What a score belongs to: the exact string for a table, the canonical cell for training."""
        ...

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        """Validation scores, in the order asked; the first of them alone where a limit of the run was reached."""
        ...

    def test(self, architecture: Architecture) -> float | None:
        """The test score, for the final report alone; None where the benchmark has no test split."""
        ...


Lacking = Literal["fail", "skip", "never"]
"""What becomes of a request for an architecture without a score: an evaluation that fails; a proposal that is passed
over, counted, and costs nothing; none is made, for searches are confined to what there is."""


class Holding(NamedTuple):
    """What an evaluator has that looks scores up. ``pool()``: what of its whole space has one."""

    pool: Callable[[], Pool]
    lacking: Lacking


class Holds(Evaluator, Protocol):
    """An evaluator that looks scores up, and may lack some."""

    @property
    def holding(self) -> Holding | None: ...


class Retrains(Evaluator, Protocol):
    """An evaluator that trains what was found once more, for the test score and the weights."""

    @property
    def final_fingerprint(self) -> str:
        """As ``fingerprint``, of the final retraining."""
        ...

    @property
    def has_test(self) -> bool: ...

    def retrained(
        self, architecture: Architecture, checkpoint: Checkpoint | None = None
    ) -> tuple[Evaluation, bytes | None]:
        """The test score as an evaluation, and the trained network: the state dict, as ``torch.save`` writes it.

        ``checkpoint``: where the training stands, so that it can go on after a kill.
        """
        ...


class OfSpace(Evaluator, Protocol):
    """An evaluator whose scores hang on the space that is searched: weights inherited from its supernet."""

    def within(self, space: SearchSpace, after: Self | None) -> Self:
        """The evaluator of a smaller space; ``after``: the one of the space before, whose supernet it starts from."""
        ...

    def prepare(self, on_epoch: OnEpoch | None = None) -> Prepared:
        """Trains or loads the supernet, before the first score and the fingerprint. Idempotent."""
        ...


OnEpoch = Callable[[int, int, float], None]
"""Hears (epoch, epochs in all, mean training loss) after every epoch."""


@dataclass(frozen=True)
class Prepared:
    """A supernet's training: wall ``seconds`` of all attempts, mean loss of the last of its ``epochs``, weights.

    ``fresh``: trained by this very call, its last part at least.
    """

    seconds: float
    loss: float
    epochs: int
    parameters: int
    fresh: bool = False


def best(evaluations: Sequence[Evaluation]) -> Evaluation | None:
    """The incumbent: the first evaluation with the highest score; None when all failed or there is none."""
    scored = [evaluation for evaluation in evaluations if not evaluation.failed]
    return max(scored, key=lambda evaluation: evaluation.score) if scored else None


def top(evaluations: Sequence[Evaluation], r: int) -> list[Evaluation]:
    """The r best that did not fail, best first, earlier ones first among equals."""
    scored = [evaluation for evaluation in evaluations if not evaluation.failed]
    return sorted(scored, key=lambda evaluation: -evaluation.score)[:r]
