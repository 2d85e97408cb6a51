"""The training loop, and the evaluation of a trained network: one of each for every task, recipe and device."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel

from lapt.data.images import ImageData
from lapt.errors import LaptError
from lapt.evaluation import Checkpoint, Metric
from lapt.latency.quiet import pause, working
from lapt.training.augment import Augmenter
from lapt.training.checkpoint import chance, read, restore, written
from lapt.training.device import DeviceError, device_for, has_bfloat16, with_threads
from lapt.training.distributed import ALONE, Forward, Rank
from lapt.training.meters import MeanLoss
from lapt.training.network import TaskNetwork
from lapt.training.recipe import Recipe
from lapt.training.tasks import Task

VALIDATION_SEED = 0
"""Seed of the rotations and permutations of validation images: the same for every architecture and training seed."""


class Diverged(LaptError):
    """The loss became infinite or NaN. Training again with the same seed would end the same way."""


class OutOfMemory(LaptError):
    """The device's memory did not suffice. A new network may fit with ``recipe.halved()``."""


@dataclass(frozen=True)
class Measured:
    """A score. ``value``: in the unit and direction of ``metric``; ``values``: metric and loss by name."""

    value: float
    metric: Metric
    values: Mapping[str, float]


@dataclass(frozen=True)
class Trained(Measured):
    """The result of a training, measured on the validation images.

    ``losses``: mean training loss of each epoch. ``seconds``: wall time of training and validation, with that of
    attempts before a checkpoint. ``parameters``: of backbone and head.
    """

    losses: tuple[float, ...]
    seconds: float
    parameters: int
    epochs: int


def train(
    network: TaskNetwork,
    task: Task,
    train: ImageData,
    validation: ImageData,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device | str = "auto",
    threads: int | None = 1,
    on_epoch: Callable[[int, float], None] | None = None,
    checkpoint: Checkpoint | None = None,
    until: int | None = None,
    rank: Rank = ALONE,
) -> Trained:
    """Train ``network`` in place, on ``device``, and score it on the validation images.

    ``seed`` decides the order of images, their augmentation and any dropout; the network is initialised before
    (``build``). With one thread on a CPU the same seed gives the same score, bit by bit, in every process.
    ``on_epoch(epoch, loss)``: called after epochs 1, 2, ... ``checkpoint``: written after each epoch, and resumed from
    if it holds a state; the result is that of an undisturbed training. ``until``: the score after so many epochs of the
    recipe, whose schedule stays that of all its epochs; a later call with the same checkpoint goes on from there.
    ``rank``: of this process among several that call this alike and train one network; the first has the score.
    Torch's global generator stays as it was. Raises DataError before training, Diverged, OutOfMemory.
    """
    task.check(train)
    task.check(validation)
    device = device_for(device) if isinstance(device, str) else device
    spent, until = _Stopwatch(rank.of), until or recipe.epochs
    with controlled(device, threads, pauses=rank.leads), torch.random.fork_rng(_gpus(device)):
        torch.manual_seed(seed)
        network.normalise_by(*train.statistics)
        placed(network, device, recipe)
        losses = tuple(_epochs(network, task, train.to(device), recipe, seed, until, spent, on_epoch, checkpoint, rank))
        nothing = Measured(math.nan, task.metric, {})
        measured = evaluate(network, task, validation, recipe, threads=threads) if rank.leads else nothing
    parameters = network.parameter_count
    return Trained(measured.value, measured.metric, measured.values, losses, spent.seconds, parameters, until)


class _Stopwatch:
    """Wall time of ``processes``. ``before``: of earlier attempts."""

    def __init__(self, processes: int) -> None:
        self.before, self._started, self._processes = 0.0, time.perf_counter(), processes

    @property
    def seconds(self) -> float:
        return self.before + self._processes * (time.perf_counter() - self._started)


def evaluate(
    network: TaskNetwork,
    task: Task,
    data: ImageData,
    recipe: Recipe,
    *,
    seed: int = VALIDATION_SEED,
    threads: int | None = 1,
) -> Measured:
    """The network's score on ``data``, on the network's device, in float32, without augmentation.

    ``seed`` draws the example for each image. Of the recipe only batch size and memory format matter. Raises DataError,
    Diverged (a score that is not finite), OutOfMemory.
    """
    task.check(data)
    device = network.mean.device
    data = data.to(device)
    drawn = task.draw(len(data), torch.Generator().manual_seed(seed)).to(device)
    given = task.given(data)
    meters, loss = task.meters(), MeanLoss()
    size = 4 * (recipe.batch_size // recipe.accumulation)  # no activations are kept: more fit than in training
    network.eval()
    with controlled(device, threads), torch.inference_mode():
        for at in torch.arange(len(data), device=device).split(size):  # type: ignore[no-untyped-call]
            pause()
            inputs, target = task.example(data.images[at].float() / 255, given[at], drawn[at])
            output = network(formatted(inputs, recipe))
            for meter in meters.values():
                meter.update(output, target)
            loss.update(task.loss(output, target), len(at))
        values = {task.loss_name: loss.value()} | {name: meter.value() for name, meter in meters.items()}
    value = values[task.metric.name]
    if not math.isfinite(value) or not math.isfinite(values[task.loss_name]):
        raise diverged(f"a {task.metric.name} of {value} on {data.name}")
    return Measured(value, task.metric, values)


def _epochs(
    network: TaskNetwork,
    task: Task,
    data: ImageData,
    recipe: Recipe,
    seed: int,
    until: int,
    spent: _Stopwatch,
    on_epoch: Callable[[int, float], None] | None,
    checkpoint: Checkpoint | None,
    rank: Rank,
) -> Iterator[float]:
    """The mean training loss of each epoch."""
    device = data.device
    # Drawn on the CPU, an epoch at a time: the same on every device, and one transfer.
    generator = torch.Generator().manual_seed(seed)
    augmenter = Augmenter(recipe.augmentation, task)
    grey = network.mean.flatten()
    given = task.given(data)
    optimiser = optimiser_of(network, recipe)
    average = averaged(network, recipe.average) if recipe.average else None
    forward, loss_of, mix = _forward(network, recipe), task.training_loss(data, recipe), task.mixer(recipe)
    half = _half(recipe, device)
    # Sizes differ by one image at most: no image is dropped, and no batch is too small for BatchNorm.
    steps = parts(len(data), math.ceil(len(data) / recipe.batch_size))
    losses: list[float] = []
    stood = None if checkpoint is None else checkpoint.load()
    state = None if stood is None else read(stood)
    if state is not None and len(state["losses"]) <= until:  # a later state says nothing of an earlier epoch
        restore(state, network, optimiser, generator, device)
        if average is not None:
            average.load_state_dict(state["average"])
        losses, spent.before = list(state["losses"]), state["seconds"]
    rank.join(device)
    forward = rank.wrapped(network, forward, device)
    yield from losses
    for epoch in range(len(losses), until):
        network.train()
        rank.seed(seed, epoch)
        _drop_paths(network, recipe.drop_path * epoch / recipe.epochs)
        order = task.order(data, recipe, generator).to(device)
        draws = augmenter.draw(len(data), generator).to(device)
        drawn = task.draw(len(data), generator).to(device)
        mean = MeanLoss()
        for step, batch in enumerate(order.tensor_split(steps)):
            rank.pause()
            for group in optimiser.param_groups:
                group["lr"] = recipe.learning_rate * rate(recipe, step, epoch, steps)
            optimiser.zero_grad(set_to_none=True)
            # As many parts in every process, since a part is a step of DistributedDataParallel.
            for at in rank.share(batch).tensor_split(parts(len(batch) // rank.of, recipe.accumulation)):
                images = augmenter.apply(data.images[at], draws.at(at), grey)
                inputs, target = task.example(images, given[at], drawn[at])
                if mix is not None:
                    inputs, target = mix(inputs, target)
                with torch.autocast(device.type, torch.bfloat16, enabled=half):
                    output, *auxiliary = forward(formatted(inputs, recipe))
                loss = loss_of(output.float(), target)
                total = loss
                for second in auxiliary:
                    total = total + recipe.auxiliary * loss_of(second.float(), target)
                (total * (rank.of * len(at) / len(batch))).backward()  # type: ignore[no-untyped-call]
                mean.update(loss, len(at))
            if recipe.gradient_clip is not None:
                nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_clip)
            optimiser.step()
            if average is not None:
                average.update_parameters(network)
        loss_of_epoch = rank.mean(mean, device)
        if not math.isfinite(loss_of_epoch):
            raise diverged(f"a loss of {loss_of_epoch} in epoch {epoch + 1}")
        losses.append(loss_of_epoch)
        rank.agree(network, average)
        if checkpoint is not None and rank.leads:
            checkpoint.save(
                written(
                    {
                        "network": network.state_dict(),
                        "optimiser": optimiser.state_dict(),
                        "losses": losses,
                        "seconds": spent.seconds,
                        "draws": generator.get_state(),
                        "chance": chance(device),
                        "average": {} if average is None else average.state_dict(),
                    }
                )
            )
            checkpoint.tell(epoch + 1, recipe.epochs, loss_of_epoch)
        if on_epoch:
            on_epoch(epoch + 1, loss_of_epoch)
        yield loss_of_epoch
    rank.leave()
    _drop_paths(network, 0.0)
    if average is not None:
        network.load_state_dict(average.module.state_dict())
    if recipe.recalibrate_batch_norm and rank.leads:
        recalibrate(network, task, data, recipe, generator)


def averaged(network: nn.Module, decay: float) -> AveragedModel:
    """A moving average of the network's weights and buffers, updated after each step.

    After n steps its decay is (1 + n) / (10 + n), ``decay`` at most: else short trainings would be scored by their
    first weights.
    """

    def mean(average: Tensor, weights: Tensor, steps: Tensor | int) -> Tensor:
        return average + (weights - average) * (1 - min(decay, (1 + float(steps)) / (10 + float(steps))))

    return AveragedModel(network, avg_fn=mean, use_buffers=True)


def _forward(network: TaskNetwork, recipe: Recipe) -> Forward:
    """The network's forward function: the output, and that of the auxiliary head if the recipe uses it."""
    if recipe.auxiliary:
        return torch.compile(network.both) if recipe.compile else network.both
    alone: Callable[[Tensor], Tensor] = torch.compile(network) if recipe.compile else network
    return lambda images: (alone(images),)


def _drop_paths(network: TaskNetwork, share: float) -> None:
    if hasattr(network.backbone, "drop_path"):
        network.backbone.drop_path = share  # type: ignore[assignment]


def _half(recipe: Recipe, device: torch.device) -> bool:
    """Whether to use bf16. Raises DeviceError on a device without it: another precision would be another score."""
    if recipe.mixed_precision and not has_bfloat16(device):
        raise DeviceError("a device with bf16 units for mixed_precision", f"{device}", "say mixed_precision: false")
    return recipe.mixed_precision


def parts(images: int, wanted: int) -> int:
    """Number of parts: as many as wanted, but with two images or more in each, since BatchNorm has no variance of
    one."""
    return max(1, min(wanted, images // 2))


def rate(recipe: Recipe, step: int, epoch: int, steps: int) -> float:
    """Learning rate at ``step`` of ``steps`` in ``epoch``, both from 0, as a share of the recipe's.

    It rises linearly over the warm-up, then (cosine) falls from 1 to 0 over the remaining epochs, or
    (exponential) to 97 % after each of them.
    """
    passed = epoch + step / steps
    if passed < recipe.warmup_epochs:
        return (passed + 1 / steps) / (recipe.warmup_epochs + 1 / steps)
    if recipe.schedule == "constant":
        return 1.0
    if recipe.schedule == "exponential":
        return float(0.97 ** int(passed - recipe.warmup_epochs))
    return 0.5 * (1 + math.cos(math.pi * (passed - recipe.warmup_epochs) / (recipe.epochs - recipe.warmup_epochs)))


def optimiser_of(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser of all weights."""
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(
            network.parameters(),
            lr=recipe.learning_rate,
            betas=(recipe.momentum, 0.999),
            weight_decay=recipe.weight_decay,
            fused=True,  # a tenth of the time of small networks on CPUs
        )
    sgd = torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    if recipe.momentum:  # the fused step takes all momenta or none; of a supernet, a step has the gradients of some
        for parameter in network.parameters():
            sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return sgd


@torch.no_grad()
def recalibrate(network: TaskNetwork, task: Task, data: ImageData, recipe: Recipe, generator: torch.Generator) -> None:
    """Set BatchNorm's running statistics to the mean over the training set's batches, without augmentation."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative mean
    device = data.device
    given = task.given(data)
    drawn = task.draw(len(data), generator).to(device)
    # Shuffled: folders are sorted by class, and a batch of one class varies too little.
    order = torch.randperm(len(data), generator=generator).to(device)
    network.train()
    steps = math.ceil(len(data) / recipe.batch_size)
    for at in order.tensor_split(parts(len(data), steps * recipe.accumulation)):
        inputs, _ = task.example(data.images[at].float() / 255, given[at], drawn[at])
        network(formatted(inputs, recipe))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


@contextmanager
def controlled(device: torch.device, threads: int | None, *, pauses: bool = True) -> Iterator[None]:
    """A block with a fixed number of threads, deterministic convolutions on GPUs, and one error for all lacks of
    memory. Inside, ``pause`` lets latencies be measured, unless another process ``pauses`` for this one."""
    gpu = device.type == "cuda"
    deterministic = torch.backends.cudnn.flags(enabled=True, deterministic=True, benchmark=False)
    try:
        quiet = working(partial(_settle, device)) if pauses else nullcontext()
        with quiet, with_threads(threads), deterministic if gpu else nullcontext():
            yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(sign in str(error) for sign in _OUT_OF_MEMORY):
            raise
        raise OutOfMemory(
            f"enough memory on {device}", " ".join(str(error).split())[:160], "use a smaller batch_size"
        ) from None


def _settle(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "STATUS_ALLOC_FAILED")
"""Parts of messages of CUDA and MPS, of the CPU's allocator on Linux and Windows, and of cuBLAS and cuDNN."""


def diverged(got: str) -> Diverged:
    """The error for a number that is not finite."""
    return Diverged("a finite loss", got, "lower the learning rate, clip the gradient or warm up")


def _gpus(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []


def placed(network: nn.Module, device: torch.device, recipe: Recipe) -> None:
    """Move the network to the device, in the recipe's memory format."""
    network.to(device)
    if recipe.channels_last:
        network.to(memory_format=torch.channels_last)


def formatted(inputs: Tensor, recipe: Recipe) -> Tensor:
    """The inputs in the recipe's memory format."""
    return inputs.contiguous(memory_format=torch.channels_last) if recipe.channels_last else inputs
