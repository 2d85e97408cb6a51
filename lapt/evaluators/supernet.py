"""Scores with weights that architectures inherit from a supernet over the searched space."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lapt.base.digests import digest
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, OnEpoch, Prepared, Quantity
from lapt.evaluators.deployed import known_of
from lapt.evaluators.images import InWorkers, Outcome, TrainingSpec, data_of, sides_of, size_of_backbone, task_of
from lapt.evaluators.training import TrainingEvaluator
from lapt.spaces import Architecture, SearchSpace

if TYPE_CHECKING:
    from lapt.evaluation import Checkpoint
    from lapt.training.supernet import TrainedSupernet

VERSION = 1
"""Raise it by hand when the same specification would give another supernet. It is part of every key."""


@dataclass(frozen=True)
class Finished:
    """A trained supernet: digest of its weights, wall seconds of all attempts, mean loss of its last epoch.

    ``blob``: id of the stored weights.
    """

    digest: str
    seconds: float
    loss: float
    epochs: int
    parameters: int
    blob: str = ""


class Supernets(Protocol):
    """Store of supernets by key, the digest of everything that their training depends on."""

    def checkpoint(self, key: str) -> Checkpoint:
        """The checkpoint of a training."""
        ...

    def finished(self, key: str) -> Finished | None: ...

    def weights(self, finished: Finished) -> bytes: ...

    def finish(self, key: str, finished: Finished, weights: bytes) -> Finished:
        """Store a finished supernet. Returns the value of ``finished`` from now on."""
        ...


class SupernetEvaluator(InWorkers):
    """Trains one supernet over the searched space, once, then scores architectures with its weights.

    The supernet is trained in this process when it is first needed (``prepare``), with a checkpoint after each epoch. A
    finished one is read from ``supernets``. Scores are those of ``TrainedSupernet.score``, in worker processes. Two
    cells that compute the same function have different weights in a supernet, so ``identity`` is the exact string. The
    architecture found is trained from scratch by ``final``; without it there is no test score.
    """

    def __init__(
        self,
        spec: TrainingSpec,
        supernets: Supernets,
        *,
        searched: SearchSpace | None = None,
        after: SupernetEvaluator | None = None,
        calibration_images: int = 512,
        final: TrainingEvaluator | None = None,
        processes: int | None = None,
        latency: Quantity | None = None,
    ) -> None:
        """``searched``: spec.space or a smaller one. ``after``: evaluator whose supernet the new one starts from.
        ``latency``: as of ``TrainingEvaluator``."""
        super().__init__(spec, processes=processes)
        self.searched, self.after = searched or spec.space, after
        self.calibration_images, self.final = calibration_images, final
        self.supernets, self.latency = supernets, latency

    def within(self, space: SearchSpace, after: SupernetEvaluator | None) -> SupernetEvaluator:
        return SupernetEvaluator(
            self.spec,
            self.supernets,
            searched=space,
            after=after,
            calibration_images=self.calibration_images,
            final=self.final,
            processes=self._processes,
            latency=self.latency,
        )

    # --- the supernet ------------------------------------------------------------------------------------------------
    @cached_property
    def key(self) -> str:
        """Digest of everything that the supernet's training depends on."""
        data = data_of(self.spec).digest
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
        """Train or read the supernet. Raises LaptError if it cannot be built or its training diverges."""
        known = self.supernets.finished(self.key)
        found = known or self._trained(on_epoch)
        return Prepared(found.seconds, found.loss, found.epochs, found.parameters, fresh=known is None)

    def _trained(self, on_epoch: OnEpoch | None) -> Finished:
        from lapt.training.device import device_for

        device, epochs = device_for(self.spec.device), self.spec.recipe.epochs
        made = _built(self.spec, self.searched)
        if self.after is not None:
            before = _built(self.spec, self.after.searched)
            before.load(self.after._weights, device_for("cpu"))
            made.inherit(before)

        def heard(epoch: int, loss: float) -> None:
            if on_epoch is not None:
                on_epoch(epoch, epochs, loss)

        trained = made.train(
            *sides_of(self.spec, device),
            device=device,
            threads=1,  # the result must not depend on how many cores there are
            on_epoch=heard,
            checkpoint=self.supernets.checkpoint(self.key),
        )
        found = Finished(made.digest, trained.seconds, trained.losses[-1], epochs, trained.parameters)
        return self.supernets.finish(self.key, found, made.weights)

    @cached_property
    def _finished(self) -> Finished:
        self.prepare()
        found = self.supernets.finished(self.key)
        assert found is not None
        return found

    @cached_property
    def _weights(self) -> bytes:
        return self.supernets.weights(self._finished)

    # --- scores ------------------------------------------------------------------------------------------------------
    @cached_property
    def fingerprint(self) -> str:
        """Digest of the trained weights: scores of two supernets are never comparable. Trains the supernet."""
        parts = [self.key, self._finished.digest, self.calibration_images, VERSION]
        return "supernet:" + digest(parts)

    def identity(self, architecture: Architecture) -> str:
        inside = self.searched.contains(architecture)
        return self.spec.space.encode(self.searched.as_member(architecture) if inside else architecture)

    def check(self) -> None:
        """Raises LaptError for faults that would end a run after hours: those of a training, and of a supernet's
        own."""
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
        return Job(self.spec, self.searched, self._weights, self._finished.digest, self.calibration_images, member)

    # --- what was found ----------------------------------------------------------------------------------------------
    @property
    def has_test(self) -> bool:
        return self.final is not None and self.final.has_test

    @property
    def tested_on(self) -> int | None:
        return None if self.final is None else self.final.tested_on

    @property
    def noted(self) -> str:
        return self.final_evaluator.noted

    @property
    def final_fingerprint(self) -> str:
        return self.final_evaluator.final_fingerprint

    def retrained(
        self, architecture: Architecture, checkpoint: Checkpoint | None = None
    ) -> tuple[Evaluation, bytes | None]:
        """The final retraining, as in ``TrainingEvaluator``, by ``final``. Raises ConfigError without one."""
        return self.final_evaluator.retrained(architecture, checkpoint)

    def test(self, architecture: Architecture) -> float | None:
        return self.final_evaluator.test(architecture) if self.has_test else None

    def quantity(self, name: str, column: str | None = None) -> Quantity:
        """As of ``TrainingEvaluator``, of the final network; of one in the supernet's size without ``final``."""
        return known_of(self.spec if self.final is None else self.final.spec, self.latency, name, column)

    @property
    def final_evaluator(self) -> TrainingEvaluator:
        """The evaluator ``final``. Raises ConfigError without one."""
        if self.final is None:
            raise ConfigError("evaluator.final, to train what was found", "none", "declare it and run again")
        return self.final


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
"""Digest -> the supernet that this process used last."""


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
