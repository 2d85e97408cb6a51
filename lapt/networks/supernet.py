"""Networks of a whole space: one path at a time (Guo et al. 2020), or the weighted sums of gradient-based search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lapt.errors import ConfigError
from lapt.networks.family import NetworkSize, connections, networks_of
from lapt.networks.shared import Connection, SharedCell
from lapt.spaces import Architecture, SearchSpace


class Supernet(nn.Module):
    """A backbone over a whole space, with no operators but the space's: a smaller space has a smaller supernet.

    [B, image_channels, H, W] -> [B, out_channels, H/reduction, W/reduction], as the backbone of one architecture
    (``lapt.networks.backbone``) whose modules are shared. Every forward pass draws one architecture, uniform
    over the space, and computes that alone; inside ``only`` it is the one given. The draws depend on ``seed``,
    and their state is part of the state dict, so that training can go on where it stopped.

    ``size``: as of ``NetworkSize``; initial weights come from torch's global generator. Raises SpaceError for a space
    whose networks share no weights.
    """

    def __init__(self, space: SearchSpace, *, seed: int = 0, **size: Any) -> None:
        super().__init__()
        built = NetworkSize(**size)
        self.space, self.image_channels = space, built.image_channels
        self._rng = np.random.default_rng([seed, 0x5B])
        self._only: Architecture | None = None
        self.body = networks_of(space).shared_body(space, built, partial=1)
        self.out_channels, self.reduction = self.body.out_channels, self.body.reduction

    def forward(self, images: Tensor) -> Tensor:
        architecture = self._only
        if architecture is None:
            architecture = self.space.sample(self._rng)
        features: Tensor = self.body(images, architecture)
        return features

    @contextmanager
    def only(self, architecture: Architecture) -> Iterator[None]:
        """Compute only this architecture, a member of the space, in forward passes. Raises SpaceError for another."""
        self._only, before = self.space.as_member(architecture), self._only
        try:
            yield
        finally:
            self._only = before

    def inherit(self, other: Supernet) -> int:
        """Take over the weights that another supernet of the family has too. Returns the number of tensors."""
        mine = self.state_dict()
        theirs = {
            name: tensor
            for name, tensor in other.state_dict().items()
            if isinstance(tensor, Tensor) and name in mine and mine[name].shape == tensor.shape
        }
        self.load_state_dict(theirs, strict=False)
        return len(theirs)

    @property
    def operator_parameters(self) -> int:
        """Weights of candidate operators, without stem, inputs of cells, reductions between stages and norms."""
        shared = (module for module in self.modules() if isinstance(module, SharedCell))
        return sum(parameter.numel() for module in shared for parameter in module.edges.parameters())

    def get_extra_state(self) -> Any:
        """The state of the generator that draws paths."""
        return self._rng.bit_generator.state

    def set_extra_state(self, state: Any) -> None:
        self._rng.bit_generator.state = state


@torch.no_grad()
def same_weights(supernet: Supernet, architecture: Architecture, network: nn.Module) -> None:
    """Copy the weights that ``architecture`` inherits into its backbone, as ``lapt.networks.backbone`` builds it.

    For a training that starts from inherited weights, and for tests that both compute the same.
    """
    own = supernet.body.weights_of(architecture)
    if own is not None:
        network.load_state_dict(own)
        return
    inherited = supernet.state_dict()
    operators = supernet.body.by_edge(architecture)
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        tensor.copy_(inherited[_shared_name(name, operators)])


def _shared_name(name: str, operators: list[dict[str, str]]) -> str:
    """``blocks.0.edges.0->1.conv.weight`` -> ``body.blocks.0.edges.0->1.nor_conv_3x3.conv.weight``."""
    parts = name.split(".")
    if "edges" in parts:
        at = parts.index("edges") + 1
        parts.insert(at + 1, operators[int(parts[at - 2])][parts[at]])
    return ".".join(["body", *parts])


class Mixture(NamedTuple):
    """The weights of all operators. ``operators``: of each connection, [operators], in the order of ``connections``.

    ``operators``: for each connection a tensor [operators], in the order of ``connections``. ``edges``: for each
    connection a factor of its sum; 1 for a connection that has none.
    """

    operators: Mapping[Connection, Tensor]
    edges: Mapping[Connection, Tensor]


class MixedSupernet(nn.Module):
    """The backbone of ``Supernet`` with all operators of all connections at work: eq. 2 of Liu et al. (2019).

    A node is the sum over its connections (i, j) of sum_o a_o^(i, j) o(x_i), the a being ``mixture``, which has to be
    set before a forward pass. As published, no batch normalisation in cells scales or shifts an operator's output, for
    the a would have no meaning then. Poolings that a DARTS cell has as modules are normalised too.

    ``partial`` K: operators see the first 1/K of the channels. The others pass by, and then all are shuffled (Xu et al.
    2020, section 3.2). The channels that pass by are pooled where a cell halves the side, and repeated where it widens.
    ``size``: the fields of ``NetworkSize``. Raises ConfigError if K does not divide the number of channels.
    """

    def __init__(self, space: SearchSpace, *, partial: int = 1, **size: Any) -> None:
        super().__init__()
        built = NetworkSize(**size)
        if built.channels % partial:
            raise ConfigError(
                f"channels that {partial} divides, since operators see one in {partial}",
                f"{built.channels}",
                "change either number",
            )
        self.space, self.image_channels, self.partial = space, built.image_channels, partial
        self.connections = connections(space)
        self.mixture: Mixture | None = None
        self.body = networks_of(space).shared_body(space, built, partial)
        self.out_channels, self.reduction = self.body.out_channels, self.body.reduction
        for cell in (module for module in self.modules() if isinstance(module, SharedCell)):
            for norm in (module for module in cell.modules() if isinstance(module, nn.BatchNorm2d)):
                norm.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        return self.body.through(images, self.compute)

    def compute(self, cell: SharedCell, *inputs: Tensor) -> Tensor:
        """One cell's output."""
        assert self.mixture is not None
        values = dict(enumerate(cell.brought(inputs)))
        rectified: dict[int, Tensor] = {}
        for place, operators in self.connections.items():  # by node: what one reads is whole before
            if place.kind != cell.kind:
                continue
            value = values[place.source]
            if place.source not in rectified:
                rectified[place.source] = functional.relu(value)
            summand = self._edge(cell, place, operators, value, rectified[place.source])
            values[place.node] = values[place.node] + summand if place.node in values else summand
        return cell.joined(values)

    def _edge(
        self, cell: SharedCell, place: Connection, operators: tuple[str, ...], value: Tensor, rectified: Tensor
    ) -> Tensor:
        assert self.mixture is not None
        seen = value.shape[1] // self.partial
        summands = [
            weight * cell.made(operator, cell.taken(place.edge, operator), value[:, :seen], rectified[:, :seen])
            for operator, weight in zip(operators, self.mixture.operators[place], strict=True)
            if operator != self.space.family.zero
        ]
        stride, wider = cell.change(place)
        total: Tensor
        if summands:
            total = sum(summands[1:], summands[0])
        else:
            sides = (-(-side // stride) for side in value.shape[2:])
            total = value.new_zeros((len(value), seen * wider, *sides))
        if self.partial > 1:
            total = _shuffled(torch.cat([total, _bypass(value[:, seen:], stride, wider)], dim=1), self.partial)
        return total * self.mixture.edges[place] if place in self.mixture.edges else total


def _bypass(values: Tensor, stride: int, wider: int) -> Tensor:
    pooled = functional.max_pool2d(values, 2, ceil_mode=True) if stride == 2 else values
    return pooled.repeat(1, wider, 1, 1) if wider > 1 else pooled


def _shuffled(values: Tensor, groups: int) -> Tensor:
    """The channels of ``groups`` groups, reordered so that they come from each group in turn."""
    batch, channels, *sides = values.shape
    return values.reshape(batch, groups, channels // groups, *sides).transpose(1, 2).reshape(values.shape)
