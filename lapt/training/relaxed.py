"""Training of a mixed supernet: its weights and the strengths of choices, both by gradients."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

import torch
from torch import Tensor, nn

from lapt.data.images import ImageData, split
from lapt.networks.family import networks_of
from lapt.networks.shared import Connection
from lapt.networks.supernet import MixedSupernet, Mixture
from lapt.spaces import SearchSpace
from lapt.training.augment import Augmenter
from lapt.training.device import device_for
from lapt.training.loop import controlled, diverged, formatted, optimiser_of, parts, placed, rate
from lapt.training.meters import MeanLoss
from lapt.training.network import TaskNetwork, build
from lapt.training.recipe import Recipe
from lapt.training.relaxation import Relaxation, Strengths
from lapt.training.tasks import Task


class Choices:
    """Parameters alpha, one for each operator of each connection, [operators in all].

    If the relaxation weighs connections, also beta, [connections]. All start at zero, with equal strengths. ``zero``:
    the operator that gives zeros.
    """

    def __init__(
        self,
        connections: Mapping[Connection, tuple[str, ...]],
        zero: str | None,
        relaxation: Relaxation,
        device: torch.device | str = "cpu",
    ) -> None:
        self.connections, self.relaxation = connections, relaxation
        self._sizes = [len(operators) for operators in connections.values()]
        named = [operator for operators in connections.values() for operator in operators]
        self._gives = torch.tensor([operator != zero for operator in named], device=device)
        self.alpha = torch.zeros(len(named), device=device, requires_grad=True)
        self.beta = torch.zeros(len(connections), device=device, requires_grad=relaxation.edges)

    @property
    def parameters(self) -> list[Tensor]:
        return [self.alpha, self.beta] if self.relaxation.edges else [self.alpha]

    def mixture(self, progress: float, generator: torch.Generator) -> Mixture:
        """Strengths in a forward pass. ``progress``: share of the training that is done, from 0 to 1.

        ``concrete``: one sample for all cells of a kind, exp((alpha_o + G_o) / lambda) over the sum of all, with G_o =
        -log(-log(U_o)) and lambda the temperature (Xie et al. 2019, section 2.2, alpha being the logarithm of theirs).
        """
        alpha = self.alpha
        if self.relaxation.weights == "concrete":
            first, last = self.relaxation.temperature
            uniform = torch.rand(alpha.shape, generator=generator, dtype=torch.float64).clamp_(min=1e-20)
            gumbel = -torch.log(-torch.log(uniform))
            alpha = (alpha + gumbel.to(alpha)) / (first + (last - first) * progress)
        return Mixture(self._by_connection(alpha), self._edges())

    def _by_connection(self, alpha: Tensor) -> dict[Connection, Tensor]:
        each = torch.split(alpha, self._sizes)
        sigmoid = self.relaxation.weights == "sigmoid"
        counts = (torch.sigmoid(part) if sigmoid else part.softmax(0) for part in each)
        return dict(zip(self.connections, counts, strict=True))

    def _edges(self) -> dict[Connection, Tensor]:
        """Softmax of beta over the connections into each node (Xu et al. 2020, section 3.3)."""
        if not self.relaxation.edges:
            return {}
        into: dict[tuple[str, int], list[int]] = {}
        for at, place in enumerate(self.connections):
            into.setdefault((place.kind, place.node), []).append(at)
        places = list(self.connections)
        return {
            places[at]: count
            for positions in into.values()
            for at, count in zip(positions, self.beta[positions].softmax(0), strict=True)
        }

    def zero_one(self) -> Tensor:
        """-1/N sum_o (sigmoid(alpha_o) - 0.5)^2 over the N operators that give non-zeros (Chu et al. 2020, L_0-1).

        It is smallest when every choice is decided.
        """
        squares = (torch.sigmoid(self.alpha[self._gives]) - 0.5) ** 2
        return -squares.sum() / max(1, len(squares))

    @torch.no_grad()
    def shares(self) -> dict[Connection, dict[str, float]]:
        """The strength of each operator without noise; times the connection's, if connections are weighted."""
        edges = self._edges()
        return {
            place: dict(zip(self.connections[place], (counts * edges.get(place, 1)).tolist(), strict=True))
            for place, counts in self._by_connection(self.alpha).items()
        }


BETAS, WEIGHT_DECAY = (0.5, 0.999), 1e-3
"""Settings of Adam for the architecture parameters, as in DARTS."""

Example = tuple[Tensor, Tensor]
"""Inputs and targets of one batch."""


@dataclass(frozen=True)
class Relaxed:
    """The result of a relaxed training.

    ``shares``: the strength of each operator of each connection at the end. ``losses``: mean training loss of each
    epoch. ``images``: number of passes of an image forward and back. ``seconds``: wall time.
    """

    space: SearchSpace
    shares: Mapping[Connection, Mapping[str, float]]
    losses: tuple[float, ...]
    images: int
    seconds: float

    @property
    def strengths(self) -> Strengths:
        """``shares`` as strengths of the choices of the space's layers."""
        networks = networks_of(self.space)
        return {
            (layer, (operator, source)): self.shares[networks.connection(layer, source)][operator]
            for layers, choices in self.space.nodes
            for layer in layers
            for operator, source in choices
        }


def relax(
    space: SearchSpace,
    task: Task,
    training: ImageData,
    recipe: Recipe,
    relaxation: Relaxation,
    *,
    seed: int,
    device: torch.device | str = "auto",
    threads: int | None = 1,
    on_epoch: Callable[[int, float], None] | None = None,
    **size: Any,
) -> Relaxed:
    """Train a mixed supernet on ``training`` alone. Images that score architectures must not be among them.

    ``recipe``: how weights are trained, for the relaxation's epochs; accumulation, auxiliary heads, dropped paths,
    mixed precision and compilation are ignored. ``size``: as in ``MixedSupernet``, without the images' channels. With
    one thread on a CPU the same seed gives the same result, bit by bit. ``on_epoch(epoch, loss)``: called after epochs
    1, 2, ... Raises LaptError: a network that cannot be built, DataError, Diverged, OutOfMemory.
    """
    task.check(training)
    device = device_for(device) if isinstance(device, str) else device
    began = time.perf_counter()
    channels, partial = task.shape[0], relaxation.partial
    network = build(lambda: MixedSupernet(space, image_channels=channels, partial=partial, **size), task, seed=seed)
    with controlled(device, threads):
        network.normalise_by(*training.statistics)
        placed(network, device, recipe)
        losses = []
        learner = _Learner(network, task, training.to(device), recipe, relaxation, seed)
        for epoch in range(relaxation.epochs):
            losses.append(learner.epoch(epoch))
            if on_epoch:
                on_epoch(epoch + 1, losses[-1])
    shares = learner.choices.shares()
    return Relaxed(space, shares, tuple(losses), learner.images, time.perf_counter() - began)


class _Learner:
    """A mixed supernet in training, with its two optimisers. ``images``: number of images that went through it so
    far."""

    def __init__(
        self, network: TaskNetwork, task: Task, data: ImageData, recipe: Recipe, relaxation: Relaxation, seed: int
    ) -> None:
        self.network, self.task, self.relaxation = network, task, relaxation
        self.recipe = recipe.model_copy(update={"epochs": relaxation.epochs})
        self.images = 0
        self.mixed = cast(MixedSupernet, network.backbone)
        family, device = self.mixed.space.family, data.device
        self.choices = Choices(self.mixed.connections, family.zero, relaxation, device)
        self._weights = optimiser_of(network, recipe)
        self._architecture = torch.optim.Adam(
            self.choices.parameters, lr=relaxation.learning_rate, betas=BETAS, weight_decay=WEIGHT_DECAY
        )
        self._generator = torch.Generator().manual_seed(seed)
        self._augmenter = Augmenter(recipe.augmentation, task)
        self._data, self._held_out = data, data
        if relaxation.halves:
            self._data, self._held_out = split(data, 0.5, seed)
        fewest = min(len(self._data), len(self._held_out))
        self._steps = parts(fewest, math.ceil(len(self._data) / recipe.batch_size))

    def epoch(self, epoch: int) -> float:
        """Train the weights for an epoch and, after their head start, the architecture parameters. Returns the weights'
        mean loss.

        Bilevel, first order: Algorithm 1 of Liu et al. (2019) with xi = 0, an architecture step before each step of the
        weights, on other images. Without halves, one loss for both (Xie et al. 2019).
        """
        self.network.train()
        decides = epoch >= self.relaxation.rest_epochs
        others = self._examples(self._held_out) if decides and self.relaxation.halves else None
        mean = MeanLoss()
        for step, example in enumerate(self._examples(self._data)):
            progress = (epoch + step / self._steps) / self.relaxation.epochs
            if others is not None:
                loss = self._loss(next(others), progress) + self._penalty()
                _descend(loss, self._architecture)
            for group in self._weights.param_groups:
                group["lr"] = self.recipe.learning_rate * rate(self.recipe, step, epoch, self._steps)
            loss = self._loss(example, progress, self.recipe.label_smoothing)
            mean.update(loss, len(example[0]))
            if decides and not self.relaxation.halves:
                _descend(loss + self._penalty(), self._weights, self._architecture, clip=self.recipe.gradient_clip)
            else:
                _descend(loss, self._weights, clip=self.recipe.gradient_clip)
        value = mean.value()
        if not math.isfinite(value):
            raise diverged(f"a loss of {value} in epoch {epoch + 1} of a mixed supernet")
        return value

    def _examples(self, data: ImageData) -> Iterator[Example]:
        """Every image once, in a new order. The draws are made on the CPU, so they are the same on every device."""
        device, grey, given = data.device, self.network.mean.flatten(), self.task.given(data)
        order = torch.randperm(len(data), generator=self._generator).to(device)
        draws = self._augmenter.draw(len(data), self._generator).to(device)
        drawn = self.task.draw(len(data), self._generator).to(device)
        return (
            self.task.example(self._augmenter.apply(data.images[at], draws.at(at), grey), given[at], drawn[at])
            for at in order.tensor_split(self._steps)
        )

    def _loss(self, example: Example, progress: float, smoothing: float = 0.0) -> Tensor:
        inputs, target = example
        self.images += len(inputs)
        self.mixed.mixture = self.choices.mixture(progress, self._generator)
        return self.task.loss(self.network(formatted(inputs, self.recipe)), target, smoothing)

    def _penalty(self) -> Tensor | float:
        return self.relaxation.zero_one * self.choices.zero_one() if self.relaxation.zero_one else 0.0


def _descend(loss: Tensor, *optimisers: torch.optim.Optimizer, clip: float | None = None) -> None:
    """Make a step of these optimisers' parameters and no others. ``clip``: of the first one's gradient."""
    each = [
        [p for group in optimiser.param_groups for p in group["params"] if p.requires_grad] for optimiser in optimisers
    ]
    tensors = list(chain.from_iterable(each))
    for tensor, gradient in zip(tensors, torch.autograd.grad(loss, tensors, allow_unused=True), strict=True):
        tensor.grad = gradient
    if clip is not None:
        nn.utils.clip_grad_norm_(each[0], clip)
    for optimiser in optimisers:
        optimiser.step()
