"""The pace of trainings, measured where they will run: in the worker processes, side by side."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import NamedTuple

from lapt.evaluators.images import Outcome, TrainingSpec, data_of, sides_of, size_of_backbone, task_of, workers
from lapt.evaluators.training import network_of
from lapt.evaluators.workers import Crashed
from lapt.spaces import Architecture
from lapt.training import Recipe

AT_MOST = 8
"""Number of processes that measure one network at once: more of them would take longer and say the same."""


@dataclass(frozen=True)
class Pace:
    """The pace of one network: seconds of a step, of a validation image, and of what is done once a training.

    ``parameters``: those that are trained.
    """

    step: float
    image: float
    once: float
    parameters: int

    def training(self, recipe: Recipe, images: int, validation: int) -> float:
        """Seconds of a training on so many images."""
        from lapt.training.pace import steps_of

        steps = steps_of(images, recipe) * self.step
        again = steps / 3 if recipe.recalibrate_batch_norm else 0.0  # forward without backward
        return self.once + recipe.epochs * steps + again + validation * self.image


class Images(NamedTuple):
    """Numbers of images: of the search's trainings and validations, and of the final training and its test."""

    training: int
    validation: int
    every: int
    test: int


def images_of(spec: TrainingSpec, *, test: bool) -> Images:
    """The numbers of images. ``test``: count the test images, which reads them."""
    from lapt.data.images import limited, sides

    found, tested = data_of(spec), None
    if test:
        tested = found.test()
    if found.validation is None:
        training, validation = map(len, sides(found.train, spec.validation_share, 0, limit=spec.training_images))
    else:
        training, validation = len(limited(found.train, spec.training_images, 0)), len(found.validation)
    return Images(training, validation, len(found.train), 0 if tested is None else len(tested))


def paces(spec: TrainingSpec, architectures: Sequence[Architecture], processes: int) -> list[Pace | None]:
    """The pace of each architecture, with ``processes`` trainings side by side; None of one that cannot be trained."""
    canonical = map(spec.space.canonical, architectures)
    return _measured([partial(PaceJob, spec, architecture) for architecture in canonical], processes)


def supernet_pace(
    spec: TrainingSpec, members: Sequence[Architecture], calibration_images: int, processes: int
) -> tuple[Pace | None, float]:
    """(pace of a supernet over the whole space, seconds of an inherited score, with ``processes`` side by side)."""
    job = partial(SupernetPaceJob, spec, members[0], calibration_images)
    outcomes = [found for _, found in workers(processes)([job(), *[job(scores=True)] * min(processes, AT_MOST)])]
    done = [one for one in outcomes if not isinstance(one, Crashed) and one.error is None]
    scores = [one.measures["score"] for one in done if "score" in one.measures]
    return _pace([one for one in done if "step" in one.measures]), fmean(scores) if scores else 0.0


def _measured(jobs: Iterable[partial[PaceJob]], processes: int) -> list[Pace | None]:
    beside = min(processes, AT_MOST)
    return [_pace(list(_outcomes([job() for _ in range(beside)], processes))) for job in jobs]


def _outcomes(jobs: Sequence[PaceJob], processes: int) -> Iterator[Outcome]:
    for _, found in workers(processes)(jobs):
        if not isinstance(found, Crashed) and found.error is None:
            yield found


def _pace(outcomes: Sequence[Outcome]) -> Pace | None:
    if not outcomes:
        return None
    step, image, once = (fmean(one.measures[name] for one in outcomes) for name in ("step", "image", "once"))
    return Pace(step, image, once, outcomes[0].live_parameters or 0)


class PaceJob(NamedTuple):
    """A few steps of one training."""

    spec: TrainingSpec
    architecture: Architecture

    def run(self) -> Outcome:
        from lapt.networks.family import BuilderError
        from lapt.training.device import device_for
        from lapt.training.loop import OutOfMemory, train
        from lapt.training.pace import one_batch, one_step_an_epoch, seconds_of_image, seconds_of_step

        spec, recipe, device = self.spec, self.spec.recipe, device_for(self.spec.device)
        task, (training, validation) = task_of(spec), sides_of(spec, device)
        few = one_batch(training, recipe)

        try:
            network = network_of(spec, self.architecture, auxiliary=recipe.auxiliary > 0)
            trains = partial(train, network, task, few, few, one_step_an_epoch(recipe), seed=spec.seed, device=device)
            step = seconds_of_step(lambda on_epoch: trains(on_epoch=on_epoch))
            image = seconds_of_image(network, task, validation, recipe)
            began = time.perf_counter()
            network_of(spec, self.architecture, auxiliary=recipe.auxiliary > 0)
            size_of_backbone(spec, self.architecture, None)
        except (BuilderError, OutOfMemory) as error:
            return Outcome(error=str(error))
        measures = {"step": step, "image": image, "once": time.perf_counter() - began}
        return Outcome(live_parameters=network.parameter_count, measures=measures)


class SupernetPaceJob(NamedTuple):
    """A few steps of a supernet's training; or, with ``scores``, one score inherited from an untrained one."""

    spec: TrainingSpec
    architecture: Architecture
    calibration_images: int
    scores: bool = False

    def run(self) -> Outcome:
        from lapt.training.device import device_for
        from lapt.training.loop import Diverged, OutOfMemory, placed
        from lapt.training.pace import one_batch, one_step_an_epoch, seconds_of_image, seconds_of_step
        from lapt.training.supernet import TrainedSupernet

        spec, device = self.spec, device_for(self.spec.device)
        training, validation = sides_of(spec, device)
        recipe, began = one_step_an_epoch(spec.recipe), time.perf_counter()
        made = TrainedSupernet(spec.space, task_of(spec), recipe, seed=spec.seed, **spec.size_of_network)
        once = time.perf_counter() - began
        few = one_batch(training, recipe)
        try:
            if not self.scores:
                step = seconds_of_step(lambda on_epoch: made.train(few, few, device=device, on_epoch=on_epoch))
                image = seconds_of_image(made.network, task_of(spec), validation, recipe)
                measures = {"step": step, "image": image, "once": once}
                return Outcome(live_parameters=made.network.parameter_count, measures=measures)
            placed(made.network, device, recipe)
            began = time.perf_counter()
            made.score(self.architecture, training, validation, calibration_images=self.calibration_images)
            return Outcome(measures={"score": time.perf_counter() - began})
        except (Diverged, OutOfMemory) as error:
            return Outcome(error=str(error))
