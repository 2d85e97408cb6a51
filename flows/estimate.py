"""Estimate of a run before it begins: what it pays for, how long it takes, and how much it leaves on the disk.

Nothing is trained to its end, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from flows.build import reasoner_of
from flows.evaluators import evaluators_of, final_spec, planned, space_of, trained
from flows.sources import check_read, check_transferred, read_from
from lapt.errors import LaptError
from lapt.evaluation import Evaluator, Wrapping, quantity_of
from lapt.evaluators.config import ImagesEvaluation, TrainingEvaluation
from lapt.evaluators.deployed import LATENCY
from lapt.evaluators.hand_made import HAND_MADE
from lapt.evaluators.images import InWorkers, TrainingSpec
from lapt.evaluators.pace import Pace, images_of, paces, supernet_pace
from lapt.evaluators.supernet import SupernetEvaluator
from lapt.evaluators.training import TrainingEvaluator
from lapt.pipeline.config import Execution, Pipeline
from lapt.pipeline.constraints import feasible_of
from lapt.pipeline.limits import UNLIMITED
from lapt.pipeline.planned import Part
from lapt.pipeline.wording import lasting
from lapt.reasoning.config import asks_a_model
from lapt.search.loop import askable
from lapt.spaces import Architecture
from lapt.training import Recipe
from storage.store import Store

QUANTILES = (0.1, 0.5, 0.9)
"""Quantiles of the space's sizes at which networks are measured: small, median, large."""
SHARES = (0.3, 0.4, 0.3)
"""Weights of the values at these quantiles in the mean of a distribution (Swanson's rule; Hurst et al. 2000)."""
DRAWN, BUILT = 200, 40
"""Random architectures that tell a space's sizes, by a formula and where each is built."""
START, PROCESSES = 12.0, 8.0
"""Seconds of a run that trains nothing (Prefect, its server, its tasks), and of processes that start to train.

Measured on two busy cores: 8 s to the first stage of a run, 6 s to the first score after it, 4 s for learning.
"""
ROW, EMPTY = 12_000, 8_000_000
"""Bytes in the store of an evaluation (a score, a trial, its tasks in Prefect's database), and of a run without any."""


class Seconds(BaseModel):
    """An estimated duration in seconds, and its range."""

    model_config = ConfigDict(frozen=True)

    expected: float
    low: float
    high: float

    def plus(self, other: Seconds) -> Seconds:
        pairs = ((self.expected, other.expected), (self.low, other.low), (self.high, other.high))
        return Seconds(expected=sum(pairs[0]), low=sum(pairs[1]), high=sum(pairs[2]))

    def times(self, factor: float) -> Seconds:
        return Seconds(expected=self.expected * factor, low=self.low * factor, high=self.high * factor)

    @property
    def described(self) -> str:
        return f"about {lasting(self.expected)} ({lasting(self.low)} to {lasting(self.high)})"


def between(values: Sequence[float]) -> Seconds:
    """The mean over networks of which these are the small, the median and the large one.

    Its range: all of them between small and median, or all between median and large.
    """
    small, middle, large = values
    mean = float(np.dot(SHARES, values))
    return Seconds(expected=mean, low=min((small + middle) / 2, mean), high=max((middle + large) / 2, mean))


NONE = Seconds(expected=0, low=0, high=0)


class Estimated(BaseModel):
    """A part of a run, and its duration; None if it was not measured."""

    model_config = ConfigDict(frozen=True)

    part: Part
    seconds: Seconds | None


class Estimate(BaseModel):
    """The estimate of a run. ``basis``: sentences on what it rests on. ``disk_bytes``: weights and rows, roughly.

    ``cache_bytes``: of decoded images, which the estimate wrote to the cache, and the run reads; 0 if they were there
    before, or fit in memory.
    """

    model_config = ConfigDict(frozen=True)

    pipeline: str
    counted: str
    parts: tuple[Estimated, ...]
    seconds: Seconds | None
    basis: tuple[str, ...]
    disk_bytes: int
    cache_bytes: int = 0


def estimate(pipeline: Pipeline, execution: Execution, heard: Callable[[str], None] = lambda said: None) -> Estimate:
    """The estimate of a run on this machine. ``heard``: told what is measured.

    Raises LaptError as the run would, for a table, an image, a source or a key that is not there.
    """
    remarks = tuple(_remarks(pipeline, execution))
    execution = execution.model_copy(update={"dispatch": "inline", "replies": "replay"})
    before = _decoded(pipeline)
    space, store = space_of(pipeline), Store(execution.store)
    _, evaluator = evaluators_of(pipeline, execution, space, store)
    _, read = read_from(pipeline, execution, space, evaluator)
    check_read(pipeline, space, read)
    check_transferred(pipeline, space, read)
    reasoner_of(pipeline, execution, "none")
    parts, said = planned(pipeline, evaluator), trained(pipeline, evaluator)
    if not pipeline.evaluator.trains:
        return _of_look_ups(pipeline, parts)
    finals = {part.task for part in parts if part.purpose == "final training"}
    measured = {task: _Measured(pipeline, evaluator(task), heard, finals=task in finals) for task in pipeline.evaluated}
    of_parts = tuple(Estimated(part=part, seconds=_seconds(part, measured)) for part in parts)
    total = _whole(START + PROCESSES, of_parts)
    basis = tuple(line for task in measured.values() for line in task.basis)
    return Estimate(
        pipeline=pipeline.name,
        counted=said,
        parts=of_parts,
        seconds=total,
        basis=(*basis, *remarks),
        disk_bytes=EMPTY + sum(_bytes(part, measured) for part in parts),
        cache_bytes=sum(size for file, size in _decoded(pipeline).items() if file not in before),
    )


def _decoded(pipeline: Pipeline) -> dict[Path, int]:
    """File of the cache of decoded images -> its bytes; none where nothing is trained."""
    if not isinstance(pipeline.evaluator, ImagesEvaluation):
        return {}
    from lapt.data.stored import Cache

    held = Cache.of_user(pipeline.evaluator.max_cache).held
    return {file: size for file, (_, size) in held.items()}


def _of_look_ups(pipeline: Pipeline, parts: Sequence[Part]) -> Estimate:
    each = getattr(pipeline.evaluator, "seconds", None)
    found = []
    for part in parts:
        lasts = None if each is None or not part.paid else part.paid * each
        seconds = NONE if lasts is None else Seconds(expected=lasts, low=lasts, high=lasts)
        found.append(Estimated(part=part, seconds=seconds))
    total = _whole(START, found)
    kind = "predictions of a surrogate" if pipeline.evaluator.kind == "surrogate" else "look-ups in a table"
    looked_up = sum(part.looked_up + part.paid for part in parts)
    return Estimate(
        pipeline=pipeline.name,
        counted="nothing is trained",
        parts=tuple(found),
        seconds=total,
        basis=(f"{kind}: seconds in all, most of them for starting Prefect",),
        disk_bytes=EMPTY + looked_up * ROW // 2,
    )


def _whole(start: float, parts: Sequence[Estimated]) -> Seconds:
    """The duration of all parts, and of what a run takes besides, which may be half or twice as long."""
    total = Seconds(expected=start, low=start / 2, high=2 * start)
    for one in parts:
        total = total.plus(one.seconds or NONE)
    return total


def _remarks(pipeline: Pipeline, execution: Execution) -> Iterator[str]:
    """Sentences on what the estimate leaves out."""
    if execution.dispatch == "deployment":
        yield f"measured here, one machine's processes; the workers of the pool {execution.pool} have their own pace"
    if execution.final_processes > 1:
        yield "final trainings are counted as those of one process"
    if execution.limits != UNLIMITED:
        yield "a limit of the run may end it earlier"
    low, _, high = QUANTILES
    yield f"small and large: of all networks {low:.0%} have fewer multiply-adds, or {1 - high:.0%} have more"
    yield "scores that the store already has cost nothing, and are not taken off here"
    if LATENCY in (*pipeline.constraints, *pipeline.objectives):
        yield f"not in it: latencies, measured of {pipeline.latency.fit} networks first"
    if asks_a_model(pipeline.reasoner):
        yield "not in it: the calls of a language model"


def _seconds(part: Part, measured: dict[str, _Measured]) -> Seconds | None:
    if not part.paid:
        return NONE
    found = measured.get(part.task)
    return None if found is None else found.seconds(part)


def _bytes(part: Part, measured: dict[str, _Measured]) -> int:
    if part.purpose in ("final training", "supernet"):
        found = measured.get(part.task)
        weights = 0 if found is None else found.parameters(part)
        return part.paid * (4 * weights + ROW)
    return (part.paid + part.looked_up) * ROW


class _Measured:
    """The paces of a task's networks, each measured when it is first needed."""

    def __init__(self, pipeline: Pipeline, evaluator: Evaluator, heard: Callable[[str], None], *, finals: bool) -> None:
        """``finals``: whether its network is trained in the end."""
        inner = evaluator.evaluator if isinstance(evaluator, Wrapping) else evaluator
        assert isinstance(inner, InWorkers)
        self.pipeline, self.evaluator, self.heard, self.finals = pipeline, inner, heard, finals
        self.spec, self.beside = inner.spec, inner.side_by_side

    @cached_property
    def architectures(self) -> list[Architecture]:
        """A small, a median and a large one of the space, by multiply-adds; of what the constraints leave."""
        space, bounds = self.spec.space, self.pipeline.constraints
        sizes = quantity_of(self.evaluator, "multiply_adds")
        if bounds and LATENCY not in bounds and self.spec.name in self.pipeline.targets:
            feasible = feasible_of(bounds, space, self.evaluator)
            space = askable(space, self.evaluator, feasible=feasible)
        rng = np.random.default_rng(0)
        drawn = [space.sample(rng) for _ in range(DRAWN if sizes.quick else BUILT)]
        order = np.argsort(sizes.of(drawn), kind="stable")
        return [drawn[int(order[round(q * (len(drawn) - 1))])] for q in QUANTILES]

    @cached_property
    def of_trainings(self) -> list[Pace]:
        """Paces of small, median and large, side by side."""
        return self._paces(self.spec)

    @cached_property
    def of_finals(self) -> list[Pace]:
        if isinstance(self.evaluator, SupernetEvaluator):
            return self._paces(self._final_spec)
        return self.of_trainings

    @property
    def _final_spec(self) -> TrainingSpec:
        if isinstance(self.evaluator, SupernetEvaluator):
            return self.evaluator.final_evaluator.spec
        return self.spec

    @cached_property
    def of_supernet(self) -> tuple[Pace, float]:
        assert isinstance(self.evaluator, SupernetEvaluator)
        self.heard(f"measuring a few steps of a supernet on {self.spec.name}")
        calibration = self.evaluator.calibration_images
        pace, score = supernet_pace(self.spec, self.architectures, calibration, self.beside)
        if pace is None:
            raise _none_trains(self.spec)
        return pace, score

    def _paces(self, spec: TrainingSpec) -> list[Pace]:
        self.heard(f"measuring a few steps on {spec.name}: a small, a median and a large network")
        found = paces(spec, self.architectures, self.beside)
        known = [pace for pace in found if pace is not None]
        if not known:
            raise _none_trains(spec)
        return [pace or known[-1] for pace in found]

    def seconds(self, part: Part) -> Seconds:
        """The duration of a part on this task."""
        if part.purpose == "supernet":
            pace, _ = self.of_supernet
            images = images_of(self.spec, test=False)
            lasts = pace.training(self.spec.recipe, images.training, images.validation)
            return Seconds(expected=lasts, low=0.8 * lasts, high=1.25 * lasts).times(part.paid)
        if part.purpose == "final training":
            return self._final(part.method).times(part.paid)
        if isinstance(self.evaluator, SupernetEvaluator):
            _, score = self.of_supernet
            one = Seconds(expected=score, low=0.8 * score, high=1.25 * score)
        else:
            one = self._training()
        # The last of those that are asked for together may have the processes to themselves.
        rounds = -(-part.at_once // self.beside) / part.at_once
        return one.times(part.paid * rounds)

    def _training(self) -> Seconds:
        images = images_of(self.spec, test=False)
        recipe = self.spec.recipe
        return between([pace.training(recipe, images.training, images.validation) for pace in self.of_trainings])

    def _final(self, hand_made: str | None) -> Seconds:
        spec = self._final_spec
        images = images_of(spec, test=True)

        def lasts(pace: Pace) -> float:
            return pace.training(spec.final_recipe, images.every, images.test)

        if hand_made is None:
            return between([lasts(pace) for pace in self.of_finals])
        expected = lasts(self.of_hand_made[hand_made])
        return Seconds(expected=expected, low=0.8 * expected, high=1.25 * expected)

    @cached_property
    def of_hand_made(self) -> dict[str, Pace]:
        """Control -> the pace of that hand-made network."""
        pipeline = self.pipeline.hand_made
        assert pipeline is not None
        assert isinstance(pipeline.evaluator, TrainingEvaluation)
        space = space_of(pipeline)
        names = [name for name in self.pipeline.controls if name in HAND_MADE]
        self.heard(f"measuring a few steps on {self.spec.name}: {', '.join(names)}")
        spec = final_spec(pipeline.evaluator, space, self.spec.name, self.spec.device)
        found = paces(spec, [space.decode(name) for name in names], self.beside)
        if None in found:
            raise _none_trains(spec)
        return {name: pace for name, pace in zip(names, found, strict=True) if pace is not None}

    def parameters(self, part: Part) -> int:
        """Weights of a network that is kept."""
        if part.purpose == "supernet":
            return self.of_supernet[0].parameters
        if part.method is not None:
            return self.of_hand_made[part.method].parameters
        return max(pace.parameters for pace in self.of_finals)

    @property
    def basis(self) -> Iterator[str]:
        """Sentences on what was measured."""
        images, recipe = images_of(self.spec, test=False), self.spec.recipe
        beside = f"{self.beside} side by side" if self.beside > 1 else "one at a time"
        if isinstance(self.evaluator, TrainingEvaluator):
            yield f"{self._said(self.of_trainings, recipe, images.training)}, {beside} on {self.evaluator.device}"
        if isinstance(self.evaluator, SupernetEvaluator):
            pace, score = self.of_supernet
            yield f"{self._said([pace], recipe, images.training)}, on {self.evaluator.device}"
            yield f"{self.spec.name}: {score:.2g} s an inherited score, {beside}"
        if self.finals:
            yield f"{self._said(self.of_finals, self._final_spec.final_recipe, images.every)}, in the final training"

    def _said(self, of: Sequence[Pace], recipe: Recipe, images: int) -> str:
        from lapt.training.pace import steps_of

        steps, epochs = steps_of(images, recipe), recipe.epochs
        seconds = ", ".join(f"{pace.step:.2g}" for pace in of)
        networks = "the supernet" if len(of) == 1 else "a small, a median and a large network"
        lasts = f"{epochs} epoch{'s'[: epochs > 1]} of {steps} step{'s'[: steps > 1]}"
        return f"{self.spec.name}: {seconds} s a step ({networks}), {lasts} and a validation"


def _none_trains(spec: TrainingSpec) -> LaptError:
    return LaptError(
        f"a network of {spec.space.name} that can be trained on {spec.name}",
        "three that could not: out of memory, or not to be built",
        "use a smaller evaluator.recipe.batch_size or fewer evaluator.channels",
    )
