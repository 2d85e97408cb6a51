"""Scores from networks that are really trained."""

from __future__ import annotations

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
        return _task(self.spec).metric

    @cached_property
    def fingerprint(self) -> str:
        spec, data = self.spec, _data(self.spec).train
        parts = spec.model_dump(mode="json", include={"channels", "cells", "validation_share", "training_images"})
        return "training:" + digest(
            {**parts, **_task(spec).settings, "recipe": spec.recipe.digest, "data": data.digest, "version": VERSION}
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
        """Trained again on all training images, for ``final_epochs``, scored on the test split; None without one."""
        if _data(self.spec).test() is None:
            return None
        job = Job(self.spec, self.spec.space.canonical(architecture), test=True)
        ((_, outcome),) = self._workers([job])
        return None if isinstance(outcome, Crashed) else outcome.value


class Job(NamedTuple):
    """One training: for the validation score, or on all training images for the test score."""

    spec: TrainingSpec
    architecture: Architecture
    test: bool = False


@lru_cache(maxsize=4)
def workers(processes: int) -> Workers[Job, Outcome]:
    """The warm processes of this one: starting torch and reading the data costs seconds, once each."""
    return Workers(run, processes)


def run(job: Job) -> Outcome:
    """Trains one architecture, here and now."""
    from lapt.training.loop import Diverged, OutOfMemory

    recipe: Recipe | None = job.spec.recipe
    if job.test and job.spec.final_epochs is not None:
        recipe = job.spec.recipe.model_copy(update={"epochs": job.spec.final_epochs})
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
    from lapt.networks import backbone, flops, parameters
    from lapt.training.data import split
    from lapt.training.loop import train
    from lapt.training.network import build

    spec, data, task = job.spec, _data(job.spec), _task(job.spec)
    image_channels, *image_size = data.train.shape
    size = {"channels": spec.channels, "cells": spec.cells, "image_channels": image_channels}
    network = build(lambda: backbone(spec.space, job.architecture, **size), task, seed=spec.seed)
    training, validation = split(data.train, spec.validation_share, 0, limit=spec.training_images)
    test = data.test() if job.test else None
    if test is not None:
        training, validation = data.train, test  # the search is over: nothing is held out any more
    trained = train(network, task, training, validation, recipe, seed=spec.seed, device=spec.device)
    in_head = sum(parameter.numel() for parameter in network.head.parameters())
    return Outcome(
        trained.value,
        seconds=trained.seconds,
        parameters=parameters(spec.space, job.architecture, **size) + in_head,
        flops=flops(spec.space, job.architecture, **size, image_size=(image_size[0], image_size[1])),
        live_parameters=network.parameter_count,
        measures=trained.values,
    )


@lru_cache(maxsize=2)
def _loaded(data: str, root: str | None, size: int | None) -> DataSets:
    from lapt.training.sources import load_images

    return load_images(data, root, size=size)


def _data(spec: TrainingSpec) -> DataSets:
    return _loaded(spec.data, spec.root, spec.size)


@lru_cache(maxsize=8)
def _task(spec: TrainingSpec) -> Task:
    from lapt.training.tasks import make_task

    return make_task(spec.task, _data(spec).train, score=spec.score)  # type: ignore[arg-type]
