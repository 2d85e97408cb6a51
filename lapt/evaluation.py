"""The interfaces of evaluators, and the evaluations that they return."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, Self, cast

from lapt.base.guessing import Guessing
from lapt.base.statistics import Scores
from lapt.errors import ConfigError, or_meant
from lapt.spaces import Architecture, Pool, SearchSpace

Origin = Literal["computed", "store", "table", "surrogate"]
"""The origin of a score: measured now, paid for earlier, looked up in a tabular benchmark, or predicted."""


class Checkpoint(Protocol):
    """The place where one training keeps its last state. A write appears whole or not at all. Picklable."""

    def load(self) -> bytes | None:
        """The last state; None before the first epoch."""
        ...

    def save(self, state: bytes) -> None: ...

    def tell(self, epoch: int, epochs: int, loss: float) -> None:
        """Report how far the training is, to those who wait for it, perhaps in another process."""
        ...


Checkpoints = Callable[[str], Checkpoint]
"""Identity of an architecture -> the place where its training keeps its state."""


@dataclass(frozen=True)
class Metric:
    """The quantity that a score measures. ``unit`` is printed behind it ("%", "" for a pure number)."""

    name: str
    unit: str = ""
    higher_is_better: bool = True

    def score(self, value: float | None) -> float:
        """The value as higher-is-better. A failed evaluation (None) or a NaN is minus infinity."""
        if value is None or math.isnan(value):
            return -math.inf
        return value if self.higher_is_better else -value


@dataclass(frozen=True)
class Evaluation:
    """One architecture and its score on one task.

    ``value`` is in the metric's own unit and direction, None when the evaluation failed (``error`` says why);
    ``score`` is compared by searches. ``key`` names the stored score, None for a table look-up and a prediction.
    ``cost_seconds``: of the training behind the score, whoever did it; predicted if the score is. ``parameters`` and
    ``flops`` follow the published definition, dead edges included; ``live_parameters`` are those that were trained.
    ``measures``: other measurements by name (the accuracy beside a loss), in the units of their metrics.
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
    (diverged, out of memory) comes back as a failed Evaluation. An exception is raised for a problem that would make
    the next call fail too.
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
        """The key that a score belongs to: the exact string for a table, the canonical cell for training."""
        ...

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        """Validation scores, in the order asked; only the first of them if a limit of the run was reached."""
        ...

    def test(self, architecture: Architecture) -> float | None:
        """The test score, for the final report alone; None where the benchmark has no test split."""
        ...


Lacking = Literal["fail", "skip", "never"]
"""The treatment of architectures without a score.

fail: the evaluation fails. skip: the proposal is passed over and counted, and costs nothing. never: no such proposal is
made, because searches are confined to the architectures that have a score."""


class Holding(NamedTuple):
    """The scores that a look-up evaluator has. ``pool()``: the architectures of its whole space that have a score."""

    pool: Callable[[], Pool]
    lacking: Lacking


class Holds(Evaluator, Protocol):
    """An evaluator that looks scores up, and may lack some."""

    @property
    def holding(self) -> Holding | None: ...


class Quantity(NamedTuple):
    """A quantity that is known before a score is paid for: a size, a latency.

    ``of``: N architectures -> N values, NaN where it is not known; picklable. ``quick``: it may be asked for every
    architecture of a space that can be listed. ``exact``: where ``of`` predicts, the measured values, too dear for more
    architectures than a search asks for. ``remark``: a sentence on where the values come from.
    """

    of: Callable[[Sequence[Architecture]], Scores]
    quick: bool = True
    exact: Callable[[Sequence[Architecture]], Scores] | None = None
    remark: Callable[[], str] | None = None


class Knows(Evaluator, Protocol):
    """An evaluator that knows quantities of an architecture before it scores it."""

    def quantity(self, name: str, column: str | None = None) -> Quantity:
        """The quantity of that name. ``column``: of a table, which has it under another name.

        Raises ConfigError for one that is not known beforehand.
        """
        ...


_MEANT = {
    "flops": "multiply_adds",
    "macs": "multiply_adds",
    "madds": "multiply_adds",
    "params": "parameters",
    "live_parameters": "parameters",
    "latency": "latency_ms",
}
"""Names of quantities elsewhere, and here."""


def unknown_quantity(name: str, known: Sequence[str], where: str) -> ConfigError:
    """The error for a quantity that ``where`` does not know before a score. ``known``: the ones that it knows."""
    meant = _MEANT.get(name)
    return ConfigError(
        f"quantities known before a score in {where}, which are {list(known)}",
        repr(name),
        f"did you mean {meant}?" if meant in known else or_meant(name, known, "name one of them, or leave it out"),
    )


def quantity_of(evaluator: Evaluator, name: str, column: str | None = None) -> Quantity:
    """The quantity as ``Knows.quantity`` gives it. Raises ConfigError, also for an evaluator that knows none."""
    knows: Callable[[str, str | None], Quantity] | None = getattr(evaluator, "quantity", None)
    if knows is None:
        raise ConfigError(
            "an evaluator that knows quantities before a score, for constraints",
            f"{type(evaluator).__name__} of {evaluator.task}",
            "give it a method quantity, as lapt.evaluation.Knows describes, or leave the constraints out",
        )
    return knows(name, column)


class Wrapping:
    """Base of an evaluator in front of another one, whose task, metric, identities and quantities it has."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator

    @property
    def task(self) -> str:
        return self.evaluator.task

    @property
    def metric(self) -> Metric:
        return self.evaluator.metric

    @property
    def holding(self) -> Holding | None:
        found: Holding | None = getattr(self.evaluator, "holding", None)
        return found

    @property
    def guessing(self) -> Guessing | None:
        """Guessing on the validation images; None where classes are not known."""
        found: Guessing | None = getattr(self.evaluator, "guessing", None)
        return found

    def identity(self, architecture: Architecture) -> str:
        return self.evaluator.identity(architecture)

    def quantity(self, name: str, column: str | None = None) -> Quantity:
        return quantity_of(self.evaluator, name, column)


class Retrains(Evaluator, Protocol):
    """An evaluator that trains the architecture found once more, for the test score and the weights."""

    @property
    def final_fingerprint(self) -> str:
        """The fingerprint of the final retraining."""
        ...

    @property
    def has_test(self) -> bool: ...

    @property
    def tested_on(self) -> int | None:
        """The number of test images; None without a test split."""
        ...

    @property
    def noted(self) -> str:
        """The facts about the training images (``lapt.data.facts.Images``), as JSON."""
        ...

    def retrained(
        self, architecture: Architecture, checkpoint: Checkpoint | None = None
    ) -> tuple[Evaluation, bytes | None]:
        """The test score as an evaluation, and the trained network: the state dict, as ``torch.save`` writes it.

        ``checkpoint``: keeps the state of the training, so that it can go on after a kill.
        """
        ...


class Stops(Evaluator, Protocol):
    """An evaluator whose trainings can be stopped early, and go on later."""

    @property
    def epochs(self) -> int:
        """Epochs of a whole training. Raises ConfigError if its scores cannot be had after fewer."""
        ...

    def at(self, epochs: int, checkpoints: Checkpoints | None = None) -> Evaluator:
        """The evaluator of the scores after so many epochs of the same training, with a fingerprint of its own.

        After all epochs, fingerprint and scores are those of this evaluator. ``checkpoints``: of trainings, which go on
        from the state that they find there, and leave theirs. Raises ConfigError for epochs that it has no scores of.
        """
        ...


def stopping(evaluator: Evaluator) -> Stops:
    """The evaluator as one that stops early. Raises ConfigError if it cannot."""
    if not hasattr(evaluator, "at"):
        raise ConfigError(
            "an evaluator whose trainings can stop early, for fidelity",
            f"{type(evaluator).__name__} of {evaluator.task}",
            "train, use a surrogate or a table of learning curves, or leave fidelity out",
        )
    return cast(Stops, evaluator)


class OfSpace(Evaluator, Protocol):
    """An evaluator whose scores depend on the searched space, as with weights inherited from its supernet."""

    def within(self, space: SearchSpace, after: Self | None) -> Self:
        """The evaluator of a smaller space; ``after``: the one of the space before, whose supernet it starts from."""
        ...

    def prepare(self, on_epoch: OnEpoch | None = None) -> Prepared:
        """Train or load the supernet. Called before the first score and before the fingerprint. Idempotent."""
        ...


OnEpoch = Callable[[int, int, float], None]
"""A function called after every epoch with (epoch, epochs in all, mean training loss)."""


@dataclass(frozen=True)
class Prepared:
    """The record of a supernet's training: wall ``seconds`` of all attempts, mean loss of the last of its ``epochs``.

    ``parameters``: number of weights. ``fresh``: this call trained it, or at least the last part.
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
    """The r best evaluations that did not fail, best first; among equals, earlier ones first."""
    scored = [evaluation for evaluation in evaluations if not evaluation.failed]
    return sorted(scored, key=lambda evaluation: -evaluation.score)[:r]
