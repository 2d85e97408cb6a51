"""Measurement of the pace of a training: a few of its steps, on its own images."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from statistics import median

import torch

from lapt.data.images import ImageData
from lapt.training.loop import Diverged, evaluate, parts
from lapt.training.network import TaskNetwork
from lapt.training.recipe import Recipe
from lapt.training.tasks import Task

WARM = 2
"""Steps that are not timed: the first ones choose kernels and allocate memory."""
TIMED = 5
LONGEST = 20.0
"""Seconds after which no further step is measured."""

OnEpoch = Callable[[int, float], None]


def steps_of(images: int, recipe: Recipe) -> int:
    """Steps of an epoch on so many images."""
    return parts(images, -(-images // recipe.batch_size))


def one_step_an_epoch(recipe: Recipe) -> Recipe:
    """The recipe of a measurement, for images of one batch."""
    return recipe.model_copy(update={"epochs": WARM + TIMED, "recalibrate_batch_norm": False})


def one_batch(data: ImageData, recipe: Recipe) -> ImageData:
    """As many of the images as a step takes."""
    return data.subset(torch.arange(max(1, len(data) // steps_of(len(data), recipe))))


def seconds_of_step(train: Callable[[OnEpoch], object]) -> float:
    """The median time of a step. ``train`` trains by ``one_step_an_epoch``, and calls its argument after each.

    After ``LONGEST`` seconds the last step counts, even if it is the first.
    """
    began = time.perf_counter()
    ends = [began]

    def heard(_: int, __: float) -> None:
        ends.append(time.perf_counter())
        if len(ends) > WARM + TIMED or ends[-1] - began > LONGEST:
            raise _Enough

    with suppress(_Enough, Diverged):
        train(heard)
    lasted = [end - start for start, end in pairwise(ends)]
    return median(lasted[WARM:] or lasted[-1:] or [time.perf_counter() - began])


class _Enough(Exception):
    """The end of a measurement."""


def seconds_of_image(network: TaskNetwork, task: Task, validation: ImageData, recipe: Recipe) -> float:
    """The time of one validation image, from a few batches, the second time that they are scored."""
    few = validation.subset(torch.arange(min(len(validation), 8 * recipe.batch_size)))
    seconds = 0.0
    for _ in range(2):
        began = time.perf_counter()
        with suppress(Diverged):  # after all images
            evaluate(network, task, few, recipe)
        seconds = time.perf_counter() - began
        if seconds > LONGEST:
            break
    return seconds / len(few)
