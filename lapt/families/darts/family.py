"""DARTS cells, with all that LAPT knows of them."""

from __future__ import annotations

from collections.abc import Mapping

from lapt.families.darts import features as seen
from lapt.families.darts.cell import DartsCell
from lapt.families.darts.program import program
from lapt.families.meanings import OPERATORS, computed
from lapt.families.roles import ROLES
from lapt.spaces import Layer


class DartsFamily(DartsCell):
    """DARTS cells, as a family."""

    networks = "lapt.families.darts.networks.family:DartsNetworks"
    experts = "lapt.families.darts.experts"
    export = "lapt.families.darts.export:written"
    shares_weights = zero_last = True
    explained = OPERATORS
    operator_roles = ROLES
    program = program
    features = seen.features
    feature_names = property(seen.feature_names)
    blocks = property(seen.blocks)
    graph_shape = property(seen.graph_shape)
    flat_graphs = seen.flat_graphs

    @property
    def computed(self) -> Mapping[str, str]:
        return computed(strided=True)

    @property
    def spaces(self) -> Mapping[str, tuple[Layer, ...]]:
        """The spaces ``darts``, and ``darts7`` without the operator none, as in NAS-Bench-301."""
        seven = tuple(operator for operator in self.operators if operator != self.zero)
        return {"darts": self.layers, "darts7": self.layers_of(seven)}


DARTS = DartsFamily(
    "darts",
    (
        "none",
        "max_pool_3x3",
        "avg_pool_3x3",
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "dil_conv_3x3",
        "dil_conv_5x5",
    ),
)
