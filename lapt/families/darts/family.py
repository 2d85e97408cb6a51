"""DARTS cells, with all that LAPT knows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lapt.families.darts import features
from lapt.families.darts.cell import DartsCell
from lapt.families.darts.program import program
from lapt.families.meanings import OPERATORS
from lapt.spaces import Architecture, Layer
from lapt.spaces.features import Floats


class DartsFamily(DartsCell):
    """DARTS cells, as a family."""

    experts = "lapt.families.darts.experts:EXPERTS"
    networks = "lapt.families.darts.networks.family:DartsNetworks"
    export = "lapt.families.darts.export:written"
    explained = OPERATORS
    shares_weights = True
    zero_last = True

    @property
    def spaces(self) -> Mapping[str, tuple[Layer, ...]]:
        """``darts7`` is ``darts`` without the operator none, as NAS-Bench-301 has it."""
        seven = tuple(operator for operator in self.operators if operator != self.zero)
        return {"darts": self.layers, "darts7": self.layers_of(seven)}

    def features(self, architectures: Sequence[Architecture]) -> Floats:
        return features.canonical_features_of(self, architectures)

    @property
    def feature_names(self) -> tuple[str, ...]:
        return features.feature_names(self)

    @property
    def blocks(self) -> tuple[slice, ...]:
        """The layers one by one, the nodes, and whole cells."""
        return features.blocks(self)

    @property
    def graph_shape(self) -> tuple[int, int]:
        return features.graph_shape(self)

    def flat_graphs(self, architectures: Sequence[Architecture]) -> Floats:
        return features.flat_graphs(self, architectures)

    def program(self, layers: Sequence[Layer]) -> str:
        return program(self, layers)


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
