"""Scores with weights that architectures inherit from a supernet over the space that is searched."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from lapt.digests import digest
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, OnEpoch, Prepared
from lapt.evaluators.images import TrainingSpec, data_of, sides_of, size_of_backbone, task_of
from lapt.evaluators.in_workers import InWorkers, Outcome
from lapt.evaluators.training import TrainingEvaluator
from lapt.spaces import Architecture, SearchSpace

if TYPE_CHECKING:
    from lapt.training.checkpoint import Checkpoint
    from lapt.training.supernet import TrainedSupernet

VERSION = 1
"""Raised by hand when the same specification would give another supernet; part of every key."""

Checkpoints = Callable[[str], "Checkpoint"]
"""Digest of all that a training is -> where it keeps how far it is."""


class SupernetEvaluator(InWorkers):
    """Trains one supernet over the space that is searched, once, then scores what inherits from it.

    The supernet is trained in this process when it is first needed (``prepare``), an epoch at a time by its checkpoint;
    a finished one is read from there. Scores are of ``TrainedSupernet.score``, in worker processes. Two cells that
    compute the same function have weights of their own in a supernet: ``identity`` is the exact string. What is found
    is trained from scratch by ``final``; without it there is no test score.
    """

    def __init__(
        self,
        spec: TrainingSpec,
        checkpoints: Checkpoints,
        *,
        searched: SearchSpace | None = None,
        after: SupernetEvaluator | None = None,
        calibration_images: int = 512,
        final: TrainingEvaluator | None = None,
        processes: int | None = None,
    ) -> None:
        """``searched``: spec.space or a smaller one. ``after``: whose supernet the new one starts from."""
        super().__init__(spec, processes=processes)
        self.searched, self.after = searched or spec.space, after
        self.calibration_images, self.final = calibration_images, final
        self._checkpoints = checkpoints
        self._supernet: _Supernet | None = None

    def within(self, space: SearchSpace, after: SupernetEvaluator | None) -> SupernetEvaluator:
        return SupernetEvaluator(
            self.spec,
            self._checkpoints,
            searched=space,
            after=after,
            calibration_images=self.calibration_images,
            final=self.final,
            processes=self._processes,
        )

    # --- the supernet ------------------------------------------------------------------------------------------------
    @cached_property
    def key(self) -> str:
        """Digest of everything that the supernet's training depends on."""
        data = data_of(self.spec).train.digest
        return digest(
            {
                **self.spec.settings(),
                "space": self.searched.model_dump(mode="json"),
                "recipe": self.spec.recipe.digest,
                "seed": self.spec.seed,
                "data": data,
                "after": None if self.after is None else self.after.key,
                "version": VERSION,
            }
        )

    def prepare(self, on_epoch: OnEpoch | None = None) -> Prepared:
        """Raises LaptError where the supernet cannot be built or its training diverges."""
        if self._supernet is None:
            self._supernet = self._trained(on_epoch)
        return self._supernet.told

    def _trained(self, on_epoch: OnEpoch | None) -> _Supernet:
        from lapt.training.device import device_for

        device, epochs = device_for(self.spec.device), self.spec.recipe.epochs
        made = _built(self.spec, self.searched)
        if self.after is not None:
            before = _built(self.spec, self.after.searched)
            before.load(self.after._prepared.weights, device_for("cpu"))
            made.inherit(before)
        found = made.train(
            *sides_of(self.spec, device),
            device=device,
            threads=1,  # the result must not depend on how many cores there are
            on_epoch=on_epoch and (lambda epoch, loss: on_epoch(epoch, epochs, loss)),
            checkpoint=self._checkpoints(self.key),
        )
        told = Prepared(found.seconds, found.losses[-1], epochs, found.parameters)
        return _Supernet(made.weights, made.digest, told)

    @property
    def _prepared(self) -> _Supernet:
        self.prepare()
        assert self._supernet is not None
        return self._supernet

    # --- scores ------------------------------------------------------------------------------------------------------
    @cached_property
    def fingerprint(self) -> str:
        """Of the trained weights: scores of two supernets are not comparable, however they came to be. Trains."""
        parts = [self.key, self._prepared.digest, self.calibration_images, VERSION]
        return "supernet:" + digest(parts)

    def identity(self, architecture: Architecture) -> str:
        inside = self.searched.contains(architecture)
        return self.spec.space.encode(self.searched.as_member(architecture) if inside else architecture)

    def check(self) -> None:
        """Raises LaptError for what would end a run after hours: as a training's, and what a supernet has not."""
        recipe = self.spec.recipe
        TrainingEvaluator(self.spec.model_copy(update={"recipe": recipe.model_copy(update={"auxiliary": 0.0})})).check()
        # Compiling would start anew for every path.
        for name in ("auxiliary", "drop_path", "compile"):
            if getattr(recipe, name):
                raise ConfigError(
                    f"no recipe.{name} of a supernet", f"{getattr(recipe, name)}", "say it in evaluator.final.recipe"
                )
        size_of_backbone(self.spec, next(self.spec.space.members()), None)
        if self.final is not None:
            self.final.check()

    def _job(self, architecture: Architecture) -> Job:
        member = self.searched.as_member(architecture)
        found = self._prepared
        return Job(self.spec, self.searched, found.weights, found.digest, self.calibration_images, member)

    # --- what was found ----------------------------------------------------------------------------------------------
    @property
    def has_test(self) -> bool:
        return self.final is not None and self.final.has_test

    @property
    def final_fingerprint(self) -> str:
        return self.final_evaluator.final_fingerprint

    def retrained(
        self, architecture: Architecture, checkpoint: Checkpoint | None = None
    ) -> tuple[Evaluation, bytes | None]:
        """As of ``TrainingEvaluator``, by ``final``. Raises ConfigError without one."""
        return self.final_evaluator.retrained(architecture, checkpoint)

    def test(self, architecture: Architecture) -> float | None:
        return self.final_evaluator.test(architecture) if self.has_test else None

    @property
    def final_evaluator(self) -> TrainingEvaluator:
        """Raises ConfigError without one."""
        if self.final is None:
            raise ConfigError("evaluator.final, to train what was found", "none", "declare it and run again")
        return self.final


@dataclass(frozen=True)
class _Supernet:
    weights: bytes
    digest: str
    told: Prepared


class Job(NamedTuple):
    """One score. ``weights``, ``digest``: of the supernet over ``searched``."""

    spec: TrainingSpec
    searched: SearchSpace
    weights: bytes
    digest: str
    calibration_images: int
    architecture: Architecture

    def run(self) -> Outcome:
        from lapt.training.device import device_for
        from lapt.training.loop import Diverged, OutOfMemory

        device = device_for(self.spec.device)
        supernet = _supernet_of(self)
        sides = sides_of(self.spec, device)
        task = task_of(self.spec)
        classes = len(task.classes) if task.name == "classification" else None
        parameters, flops = size_of_backbone(self.spec, self.architecture, classes)
        began = time.perf_counter()
        try:
            found = supernet.score(self.architecture, *sides, calibration_images=self.calibration_images)
        except (Diverged, OutOfMemory) as error:
            return Outcome(error=str(error), seconds=time.perf_counter() - began)
        seconds = time.perf_counter() - began
        return Outcome(found.value, seconds=seconds, parameters=parameters, flops=flops, measures=found.values)


_kept: dict[str, TrainedSupernet] = {}
"""Digest -> the supernet that this process scored with last."""


def _supernet_of(job: Job) -> TrainedSupernet:
    from lapt.training.device import device_for

    if job.digest not in _kept:
        supernet = _built(job.spec, job.searched)
        supernet.load(job.weights, device_for(job.spec.device))
        _kept.clear()
        _kept[job.digest] = supernet
    return _kept[job.digest]


def _built(spec: TrainingSpec, searched: SearchSpace) -> TrainedSupernet:
    from lapt.training.supernet import TrainedSupernet

    return TrainedSupernet(searched, task_of(spec), spec.recipe, seed=spec.seed, **spec.size_of_network)
