"""Every architecture of a space at once: the weighted sums of gradient-based architecture search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lapt.errors import ConfigError
from lapt.networks.connections import Connection, connections
from lapt.networks.darts.operators import reads_rectified
from lapt.networks.darts.skeleton import Stem
from lapt.networks.operators import average_pool
from lapt.networks.skeleton import POOL
from lapt.networks.supernet import DagCellShared, DartsCellShared, SharedCell, shared_body
from lapt.spaces import DagCell, DartsCell, SearchSpace
from lapt.spaces.darts import NODES


class Mixture(NamedTuple):
    """What everything counts. ``operators``: of each connection, [operators], in the order of ``connections``.

    ``edges``: of each connection, a number that its sum is multiplied by; 1 where there is none.
    """

    operators: Mapping[Connection, Tensor]
    edges: Mapping[Connection, Tensor]


class MixedSupernet(nn.Module):
    """The backbone of ``Supernet`` with all operators of all connections at work: eq. 2 of Liu et al. (2019).

    A node is the sum over its connections (i, j) of sum_o a_o^(i, j) o(x_i), the a being ``mixture``, which has to be
    set before a forward pass. As published, in cells no batch normalisation scales or shifts what an operator gives,
    for the a would have no meaning then, and poolings that a DARTS cell has as modules are normalised too.

    ``partial`` K: operators see the first 1/K of the channels; the others pass by, and all are shuffled for the next
    (Xu et al. 2020, section 3.2). Where a cell halves the side, what passes by is pooled; where it widens, repeated.
    Other arguments as of ``Supernet``. Raises ConfigError where K does not divide the channels.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        channels: int,
        cells: int,
        image_channels: int = 3,
        stem: Stem = "cifar",
        partial: int = 1,
    ) -> None:
        super().__init__()
        if channels % partial:
            raise ConfigError(
                f"channels that {partial} divides, since operators see one in {partial}",
                f"{channels}",
                "change either number",
            )
        self.space, self.image_channels, self.partial = space, image_channels, partial
        self.connections = connections(space)
        self.mixture: Mixture | None = None
        self.body = shared_body(
            space, channels=channels, cells=cells, image_channels=image_channels, stem=stem, partial=partial
        )
        self.out_channels, self.reduction = self.body.out_channels, self.body.reduction
        for cell in (module for module in self.modules() if isinstance(module, SharedCell)):
            for norm in (module for module in cell.modules() if isinstance(module, nn.BatchNorm2d)):
                norm.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        return self.body.through(images, self.compute)

    def compute(self, cell: SharedCell, *inputs: Tensor) -> Tensor:
        """One cell's output."""
        assert self.mixture is not None
        values = dict(enumerate(_brought(cell, inputs)))
        rectified: dict[int, Tensor] = {}
        for place, operators in self.connections.items():  # by node: what one reads is whole before
            if place.kind != cell.kind:
                continue
            value = values[place.source]
            if place.source not in rectified:
                rectified[place.source] = functional.relu(value)
            summand = self._edge(cell, place, operators, value, rectified[place.source])
            values[place.node] = values[place.node] + summand if place.node in values else summand
        if isinstance(cell, DartsCellShared):
            return torch.cat([values[node] for node in NODES], dim=1)
        return values[max(values)]

    def _edge(
        self, cell: SharedCell, place: Connection, operators: tuple[str, ...], value: Tensor, rectified: Tensor
    ) -> Tensor:
        assert self.mixture is not None
        seen = value.shape[1] // self.partial
        summands = []
        for operator, weight in zip(operators, self.mixture.operators[place], strict=True):
            if operator == self._zero:
                continue
            module = cell.taken(place.edge, operator)
            made: Tensor
            if module is None:
                made = average_pool(value[:, :seen]) if operator == POOL else value[:, :seen]
            elif reads_rectified(module):
                made = module(rectified[:, :seen])
            else:
                made = functional.batch_norm(module(value[:, :seen]), None, None, training=True)
            summands.append(weight * made)
        stride, wider = _change(cell, place)
        total: Tensor
        if summands:
            total = sum(summands[1:], summands[0])
        else:
            sides = (-(-side // stride) for side in value.shape[2:])
            total = value.new_zeros((len(value), seen * wider, *sides))
        if self.partial > 1:
            total = _shuffled(torch.cat([total, _bypass(value[:, seen:], stride, wider)], dim=1), self.partial)
        return total * self.mixture.edges[place] if place in self.mixture.edges else total

    @property
    def _zero(self) -> str:
        family = self.space.family
        assert isinstance(family, DagCell | DartsCell)
        return family.zero


def _brought(cell: SharedCell, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """The inputs as the cell's nodes read them."""
    if not isinstance(cell, DartsCellShared):
        return list(inputs)
    return [module(functional.relu(given)) for module, given in zip(cell.inputs, inputs, strict=True)]


def _change(cell: SharedCell, place: Connection) -> tuple[int, int]:
    """How many times smaller sides, and how many times more channels, the connection makes."""
    if isinstance(cell, DartsCellShared):
        return cell.stride(place), 1
    assert isinstance(cell, DagCellShared)
    block = cell.block
    return (block.stride, block.channels_out // block.channels_in) if place.source == 0 else (1, 1)


def _bypass(values: Tensor, stride: int, wider: int) -> Tensor:
    pooled = functional.max_pool2d(values, 2, ceil_mode=True) if stride == 2 else values
    return pooled.repeat(1, wider, 1, 1) if wider > 1 else pooled


def _shuffled(values: Tensor, groups: int) -> Tensor:
    """Channels of ``groups`` groups, one of each in turn."""
    batch, channels, *sides = values.shape
    return values.reshape(batch, groups, channels // groups, *sides).transpose(1, 2).reshape(values.shape)
