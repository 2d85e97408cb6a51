"""The networks of DARTS cells, behind the interface ``CellNetworks``."""

from __future__ import annotations

import numpy as np

from lapt.families.darts.cell import SOURCES
from lapt.families.darts.networks.cells import DartsBackbone
from lapt.families.darts.networks.counts import darts_counts
from lapt.families.darts.networks.skeleton import darts_skeleton
from lapt.families.darts.networks.supernet import DartsBody
from lapt.networks.family import CellNetworks, Counts, NetworkSize, connections
from lapt.networks.shared import Connection
from lapt.spaces import Architecture, SearchSpace


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
