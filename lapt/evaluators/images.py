"""Specification of trained scores, and the images behind them, which are read once per process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from lapt.base.guessing import Guessing
from lapt.data.reading import Reading
from lapt.evaluation import Evaluation, Metric
from lapt.evaluators.config import ImagesEvaluation, Networks
from lapt.evaluators.workers import Crashed, Workers
from lapt.spaces import Architecture, SearchSpace
from lapt.training import Recipe, Relaxation
from lapt.training.relaxation import Strengthen, Strengths

if TYPE_CHECKING:
    import torch

    from lapt.data.images import DataSets, ImageData
    from lapt.networks.family import Counts, NetworkSize
    from lapt.training.tasks import Task

    Sides = tuple[ImageData, ImageData]

FEW = 100
"""Number of validation images below which a user is warned."""


class TrainingSpec(Networks):
    """Everything that a trained score depends on, apart from the architecture. Picklable: it travels to workers.

    ``task``: the task on the images ``data``. ``title``: the pipeline's name for it, if it is another.
    ``final_processes``: number of processes that train one final network together.
    """

    space: SearchSpace
    data: str
    task: str
    title: str | None = None
    final_epochs: int | None = None
    device: str = "auto"
    final_processes: int = 1

    @classmethod
    def of(cls, config: ImagesEvaluation, space: SearchSpace, task: str, device: str, **changed: Any) -> Self:
        """The specification for a task of an evaluator's declaration. Raises ConfigError for a task that has no
        images."""
        data, done = config.images_of(task)
        declared = {name: getattr(config, name) for name in Networks.model_fields}
        title = None if done == task else task
        return cls(space=space, data=data, task=done, title=title, device=device, **(declared | changed))

    @property
    def name(self) -> str:
        """The task's name in the pipeline."""
        return self.title or self.task

    @property
    def size_of_network(self) -> dict[str, Any]:
        """Arguments for ``lapt.networks``, beside the images."""
        return {"channels": self.channels, "cells": self.cells, "stem": self.stem}

    def network_size(self, shape: tuple[int, int, int] | None = None) -> NetworkSize:
        """With the size of its images. ``shape``: theirs, (C, H, W), if it is known without reading them."""
        from lapt.networks.family import NetworkSize

        channels, height, width = shape or data_of(self).train.shape
        return NetworkSize(**self.size_of_network, image_channels=channels, image_size=(height, width))

    @property
    def final_recipe(self) -> Recipe:
        """Recipe of the retraining on all training images."""
        return (
            self.recipe if self.final_epochs is None else self.recipe.model_copy(update={"epochs": self.final_epochs})
        )

    def settings(self) -> dict[str, Any]:
        """Everything that a score depends on beside recipe, data and seed, for fingerprints."""
        mine = self.model_dump(
            mode="json", include={"channels", "cells", "stem", "validation_share", "training_images"}
        )
        from lapt.networks.family import networks_of

        return {**mine, **networks_of(self.space).settings(), **task_of(self).settings}


class _Source(NamedTuple):
    """Settings that select the images that are read."""

    data: str
    root: str | None
    download: bool
    reading: Reading

    @classmethod
    def of(cls, spec: TrainingSpec) -> Self:
        reading = Reading(**{name: getattr(spec, name) for name in Reading.model_fields})
        return cls(spec.data, spec.root, spec.download, reading)


def data_of(spec: TrainingSpec) -> DataSets:
    """The images of a specification. Raises DataError if they are not there or cannot be read."""
    return _loaded(_Source.of(spec))


@lru_cache(maxsize=2)
def _loaded(source: _Source) -> DataSets:
    from lapt.data.sources import load_images

    return load_images(source.data, source.root, download=source.download, **dict(source.reading))


@lru_cache(maxsize=8)
def task_of(spec: TrainingSpec) -> Task:
    """The task of a specification. Raises DataError: data that are not there, or do not suit the task."""
    from lapt.training.tasks import make_task

    return make_task(spec.task, data_of(spec).train, score=spec.score)


def sides_of(spec: TrainingSpec, device: torch.device, *, final: bool = False) -> Sides:
    """(training, validation) images on their device, made once per process.

    ``final``: all training images, and the test images.
    """
    held_out = None if final else (spec.validation_share, spec.training_images)
    return _sides(_Source.of(spec), held_out, device)


@lru_cache(maxsize=2)
def _sides(source: _Source, held_out: tuple[float, int | None] | None, device: torch.device) -> Sides:
    found = _loaded(source)
    if held_out is None:  # the search is over
        test = found.test()
        training, validation = found.train, found.train if test is None else test
    else:
        training, validation = found.split(held_out[0], 0, limit=held_out[1])
    return training.to(device), validation.to(device)


def doubts_of(spec: TrainingSpec) -> Iterator[str]:
    """Reasons to doubt scores on these images: few validation images, and copies of one image in two splits.

    Raises DataError: a class or a limit too small, test images that cannot be read.
    """
    from lapt.data.images import sides

    source, share, limit = _Source.of(spec), spec.validation_share, spec.training_images
    found = _loaded(source)
    count = len(found.validation or sides(found.train, share, 0, limit=limit)[1])
    if count < FEW:
        remedy = "add images" if found.validation else "add images, or raise evaluator.validation_share"
        one = f": one image is {100 / count:.3g} points of accuracy" if task_of(spec).metric.name == "accuracy" else ""
        yield (
            f"expected {FEW} validation images or more, to tell good architectures from better ones; got {count}{one}; "
            f"{remedy}"
        )
    for split, same in _copies(source, share, limit).items():
        yield (
            f"expected other {split} images than those that are learned from; got {same} that are the same, pixel by "
            f"pixel, so {split} scores are too high; remove the copies"
        )


def guessing_of(spec: TrainingSpec) -> Guessing | None:
    """Guessing on the validation images; None where the score is no accuracy."""
    from lapt.data.images import sides

    task, found = task_of(spec), data_of(spec)
    if task.metric.name != "accuracy":
        return None
    if found.validation is None:
        labels = found.train.labels[sides(found.train, spec.validation_share, 0, limit=spec.training_images)[1]]
    else:
        labels = found.validation.labels
    share = task.guess(labels)
    return None if share is None else Guessing(share, len(labels))


@lru_cache(maxsize=2)
def _copies(source: _Source, validation_share: float, limit: int | None) -> dict[str, int]:
    from lapt.data.images import copies

    return copies(_loaded(source), validation_share, 0, limit=limit)


def size_of_backbone(spec: TrainingSpec, architecture: Architecture, classes: int | None) -> Counts:
    """Parameters and flops (multiply-adds of one image) of the published network, or of a declared space's own network.

    Without a head if ``classes`` is None.
    """
    from lapt.networks.family import networks_of

    return networks_of(spec.space).counts(architecture, spec.network_size(), classes)


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

    @cached_property
    def guessing(self) -> Guessing | None:
        """Guessing on the validation images, with which scores are compared; None where they are no accuracies."""
        return guessing_of(self.spec)

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
