"""Base class of evaluators that measure in worker processes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from typing import Protocol

from lapt.evaluation import Evaluation, Metric
from lapt.evaluators.images import TrainingSpec, sides_of, task_of
from lapt.evaluators.workers import Crashed, Workers
from lapt.spaces import Architecture, SearchSpace
from lapt.training import Relaxation
from lapt.training.relaxation import Strengthen, Strengths


@dataclass(frozen=True)
class Outcome:
    """The result from a worker: a value with its details, or an error. ``seconds``: wall time, also of a failure."""

    value: float | None = None
    error: str | None = None
    seconds: float = 0.0
    parameters: int | None = None
    flops: int | None = None
    live_parameters: int | None = None
    measures: Mapping[str, float] = field(default_factory=dict)
    weights: bytes | None = None
    """The state dict of a final retraining, as ``torch.save`` writes it."""


class Job(Protocol):
    """One measurement of one architecture. Picklable."""

    def run(self) -> Outcome: ...


def run(job: Job) -> Outcome:
    return job.run()


@lru_cache(maxsize=4)
def workers(processes: int) -> Workers[Job, Outcome]:
    """The warm worker processes of this process: starting torch and reading the data costs seconds, once each."""
    return Workers(run, processes)


class InWorkers(ABC):
    """An evaluator that measures architectures side by side, in ``processes`` processes of one thread each.

    If ``processes`` is None: one per GPU, or one per core. A measurement that fails becomes a failed evaluation.
    """

    def __init__(self, spec: TrainingSpec, *, processes: int | None = None) -> None:
        self.spec = spec
        self._processes = processes

    @property
    def side_by_side(self) -> int:
        """Number of architectures that are measured at once."""
        return self._workers.processes

    @cached_property
    def _workers(self) -> Workers[Job, Outcome]:
        from lapt.training.device import processes_for

        return workers(self._processes or processes_for(self.spec.device))

    @property
    def task(self) -> str:
        return self.spec.name

    @cached_property
    def metric(self) -> Metric:
        return task_of(self.spec).metric

    @property
    def device(self) -> str:
        from lapt.training.device import device_for

        return str(device_for(self.spec.device))

    @property
    def strengths(self) -> Strengthen:
        """Strengths that a mixed supernet learns, in this process, from the training images without the validation
        images."""
        return partial(strengths_of, self.spec)

    @abstractmethod
    def identity(self, architecture: Architecture) -> str: ...

    @abstractmethod
    def _job(self, architecture: Architecture) -> Job: ...

    def stream(self, architectures: Sequence[Architecture]) -> Iterator[Evaluation]:
        """Evaluations as they are ready, in any order."""
        for position, outcome in self._workers([self._job(architecture) for architecture in architectures]):
            yield self._evaluation(architectures[position], outcome)

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        found = {evaluation.identity: evaluation for evaluation in self.stream(architectures)}
        return [found[self.identity(architecture)] for architecture in architectures]

    def _evaluation(self, architecture: Architecture, outcome: Outcome | Crashed) -> Evaluation:
        found = Outcome(error=str(outcome)) if isinstance(outcome, Crashed) else outcome
        return Evaluation(
            architecture,
            self.identity(architecture),
            found.value,
            self.metric,
            error=found.error,
            cost_seconds=found.seconds,
            parameters=found.parameters,
            flops=found.flops,
            live_parameters=found.live_parameters,
            measures=found.measures,
        )


def strengths_of(spec: TrainingSpec, space: SearchSpace, relaxation: Relaxation, seed: int) -> Strengths:
    from lapt.training.device import device_for
    from lapt.training.relaxed import relax

    device = device_for(spec.device)
    training, _ = sides_of(spec, device)
    size = spec.size_of_network
    return relax(space, task_of(spec), training, spec.recipe, relaxation, seed=seed, device=device, **size).strengths
