"""Scores from networks that are really trained."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict

from lapt.digests import digest
from lapt.evaluation import Evaluation, Metric
from lapt.evaluators.workers import Crashed, Workers
from lapt.spaces import Architecture, SearchSpace
from lapt.training import Recipe

if TYPE_CHECKING:
    from lapt.training.data import DataSets
    from lapt.training.network import TaskNetwork
    from lapt.training.tasks import Task

VERSION = 2
"""Raised by hand when the same specification would give other scores; part of every fingerprint."""


class TrainingSpec(BaseModel):
    """Everything that a trained score depends on, apart from the architecture. Picklable: it travels to workers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    space: SearchSpace
    task: str
    data: str
    root: str | None = None
    size: int | None = None
    recipe: Recipe = Recipe()
    channels: int = 16
    cells: int = 1
    score: str = "metric"
    validation_share: float = 0.2
    training_images: int | None = None
    final_epochs: int | None = None
    seed: int = 0
    device: str = "auto"

    @property
    def final_recipe(self) -> Recipe:
        """Of the retraining on all training images."""
        return (
            self.recipe if self.final_epochs is None else self.recipe.model_copy(update={"epochs": self.final_epochs})
        )


@dataclass(frozen=True)
class Outcome:
    """What a worker sends back: a value, or an error and nothing else."""

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
    evaluations. ``processes`` trainings run side by side, one thread each; neither changes a score.
    """

    def __init__(self, spec: TrainingSpec, *, processes: int | None = None) -> None:
        self.spec = spec
        self._workers = workers(processes or len(os.sched_getaffinity(0)))

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
        """Of final retrainings and their test scores."""
        return self._fingerprint(self.spec.final_recipe)

    def _fingerprint(self, recipe: Recipe) -> str:
        spec, data = self.spec, _data(self.spec).train
        parts = spec.model_dump(mode="json", include={"channels", "cells", "validation_share", "training_images"})
        return "training:" + digest(
            {**parts, **task_of(spec).settings, "recipe": recipe.digest, "data": data.digest, "version": VERSION}
        )

    @property
    def device(self) -> str:
        from lapt.training.device import device_for

        return str(device_for(self.spec.device))

    def identity(self, architecture: Architecture) -> str:
        return self.spec.space.encode(self.spec.space.canonical(architecture))

    def stream(self, architectures: Sequence[Architecture]) -> Iterator[Evaluation]:
        """Evaluations as they are ready, in any order."""
        jobs = [Job(self.spec, self.spec.space.canonical(architecture)) for architecture in architectures]
        for position, outcome in self._workers(jobs):
            architecture = architectures[position]
            found = Outcome(error=str(outcome)) if isinstance(outcome, Crashed) else outcome
            yield Evaluation(
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

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        found = {evaluation.identity: evaluation for evaluation in self.stream(architectures)}
        return [found[self.identity(architecture)] for architecture in architectures]

    def test(self, architecture: Architecture) -> float | None:
        """The test score of the final retraining; None without a test split, or when the training failed."""
        return self.retrained(architecture).value if self.has_test else None

    @property
    def has_test(self) -> bool:
        return _data(self.spec).test() is not None

    def retrained(self, architecture: Architecture) -> Outcome:
        """The final retraining: on all training images, for ``final_epochs``, with the weights that it ends with.

        Its value is the test score; without a test split, the score on the training images, which says little.
        """
        job = Job(self.spec, self.spec.space.canonical(architecture), final=True)
        ((_, outcome),) = self._workers([job])
        return Outcome(error=str(outcome)) if isinstance(outcome, Crashed) else outcome


class Job(NamedTuple):
    """One training: for the validation score, or the final one on all training images."""

    spec: TrainingSpec
    architecture: Architecture
    final: bool = False


@lru_cache(maxsize=4)
def workers(processes: int) -> Workers[Job, Outcome]:
    """The warm processes of this one: starting torch and reading the data costs seconds, once each."""
    return Workers(run, processes)


def run(job: Job) -> Outcome:
    """Trains one architecture, here and now."""
    from lapt.training.loop import Diverged, OutOfMemory

    recipe: Recipe | None = job.spec.final_recipe if job.final else job.spec.recipe
    failure = ""
    for _ in range(2):  # out of memory: once more, in half batches
        if recipe is None:
            break
        try:
            return _trained(job, recipe)
        except Diverged as error:
            return Outcome(error=str(error))
        except OutOfMemory as error:
            failure, recipe = str(error), recipe.halved()
    return Outcome(error=failure)


def _trained(job: Job, recipe: Recipe) -> Outcome:
    from lapt.networks import flops, parameters
    from lapt.training.data import split
    from lapt.training.loop import train

    spec, data, task = job.spec, _data(job.spec), task_of(job.spec)
    image_channels, *image_size = data.train.shape
    size = {"channels": spec.channels, "cells": spec.cells, "image_channels": image_channels}
    network = network_of(spec, job.architecture)
    training, validation = split(data.train, spec.validation_share, 0, limit=spec.training_images)
    if job.final:  # the search is over: nothing is held out any more
        training, validation = data.train, data.test() or data.train
    trained = train(network, task, training, validation, recipe, seed=spec.seed, device=spec.device)
    in_head = sum(parameter.numel() for parameter in network.head.parameters())
    return Outcome(
        trained.value,
        seconds=trained.seconds,
        parameters=parameters(spec.space, job.architecture, **size) + in_head,
        flops=flops(spec.space, job.architecture, **size, image_size=(image_size[0], image_size[1])),
        live_parameters=network.parameter_count,
        measures=trained.values,
        weights=_weights(network) if job.final else None,
    )


def network_of(spec: TrainingSpec, architecture: Architecture, weights: bytes | None = None) -> TaskNetwork:
    """The network of a canonical architecture as ``spec`` initialises it, or with ``weights`` (an Outcome's)."""
    import torch

    from lapt.networks import backbone
    from lapt.training.network import build

    task = task_of(spec)
    size = {"channels": spec.channels, "cells": spec.cells, "image_channels": task.shape[0]}
    network = build(lambda: backbone(spec.space, architecture, **size), task, seed=spec.seed)
    if weights is not None:
        network.load_state_dict(torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True))
    return network


def _weights(network: TaskNetwork) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save({name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}, buffer)
    return buffer.getvalue()


@lru_cache(maxsize=2)
def _loaded(data: str, root: str | None, size: int | None) -> DataSets:
    from lapt.training.sources import load_images

    return load_images(data, root, size=size)


def _data(spec: TrainingSpec) -> DataSets:
    return _loaded(spec.data, spec.root, spec.size)


@lru_cache(maxsize=8)
def task_of(spec: TrainingSpec) -> Task:
    """Raises DataError: data that are not there, a task that cannot be made of them."""
    from lapt.training.tasks import make_task

    return make_task(spec.task, _data(spec).train, score=spec.score)  # type: ignore[arg-type]
