"""The networks of cells on a fixed graph, behind the interface ``CellNetworks``."""

from __future__ import annotations

import math

from lapt.errors import SpaceError
from lapt.families.dag.networks.backbone import Backbone
from lapt.families.dag.networks.counts import dag_counts
from lapt.families.dag.networks.skeleton import Skeleton, skeleton_of
from lapt.families.dag.networks.supernet import DagBody
from lapt.networks.family import CellNetworks, Counts, NetworkSize, connections
from lapt.networks.shared import Connection
from lapt.spaces import Architecture, SearchSpace


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
