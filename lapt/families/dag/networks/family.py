"""The networks of cells on a fixed graph, behind the interface ``CellNetworks``: the published ones of NAS-Bench-201
and TransNAS-Bench-101, and supernets."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from lapt.errors import SpaceError
from lapt.families.dag.cell import DagCell
from lapt.families.dag.networks.skeleton import (
    KERNELS,
    POOL,
    Block,
    Skeleton,
    dag_built,
    dag_counts,
    skeleton_of,
)
from lapt.networks.family import Built, CellNetworks, Counts, Features, NetworkSize, connections
from lapt.networks.operators import ConvNorm, FactorizedReduction, ResidualReduction, average_pool, stem_of
from lapt.networks.shared import Candidates, Connection, SharedBody, SharedCell, Taken
from lapt.spaces import Architecture, SearchSpace


class _Sum(NamedTuple):
    """The summands of one node: convolutions (source, edge name), poolings and identities (sources), all added up."""

    node: int
    convolutions: tuple[tuple[int, str], ...]
    poolings: tuple[int, ...]
    identities: tuple[int, ...]


class CellNetwork(nn.Module):
    """One cell: [B, C_in, H, W] -> [B, C_out, ceil(H/stride), ceil(W/stride)].

    ``edges`` holds the modules of the live edges with weights, by the layer's name ("0->1"). The architecture must have
    a live edge. The input is overwritten where only convolutions read it: hand over a tensor that nothing else uses.
    ``shared``: (edge, operator) -> the module there, None for one without weights; new ones are made without it.
    """

    def __init__(self, family: DagCell, operators: tuple[str, ...], block: Block, shared: Taken | None = None) -> None:
        super().__init__()
        self.edges = nn.ModuleDict()
        self._sums: list[_Sum] = []
        # A node whose one summand is an identity is its source under a second name: no copy, and one ReLU for both.
        same_as = list(range(family.nodes))
        raw: set[int] = set()
        live = family.live_edges(operators)
        for node in range(1, family.nodes):
            convolutions: list[tuple[int, str]] = []
            poolings: list[int] = []
            identities: list[int] = []
            for edge in (e for e in live if family.edges[e][1] == node):
                source, operator, name = same_as[family.edges[edge][0]], operators[edge], family.layer_names[edge]
                if shared is not None:
                    module = shared(name, operator)
                else:
                    module = cell_module(operator, block if family.edges[edge][0] == 0 else block.inner, family)
                if module is not None:
                    self.edges[name] = module
                    convolutions.append((source, name))
                else:
                    (identities if operator == family.identity else poolings).append(source)
            if not convolutions and not poolings and len(identities) == 1:
                same_as[node] = identities[0]
            elif convolutions or poolings or identities:
                raw.update(poolings, identities)
                self._sums.append(_Sum(node, tuple(convolutions), tuple(poolings), tuple(identities)))
        self._output = same_as[-1]
        raw.add(self._output)
        self._raw = frozenset(raw)

    def forward(self, inputs: Tensor) -> Tensor:
        values = {0: inputs}
        rectified: dict[int, Tensor] = {}
        for node, convolutions, poolings, identities in self._sums:
            fresh: list[Tensor] = []
            for source, edge in convolutions:
                if source not in rectified:
                    # In place where nobody reads the value itself: sums, poolings and normalisations do not need it
                    # for their gradients.
                    rectify = functional.relu if source in self._raw else functional.relu_
                    rectified[source] = rectify(values[source])
                fresh.append(self.edges[edge](rectified[source]))
            fresh.extend(average_pool(values[source]) for source in poolings)
            values[node] = _add(fresh, [values[source] for source in identities])
        return values[self._output]


def cell_module(operator: str, block: Block, family: DagCell) -> nn.Module | None:
    """The module of an edge; None for one without weights (identity, pooling)."""
    identity = family.identity
    if operator in KERNELS:
        return ConvNorm(block.channels_in, block.channels_out, KERNELS[operator], block.stride)
    if operator == identity:
        return None if block.keeps_shape else FactorizedReduction(block.channels_in, block.channels_out)
    if operator == POOL and block.keeps_shape:
        return None
    raise SpaceError(
        f"an operator with a network, among {[identity, *KERNELS, POOL]}", repr(operator), "leave it out of the space"
    )


def _add(fresh: list[Tensor], shared: list[Tensor]) -> Tensor:
    """The sum, in the memory of the first fresh tensor; shared ones are left as they are."""
    if fresh:
        total, rest = fresh[0], [*fresh[1:], *shared]
    else:
        total, rest = shared[0] + shared[1], shared[2:]
    for tensor in rest:
        total = total.add_(tensor)
    return total


class SkeletonNetwork(nn.Module):
    """Stem, blocks and last normalisation of a skeleton, around cells that ``cell`` makes; without it the last alone.

    The features are those before pooling, after the last batch normalisation and ReLU where the published network has
    them (NAS-Bench-201).
    """

    def __init__(self, skeleton: Skeleton, image_channels: int, cell: Callable[[Block], nn.Module] | None) -> None:
        super().__init__()
        self.out_channels, self.reduction = skeleton.out_channels, skeleton.reduction
        self.image_channels = image_channels
        self.stem, self.blocks = nn.ModuleList(), nn.ModuleList()
        if cell is not None:
            self.stem = stem_of(image_channels, skeleton.stem)
            for block in skeleton.blocks:
                residual = block.kind == "residual"
                made = ResidualReduction(block.channels_in, block.channels_out) if residual else cell(block)
                self.blocks.append(made)
        self.norm = nn.BatchNorm2d(self.out_channels) if skeleton.final_norm else None
        if skeleton.kaiming:
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def through(self, images: Tensor, compute: Callable[[nn.Module, Tensor], Tensor]) -> Tensor:
        """The features, where ``compute`` gives the output of each cell."""
        features = images
        for position, convolution in enumerate(self.stem):
            features = convolution(functional.relu_(features) if position else features)
        for block in self.blocks:
            features = block(features) if isinstance(block, ResidualReduction) else compute(block, features)
        return self.finished(features)

    def finished(self, features: Tensor) -> Tensor:
        return features if self.norm is None else functional.relu_(self.norm(features))

    def zeros(self, images: Tensor) -> Tensor:
        """The features of a cell without a live edge."""
        batch, _, height, width = images.shape
        sides = (-(-height // self.reduction), -(-width // self.reduction))
        return self.finished(images.new_zeros((batch, self.out_channels, *sides)))


class Backbone(SkeletonNetwork, Features):
    """The network of one architecture.

    Only what the features depend on is built: edges that are dead, and everything before a cell whose output is dead
    (it is zeros, so nothing in front of it can be seen or trained), are left out.

    ``reduction`` is 4 for NAS-Bench-201 and 32 for TransNAS-Bench-101. Convolutions run faster in
    ``torch.channels_last`` memory; build, then ``.to(memory_format=torch.channels_last)``.
    """

    def __init__(self, family: DagCell, operators: tuple[str, ...], skeleton: Skeleton, image_channels: int) -> None:
        is_dead = not family.live_edges(operators)
        super().__init__(
            skeleton, image_channels, None if is_dead else lambda block: CellNetwork(family, operators, block)
        )
        self.is_dead, self.rectified = is_dead, skeleton.final_norm

    def forward(self, images: Tensor) -> Tensor:
        if self.is_dead:
            return self.zeros(images)
        return self.through(images, lambda cell, features: cell(features))

    def readers(self) -> list[nn.Module]:
        found = [module for module in self.blocks.modules() if isinstance(module, ConvNorm | FactorizedReduction)]
        return [*found, *self.stem[1:]]


class DagCellShared(SharedCell):
    """``share``: operators are made for one in so many channels."""

    def __init__(self, family: DagCell, candidates: Candidates, share: int, block: Block) -> None:
        super().__init__()
        self._family, self.block = family, block
        seen = block._replace(channels_in=block.channels_in // share, channels_out=block.channels_out // share)
        for place, operators in candidates.items():
            for operator in operators:
                if operator != family.zero:
                    made = cell_module(operator, seen if place.source == 0 else seen.inner, family)
                    self.offer(place.edge, operator, made)

    def forward(self, inputs: Tensor, operators: tuple[str, ...]) -> Tensor:
        cell = CellNetwork(self._family, operators, self.block, self.taken)
        result: Tensor = cell(inputs)
        return result

    def change(self, place: Connection) -> tuple[int, int]:
        block = self.block
        return (block.stride, block.channels_out // block.channels_in) if place.source == 0 else (1, 1)

    def made(self, operator: str, module: nn.Module | None, value: Tensor, rectified: Tensor) -> Tensor:
        pooled = module is None and operator == POOL
        return average_pool(value) if pooled else super().made(operator, module, value, rectified)


class DagBody(SkeletonNetwork, SharedBody):
    """``share``: as of ``DagCellShared``."""

    def __init__(
        self, family: DagCell, skeleton: Skeleton, image_channels: int, candidates: Candidates, share: int
    ) -> None:
        super().__init__(skeleton, image_channels, partial(DagCellShared, family, candidates, share))
        self._family = family

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        if self._family.live_edges(architecture.operators):
            return self.through(images, lambda cell, features: cell(features, architecture.operators))
        return self.zeros(images)

    def by_edge(self, architecture: Architecture) -> list[dict[str, str]]:
        return [dict(zip(self._family.layer_names, architecture.operators, strict=True))] * len(self.blocks)


class DagNetworks(CellNetworks):
    """The networks of NAS-Bench-201's and TransNAS-Bench-101's cells."""

    in_closed_form = True

    def backbone(self, architecture: Architecture, size: NetworkSize) -> Backbone:
        operators = self._checked(architecture).operators
        return Backbone(self.family, operators, self._skeleton(size), size.image_channels)

    def counts(self, architecture: Architecture, size: NetworkSize, classes: int | None) -> Counts:
        return dag_counts(self.family, self._checked(architecture), size, classes)

    def built(self, architecture: Architecture, size: NetworkSize) -> Built:
        return dag_built(self.family, self._checked(architecture), size)

    def shared_body(self, space: SearchSpace, size: NetworkSize, partial: int) -> DagBody:
        return DagBody(self.family, self._skeleton(size), size.image_channels, connections(space), partial)

    def connection(self, layer: str, source: str) -> Connection:
        start, end = layer.split("->")
        return Connection("", int(start), int(end))

    def stem_stride(self, size: NetworkSize) -> int:
        return math.prod(stride for _, stride in self._skeleton(size).stem)

    def _skeleton(self, size: NetworkSize) -> Skeleton:
        return skeleton_of(self.family.name, size)

    def _checked(self, architecture: Architecture) -> Architecture:
        """Return it as it is. Raises SpaceError for one that is no cell of the family."""
        edges, operators = len(self.family.edges), self.family.operators
        if len(architecture.operators) != edges or not set(architecture.operators) <= set(operators):
            raise SpaceError(
                f"{edges} operators among {list(operators)}",
                f"{list(architecture.operators)}",
                f"pass an architecture of {self.family.name}",
            )
        return architecture
