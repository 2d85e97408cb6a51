"""The networks of the family, behind the interface ``CellNetworks``."""

from __future__ import annotations

from lapt.errors import SpaceError
from lapt.families.mobile.cell import MobileCell
from lapt.families.mobile.networks.modules import MobileBackbone, torchvision_blocks
from lapt.families.mobile.networks.supernet import MobileBody
from lapt.families.mobile.plan import Plan, counted, plan_of
from lapt.networks.family import Built, CellNetworks, Counts, NetworkSize
from lapt.networks.shared import Connection, SharedBody
from lapt.spaces import Architecture, SearchSpace


class MobileNetworks(CellNetworks):
    """The networks of mobile architectures."""

    in_closed_form = True
    family: MobileCell

    def backbone(self, architecture: Architecture, size: NetworkSize) -> MobileBackbone:
        return MobileBackbone(self._plan(architecture, size), size.image_channels)

    def counts(self, architecture: Architecture, size: NetworkSize, classes: int | None) -> Counts:
        found = self.built(architecture, size)
        head = found.out_channels * (classes or 0)
        return found.counts.plus(Counts(head + (classes or 0), head))

    def built(self, architecture: Architecture, size: NetworkSize) -> Built:
        plan = self._plan(architecture, size)
        return Built(Counts(*counted(plan, size.image_channels, size.image_size)), plan.out_channels, plan.reduction)

    def check(self, size: NetworkSize) -> None:
        """Raise ConfigError for a size without channels or cells, and where torchvision is missing."""
        size.checked()
        torchvision_blocks()

    def shared_body(self, space: SearchSpace, size: NetworkSize, partial: int) -> SharedBody:
        """The shared part of a supernet. ``partial``: of mixed supernets, which there are none of."""
        return MobileBody(self.family, space, size)

    def connection(self, layer: str, source: str) -> Connection:
        raise SpaceError("a space whose operators are mixed in sums", self.family.name, "choose another search.method")

    def _plan(self, architecture: Architecture, size: NetworkSize) -> Plan:
        chosen = self.family.chosen(architecture)
        return plan_of(chosen, channels=size.channels, cells=size.cells, image_size=size.image_size)
