"""Mobile networks, with all that LAPT knows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lapt.base.shipped import table_beside
from lapt.base.templates import rendered
from lapt.families.mobile import features as seen
from lapt.families.mobile.cell import SKIP, MobileCell
from lapt.spaces import Layer

MEANINGS: dict[str, str] = table_beside("lapt.families.mobile.meanings")
"""Choice -> what it means."""


class MobileFamily(MobileCell):
    """Stages of inverted residual blocks, as a family. Roles are those that names tell: mb5_e6, skip."""

    networks = "lapt.families.mobile.networks.family:MobileNetworks"
    experts = "lapt.families.mobile.experts"
    export = "lapt.families.mobile.export:written"
    shares_weights = layers_differ = True
    features = seen.features
    feature_names = property(seen.feature_names)
    blocks = property(seen.blocks)
    sizes = seen.sizes

    @property
    def identity(self) -> str:
        return SKIP

    @property
    def explained(self) -> Mapping[str, str]:
        return MEANINGS

    def program(self, layers: Sequence[Layer]) -> str:
        """Python source of the network; ``Layer_list`` holds a choice a layer."""
        return rendered("lapt.families.mobile", "program", layers=[layer.name for layer in self.layers])


MOBILE = MobileFamily("mobile")
