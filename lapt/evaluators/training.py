"""Scores from networks that are really trained."""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Callable
from functools import cached_property, partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from lapt.base.digests import digest
from lapt.errors import ConfigError, DataError
from lapt.evaluation import Evaluation, Quantity
from lapt.evaluators.deployed import known_of
from lapt.evaluators.images import (
    InWorkers,
    Outcome,
    TrainingSpec,
    data_of,
    doubts_of,
    sides_of,
    size_of_backbone,
    task_of,
    workers,
)
from lapt.evaluators.workers import Crashed
from lapt.spaces import Architecture
from lapt.training import Recipe

if TYPE_CHECKING:
    from lapt.evaluation import Checkpoint, Checkpoints
    from lapt.training.distributed import Rank
    from lapt.training.network import TaskNetwork
    from lapt.training.tasks import Task

VERSION = 2
"""Raise it by hand when the same specification would give other scores. It is part of every fingerprint."""


class TrainingEvaluator(InWorkers):
    """Trains each architecture's canonical representative from scratch and scores it on the validation split.

    Failures come back as failed evaluations: a loss that is not finite, out of memory even at half the batch, a process
    that died, a network that its builder cannot build.
    """

    def __init__(
        self,
        spec: TrainingSpec,
        *,
        processes: int | None = None,
        latency: Quantity | None = None,
        until: int | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        """``latency``: of deployed networks, if constraints or objectives may name it. ``until``, ``checkpoints``: as
        of ``at``."""
        super().__init__(spec, processes=processes)
        self.latency = latency
        self._until = None if until == spec.recipe.epochs else until
        self._checkpoints = checkpoints

    @cached_property
    def fingerprint(self) -> str:
        return self._fingerprint(self.spec.recipe, **({} if self._until is None else {"until": f"{self._until}"}))

    @property
    def epochs(self) -> int:
        """Epochs of the recipe."""
        return self.spec.recipe.epochs

    def at(self, epochs: int, checkpoints: Checkpoints | None = None) -> TrainingEvaluator:
        """The evaluator that stops the same training after so many epochs (``lapt.evaluation.Stops``).

        The learning rate falls as over all epochs of the recipe. Raises ConfigError for more epochs than it has.
        """
        if not 1 <= epochs <= self.epochs:
            raise ConfigError(f"a rung of 1 to {self.epochs} epochs, as recipe.epochs says", f"{epochs}", "change it")
        return TrainingEvaluator(
            self.spec, processes=self._processes, latency=self.latency, until=epochs, checkpoints=checkpoints
        )

    @cached_property
    def final_fingerprint(self) -> str:
        """Fingerprint of final retrainings and their test scores. Reads the test images."""
        test = data_of(self.spec).test()
        return self._fingerprint(self.spec.final_recipe, test=None if test is None else test.digest)

    def _fingerprint(self, recipe: Recipe, **more: str | None) -> str:
        known = {"recipe": recipe.digest, "data": data_of(self.spec).digest, "version": VERSION}
        return "training:" + digest({**self.spec.settings(), **known, **more})

    def check(self) -> None:
        """Raises LaptError for faults that would end a run after hours: no such device, too few images, a broken test
        image.

        It reads the test images only as a check; the final report alone uses them.
        """
        from lapt.networks.family import networks_of
        from lapt.training.device import device_for
        from lapt.training.distributed import check_processes

        device_for(self.spec.device)
        if self.spec.final_processes > 1:
            check_processes(self.spec.final_processes, self.spec.device, _smallest_batch(self.spec))
        for doubt in doubts_of(self.spec):
            warnings.warn(doubt, stacklevel=2)
        networks = networks_of(self.spec.space)
        networks.check(self.spec.network_size())
        if self.spec.recipe.drop_path and not networks.drops_paths:
            raise ConfigError("DARTS cells, for recipe.drop_path", self.spec.space.name, "say recipe.drop_path: 0")
        if self.spec.recipe.auxiliary:
            network_of(self.spec, next(self.spec.space.members()), auxiliary=True)

    def identity(self, architecture: Architecture) -> str:
        return self.spec.space.encode(self.spec.space.canonical(architecture))

    def test(self, architecture: Architecture) -> float | None:
        """The test score of the final retraining; None without a test split, or when the training failed."""
        return self.retrained(architecture)[0].value if self.has_test else None

    @property
    def has_test(self) -> bool:
        return self.tested_on is not None

    @property
    def tested_on(self) -> int | None:
        test = data_of(self.spec).test()
        return None if test is None else len(test)

    @property
    def noted(self) -> str:
        return data_of(self.spec).noted(self.spec.data).as_json

    def retrained(
        self, architecture: Architecture, checkpoint: Checkpoint | None = None
    ) -> tuple[Evaluation, bytes | None]:
        """The final retraining, on all training images, for ``final_epochs``, with the final state dict.

        Its value is the test score; without a test split, the score on the training images, which says little.
        ``checkpoint``: written after every epoch and resumed from; it travels to another process.
        """
        job = self._job(architecture, final=True, checkpoint=checkpoint)
        outcome: Outcome | Crashed
        if self.spec.final_processes > 1:
            outcome = _twice(self.spec.final_recipe, partial(_together, job))
        else:
            ((_, outcome),) = self._workers([job])
        return self._evaluation(architecture, outcome), None if isinstance(outcome, Crashed) else outcome.weights

    def backbone_size(self, architecture: Architecture) -> tuple[int, int]:
        """Parameters and flops (multiply-adds of one image) of the published network, without the task's head."""
        return size_of_backbone(self.spec, architecture, None)

    def quantity(self, name: str, column: str | None = None) -> Quantity:
        """``parameters`` or ``multiply_adds`` of the network that is deployed (``lapt.evaluators.deployed``), or its
        ``latency_ms`` where one is given."""
        return known_of(self.spec, self.latency, name, column)

    def _job(self, architecture: Architecture, final: bool = False, checkpoint: Checkpoint | None = None) -> Job:
        canonical = self.spec.space.canonical(architecture)
        if not final and self._checkpoints is not None:
            checkpoint = self._checkpoints(self.identity(architecture))
        return Job(self.spec, canonical, data_of(self.spec).digest, final, checkpoint, None if final else self._until)


class Job(NamedTuple):
    """One training: for the validation score, or the final one on all training images.

    ``data``: digest of the training images to which the score will belong in the store. ``until``: the number of epochs
    after which it stops; None for all of the recipe.
    """

    spec: TrainingSpec
    architecture: Architecture
    data: str
    final: bool = False
    checkpoint: Checkpoint | None = None
    until: int | None = None

    def run(self) -> Outcome:
        """Train in this process. Raises DataError when the images are no longer those of the job."""
        return _twice(self.spec.final_recipe if self.final else self.spec.recipe, partial(_trained, self))


class Share(NamedTuple):
    """The part of one of several processes in a final training."""

    job: Job
    recipe: Recipe
    rank: Rank

    def run(self) -> Outcome:
        """Train with the other processes. The outcome of the first one counts. Raises what ends a training."""
        return _trained(self.job, self.recipe, self.rank)


T = TypeVar("T")


def _twice(recipe: Recipe, trained: Callable[[Recipe], T]) -> T | Outcome:
    """The result of ``trained``, or of a second try in half batches if the memory does not suffice.

    A training that fails has an outcome too.
    """
    from lapt.networks.family import BuilderError
    from lapt.training.loop import Diverged, OutOfMemory

    began, failure, tried = time.perf_counter(), "", [recipe, recipe.halved()]
    for one in tried:
        if one is None:
            break
        try:
            return trained(one)
        except (Diverged, BuilderError) as error:
            return Outcome(error=str(error), seconds=time.perf_counter() - began)
        except OutOfMemory as error:
            failure = str(error)
    return Outcome(error=failure, seconds=time.perf_counter() - began)


def _together(job: Job, recipe: Recipe) -> Outcome | Crashed:
    """The final training by several processes. When one dies, all go on from the checkpoint, once."""
    from lapt.training.distributed import Rank

    processes = job.spec.final_processes

    def tried() -> Outcome | Crashed:
        with TemporaryDirectory(prefix="lapt-") as folder:
            ranks = [Rank(number, processes, f"{folder}/meeting") for number in range(processes)]
            found = workers(processes).together([Share(job, recipe, rank) for rank in ranks])
        return found if isinstance(found, Crashed) else found[0]

    found = tried()
    return tried() if isinstance(found, Crashed) else found


def _trained(job: Job, recipe: Recipe, rank: Rank | None = None) -> Outcome:
    from lapt.training.device import device_for
    from lapt.training.distributed import ALONE
    from lapt.training.loop import train

    if data_of(job.spec).digest != job.data:
        raise DataError(f"{job.spec.data} as it was when this began", "other images", "start again: nothing is lost")
    began, rank = time.perf_counter(), rank or ALONE
    spec, task = job.spec, task_of(job.spec)
    network = network_of(spec, job.architecture, auxiliary=recipe.auxiliary > 0)
    device = device_for(spec.device)
    training, validation = sides_of(spec, device, final=job.final)
    preparing = rank.of * (time.perf_counter() - began)
    trained = train(
        network,
        task,
        training,
        validation,
        recipe,
        seed=spec.seed,
        device=device,
        checkpoint=job.checkpoint,
        until=job.until,
        rank=rank,
    )
    network.auxiliary = None  # it has done its work
    # Of the flops of heads, a linear classifier's are counted, as published; a decoder's are not.
    classes = len(task.classes) if task.name == "classification" else None
    parameters, flops = size_of_backbone(spec, job.architecture, classes)
    if task.name != "classification":
        parameters += sum(parameter.numel() for parameter in network.head.parameters())
    return Outcome(
        trained.value,
        seconds=preparing + trained.seconds,
        parameters=parameters,
        flops=flops,
        live_parameters=network.parameter_count,
        measures=trained.values,
        weights=_weights(network) if job.final and rank.leads else None,
    )


def _smallest_batch(spec: TrainingSpec) -> int:
    """Number of images in the smallest batch of the final training."""
    from lapt.training.pace import steps_of

    images = len(data_of(spec).train)
    return images // steps_of(images, spec.final_recipe)


def network_of(
    spec: TrainingSpec,
    architecture: Architecture,
    weights: bytes | None = None,
    *,
    auxiliary: bool = False,
    task: Task | None = None,
) -> TaskNetwork:
    """The network of a canonical architecture, initialised as ``spec`` says, or with ``weights`` (an Outcome's).

    ``auxiliary``: with a second head, for training. ``task``: the one of ``spec``, if it is known without the images.
    Raises LaptError if it cannot be built.
    """
    import torch

    from lapt.networks.family import networks_of
    from lapt.training.network import build

    task = task or task_of(spec)
    networks, size = networks_of(spec.space), spec.network_size(task.shape)
    network = build(lambda: networks.backbone(architecture, size), task, seed=spec.seed, auxiliary=auxiliary)
    if weights is not None:
        network.load_state_dict(torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True))
    return network


def _weights(network: TaskNetwork) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save({name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}, buffer)
    return buffer.getvalue()
