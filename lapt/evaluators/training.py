"""Scores from networks that are really trained."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from lapt.config import TrainingEvaluation
from lapt.digests import digest
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, Metric
from lapt.evaluators.workers import Crashed, Workers
from lapt.spaces import Architecture, DartsCell, SearchSpace
from lapt.training import Recipe, Relaxation
from lapt.training.relaxation import Strengthen, Strengths

if TYPE_CHECKING:
    import torch

    from lapt.training.data import DataSets, ImageData
    from lapt.training.network import TaskNetwork
    from lapt.training.tasks import Task

    Sides = tuple[ImageData, ImageData]

VERSION = 2
"""Raised by hand when the same specification would give other scores; part of every fingerprint."""


class TrainingSpec(TrainingEvaluation):
    """Everything that a trained score depends on, apart from the architecture. Picklable: it travels to workers."""

    kind: Literal["training"] = "training"
    space: SearchSpace
    task: str
    device: str = "auto"

    @property
    def size_of_network(self) -> dict[str, Any]:
        """What ``lapt.networks`` is told of it, beside the images."""
        return {"channels": self.channels, "cells": self.cells, "stem": self.stem}

    @property
    def final_recipe(self) -> Recipe:
        """Of the retraining on all training images."""
        return (
            self.recipe if self.final_epochs is None else self.recipe.model_copy(update={"epochs": self.final_epochs})
        )


@dataclass(frozen=True)
class Outcome:
    """What a worker sends back: a value and what belongs to it, or an error. ``seconds``: wall time, in vain or not."""

    value: float | None = None
    error: str | None = None
    seconds: float = 0.0
    parameters: int | None = None
    flops: int | None = None
    live_parameters: int | None = None
    measures: Mapping[str, float] = field(default_factory=dict)
    weights: bytes | None = None
    """Of a final retraining: the state dict, as ``torch.save`` writes it."""


class TrainingEvaluator:
    """Trains each architecture's canonical representative from scratch and scores it on the validation split.

    Failures (a loss that is not finite, out of memory even at half the batch, a process that died) come back as failed
    evaluations. ``processes`` trainings run side by side, one thread each; on a GPU one, else a core each, if None.
    """

    def __init__(self, spec: TrainingSpec, *, processes: int | None = None) -> None:
        self.spec = spec
        self._processes = processes

    @cached_property
    def _workers(self) -> Workers[Job, Outcome]:
        return workers(self._processes or (len(os.sched_getaffinity(0)) if self.device == "cpu" else 1))

    @property
    def task(self) -> str:
        return self.spec.task

    @cached_property
    def metric(self) -> Metric:
        return task_of(self.spec).metric

    @cached_property
    def fingerprint(self) -> str:
        return self._fingerprint(self.spec.recipe)

    @cached_property
    def final_fingerprint(self) -> str:
        """Of final retrainings and their test scores. Reads the test images."""
        test = _data(self.spec).test()
        return self._fingerprint(self.spec.final_recipe, test=None if test is None else test.digest)

    def _fingerprint(self, recipe: Recipe, **more: str | None) -> str:
        spec, data = self.spec, _data(self.spec).train
        parts = spec.model_dump(
            mode="json", include={"channels", "cells", "stem", "validation_share", "training_images"}
        )
        known = {"recipe": recipe.digest, "data": data.digest, "version": VERSION}
        return "training:" + digest({**parts, **task_of(spec).settings, **known, **more})

    @property
    def device(self) -> str:
        from lapt.training.device import device_for

        return str(device_for(self.spec.device))

    def check(self) -> None:
        """Raises LaptError for what would end a run after hours: no such device, too few images, a broken test image.

        The test images are read here to know that they can be; the final report alone looks at them.
        """
        from lapt.training.data import sides
        from lapt.training.device import device_for

        device_for(self.spec.device)
        data = _data(self.spec)
        sides(data.train, self.spec.validation_share, 0, limit=self.spec.training_images)
        data.test()
        if self.spec.recipe.drop_path and not isinstance(self.spec.space.family, DartsCell):
            raise ConfigError("DARTS cells, for recipe.drop_path", self.spec.space.name, "say recipe.drop_path: 0")
        if self.spec.recipe.auxiliary:
            network_of(self.spec, next(self.spec.space.members()), auxiliary=True)

    def identity(self, architecture: Architecture) -> str:
        return self.spec.space.encode(self.spec.space.canonical(architecture))

    def stream(self, architectures: Sequence[Architecture]) -> Iterator[Evaluation]:
        """Evaluations as they are ready, in any order."""
        for position, outcome in self._workers([self._job(architecture) for architecture in architectures]):
            yield self._evaluation(architectures[position], outcome)

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        found = {evaluation.identity: evaluation for evaluation in self.stream(architectures)}
        return [found[self.identity(architecture)] for architecture in architectures]

    def test(self, architecture: Architecture) -> float | None:
        """The test score of the final retraining; None without a test split, or when the training failed."""
        return self.retrained(architecture)[0].value if self.has_test else None

    @property
    def has_test(self) -> bool:
        return _data(self.spec).test() is not None

    def retrained(self, architecture: Architecture) -> tuple[Evaluation, bytes | None]:
        """The final retraining: on all training images, for ``final_epochs``; with the state dict that it ends with.

        Its value is the test score; without a test split, the score on the training images, which says little.
        """
        ((_, outcome),) = self._workers([self._job(architecture, final=True)])
        return self._evaluation(architecture, outcome), None if isinstance(outcome, Crashed) else outcome.weights

    @property
    def strengths(self) -> Strengthen:
        """What a mixed supernet learns, in this process, from the training images: without those that score."""
        return partial(strengths_of, self.spec)

    def backbone_size(self, architecture: Architecture) -> tuple[int, int]:
        """Parameters and flops (multiply-adds of one image) of the published network, without the task's head."""
        return _backbone_size(self.spec, architecture, None)

    def _job(self, architecture: Architecture, final: bool = False) -> Job:
        return Job(self.spec, self.spec.space.canonical(architecture), _data(self.spec).train.digest, final)

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
    training, _ = _sides(_source(spec), (spec.validation_share, spec.training_images), device)
    size = spec.size_of_network
    return relax(space, task_of(spec), training, spec.recipe, relaxation, seed=seed, device=device, **size).strengths


class Job(NamedTuple):
    """One training: for the validation score, or the final one on all training images.

    ``data``: digest of the training images that the score will be stored for.
    """

    spec: TrainingSpec
    architecture: Architecture
    data: str
    final: bool = False


@lru_cache(maxsize=4)
def workers(processes: int) -> Workers[Job, Outcome]:
    """The warm processes of this one: starting torch and reading the data costs seconds, once each."""
    return Workers(run, processes)


def run(job: Job) -> Outcome:
    """Trains one architecture, here and now. Raises DataError when the images are no longer those of the job."""
    from lapt.training.data import DataError
    from lapt.training.loop import Diverged, OutOfMemory

    if _data(job.spec).train.digest != job.data:
        raise DataError(f"{job.spec.data} as it was when this began", "other images", "start again: nothing is lost")
    recipe: Recipe | None = job.spec.final_recipe if job.final else job.spec.recipe
    began = time.perf_counter()
    failure = ""
    for _ in range(2):  # out of memory: once more, in half batches
        if recipe is None:
            break
        try:
            return replace(_trained(job, recipe), seconds=time.perf_counter() - began)
        except Diverged as error:
            return Outcome(error=str(error), seconds=time.perf_counter() - began)
        except OutOfMemory as error:
            failure, recipe = str(error), recipe.halved()
    return Outcome(error=failure, seconds=time.perf_counter() - began)


def _trained(job: Job, recipe: Recipe) -> Outcome:
    from lapt.training.device import device_for
    from lapt.training.loop import train

    spec, task = job.spec, task_of(job.spec)
    network = network_of(spec, job.architecture, auxiliary=recipe.auxiliary > 0)
    device = device_for(spec.device)
    held_out = None if job.final else (spec.validation_share, spec.training_images)
    training, validation = _sides(_source(spec), held_out, device)
    trained = train(network, task, training, validation, recipe, seed=spec.seed, device=device)
    network.auxiliary = None  # it has done its work
    # Of the flops of heads, a linear classifier's are counted, as published; a decoder's are not.
    parameters, flops = _backbone_size(
        spec, job.architecture, len(task.classes) if task.name == "classification" else None
    )
    if task.name != "classification":
        parameters += sum(parameter.numel() for parameter in network.head.parameters())
    return Outcome(
        trained.value,
        parameters=parameters,
        flops=flops,
        live_parameters=network.parameter_count,
        measures=trained.values,
        weights=_weights(network) if job.final else None,
    )


@lru_cache(maxsize=2)
def _sides(source: Source, held_out: tuple[float, int | None] | None, device: torch.device) -> Sides:
    """(training, validation) images on their device, made once a process.

    ``held_out``: share of the training images and their limit; None: all of them, and the test images.
    """
    from lapt.training.data import split

    found = _loaded(source)
    if held_out is None:  # the search is over
        test = found.test()
        training, validation = found.train, found.train if test is None else test
    else:
        training, validation = split(found.train, held_out[0], 0, limit=held_out[1])
    return training.to(device), validation.to(device)


def _backbone_size(spec: TrainingSpec, architecture: Architecture, classes: int | None) -> tuple[int, int]:
    from lapt.networks import flops, parameters

    image_channels, height, width = _data(spec).train.shape
    size = {**spec.size_of_network, "image_channels": image_channels}
    return (
        parameters(spec.space, architecture, **size, classes=classes),
        flops(spec.space, architecture, **size, image_size=(height, width), classes=classes),
    )


def network_of(
    spec: TrainingSpec, architecture: Architecture, weights: bytes | None = None, *, auxiliary: bool = False
) -> TaskNetwork:
    """The network of a canonical architecture as ``spec`` initialises it, or with ``weights`` (an Outcome's).

    ``auxiliary``: with a second head, for training. Raises LaptError for what cannot be built.
    """
    import torch

    from lapt.networks import backbone
    from lapt.training.network import build

    task = task_of(spec)
    size = {**spec.size_of_network, "image_channels": task.shape[0]}
    network = build(lambda: backbone(spec.space, architecture, **size), task, seed=spec.seed, auxiliary=auxiliary)
    if weights is not None:
        network.load_state_dict(torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True))
    return network


def _weights(network: TaskNetwork) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save({name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}, buffer)
    return buffer.getvalue()


Source = tuple[str, str | None, int | None, bool]


def _source(spec: TrainingSpec) -> Source:
    return spec.data, spec.root, spec.size, spec.download


@lru_cache(maxsize=2)
def _loaded(source: Source) -> DataSets:
    from lapt.training.sources import load_images

    data, root, size, download = source
    return load_images(data, root, size=size, download=download)


def _data(spec: TrainingSpec) -> DataSets:
    return _loaded(_source(spec))


@lru_cache(maxsize=8)
def task_of(spec: TrainingSpec) -> Task:
    """Raises DataError: data that are not there, a task that cannot be made of them."""
    from lapt.training.tasks import make_task

    return make_task(spec.task, _data(spec).train, score=spec.score)
