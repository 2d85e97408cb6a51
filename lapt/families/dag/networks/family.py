"""The networks of cells on a fixed graph, by the interface ``CellNetworks``, and the shared modules of supernets."""

from __future__ import annotations

import math
from functools import partial

from torch import Tensor, nn

from lapt.errors import SpaceError
from lapt.families.dag.cell import DagCell
from lapt.families.dag.networks.backbone import Backbone, CellNetwork, SkeletonNetwork, cell_module
from lapt.families.dag.networks.skeleton import POOL, Block, Skeleton, dag_counts, skeleton_of
from lapt.networks.family import CellNetworks, Counts, NetworkSize, connections
from lapt.networks.operators import average_pool
from lapt.networks.shared import Candidates, Connection, SharedBody, SharedCell
from lapt.spaces import Architecture, SearchSpace


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

    def backbone(self, architecture: Architecture, size: NetworkSize) -> Backbone:
        operators = self._checked(architecture).operators
        return Backbone(self.family, operators, self._skeleton(size), size.image_channels)

    def counts(self, architecture: Architecture, size: NetworkSize, classes: int | None) -> Counts:
        return dag_counts(self.family, self._checked(architecture), size, classes)

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
