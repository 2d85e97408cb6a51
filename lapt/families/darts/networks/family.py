"""The networks of DARTS cells, by the interface ``CellNetworks``, and the shared modules of supernets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lapt.families.darts.cell import NODES, SOURCES, DartsCell
from lapt.families.darts.genotype import FIRST, KINDS, Genotype
from lapt.families.darts.networks.cells import (
    CellRow,
    DartsBackbone,
    DartsCellNetwork,
    darts_inputs,
    operator_module,
    reads_rectified,
)
from lapt.families.darts.networks.skeleton import DartsSkeleton, Place, darts_counts, darts_skeleton
from lapt.networks.family import CellNetworks, Counts, NetworkSize, connections
from lapt.networks.shared import Candidates, Compute, Connection, SharedBody, SharedCell
from lapt.spaces import Architecture, SearchSpace


class DartsCellShared(SharedCell):
    """``share``: operators are made for one in so many channels."""

    def __init__(self, candidates: Candidates, place: Place, share: int) -> None:
        super().__init__()
        self.place, self.kind = place, place.kind
        self.inputs = darts_inputs(place)
        for found, operators in candidates.items():
            for operator in operators:
                if operator != DartsCell.zero and found.kind == place.kind:
                    stride, _ = self.change(found)
                    self.offer(found.edge, operator, operator_module(operator, place.channels // share, stride))

    def network(self, found: Genotype) -> DartsCellNetwork:
        return DartsCellNetwork(found, self.place, self.inputs, self.taken)

    def brought(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        return [module(functional.relu(given)) for module, given in zip(self.inputs, inputs, strict=True)]

    def change(self, place: Connection) -> tuple[int, int]:
        return 2 if self.kind == "reduce" and place.source < FIRST else 1, 1

    def made(self, operator: str, module: nn.Module | None, value: Tensor, rectified: Tensor) -> Tensor:
        if module is None or reads_rectified(module):
            return super().made(operator, module, value, rectified)
        return functional.batch_norm(module(value), None, None, training=True)

    def joined(self, values: Mapping[int, Tensor]) -> Tensor:
        return torch.cat([values[node] for node in NODES], dim=1)


class DartsBody(CellRow, SharedBody):
    """``share``: as of ``DartsCellShared``."""

    def __init__(
        self, family: DartsCell, skeleton: DartsSkeleton, image_channels: int, candidates: Candidates, share: int
    ) -> None:
        super().__init__(skeleton, image_channels, lambda place: DartsCellShared(candidates, place, share))
        self._family = family

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        found = self._family.genotype(architecture)
        return self.through(images, lambda cell, before, last: cell.network(found)(before, last))

    def through(self, images: Tensor, compute: Compute) -> Tensor:
        return self.passed(images, compute)[0]

    def by_edge(self, architecture: Architecture) -> list[dict[str, str]]:
        named = {
            kind: {f"{e.source}->{node}": e.operator for node, edges in enumerate(nodes, start=FIRST) for e in edges}
            for kind, nodes in zip(KINDS, self._family.cells(architecture), strict=True)
        }
        return [named[str(cell.kind)] for cell in self.cells]


class DartsNetworks(CellNetworks):
    """The networks of DARTS cells."""

    drops_paths = True

    def backbone(self, architecture: Architecture, size: NetworkSize) -> DartsBackbone:
        return DartsBackbone(self.family.genotype(architecture), size)

    def counts(self, architecture: Architecture, size: NetworkSize, classes: int | None) -> Counts:
        return darts_counts(self.family.genotype(architecture), size, classes)

    def shared_body(self, space: SearchSpace, size: NetworkSize, partial: int) -> DartsBody:
        example = self.family.genotype(space.sample(np.random.default_rng(0)))
        skeleton = darts_skeleton(example, size)
        return DartsBody(self.family, skeleton, size.image_channels, connections(space), partial)

    def connection(self, layer: str, source: str) -> Connection:
        """The connection of a layer; both layers of a node make the same one."""
        kind, place = layer.split(".")
        return Connection(kind, SOURCES.index(source), int(place[:-1]))
