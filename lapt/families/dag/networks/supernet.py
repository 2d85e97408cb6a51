"""The modules that architectures share in supernets of cells on a fixed graph."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from lapt.families.dag.cell import DagCell
from lapt.families.dag.networks.backbone import Standing
from lapt.families.dag.networks.cell import CellNetwork, cell_module
from lapt.families.dag.networks.skeleton import POOL, Block, Skeleton
from lapt.networks.operators import average_pool
from lapt.networks.shared import Candidates, Connection, SharedBody, SharedCell
from lapt.spaces import Architecture


class DagCellShared(SharedCell):
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


class DagBody(Standing, SharedBody):
    def __init__(
        self, family: DagCell, skeleton: Skeleton, image_channels: int, candidates: Candidates, share: int
    ) -> None:
        """Make the shared modules. ``share`` K: operators are made for 1/K of the channels."""
        super().__init__(skeleton, image_channels, partial(DagCellShared, family, candidates, share))
        self._family = family

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        if self._family.live_edges(architecture.operators):
            return self.through(images, lambda cell, features: cell(features, architecture.operators))
        return self.zeros(images)

    def by_edge(self, architecture: Architecture) -> list[dict[str, str]]:
        return [dict(zip(self._family.layer_names, architecture.operators, strict=True))] * len(self.blocks)
