"""NAS-Bench-Graph's networks, with all that LAPT knows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lapt.base.shipped import table_beside
from lapt.base.templates import rendered
from lapt.families.graph import features as seen
from lapt.families.graph.cell import NAMES, GraphCell
from lapt.spaces import Layer

OPERATORS: dict[str, str] = table_beside("lapt.families.graph.meanings")
"""Operator -> what it computes, in the order of the benchmark's digits."""


class GraphFamily(GraphCell):
    """Networks of four nodes over a graph, as a family. Their scores come from a table: they are not trained here."""

    listed = open_ended = True
    features = seen.features
    feature_names = property(seen.feature_names)
    blocks = property(seen.blocks)

    @property
    def explained(self) -> Mapping[str, str]:
        return OPERATORS

    def program(self, layers: Sequence[Layer]) -> str:
        """Python source of the network; ``Layer_list`` holds an operator and a source a node."""
        operators = dict.fromkeys(operator for layer in layers for operator in layer.operators)
        return rendered("lapt.families.graph", "program", operators=operators, nodes=NAMES)


GRAPH = GraphFamily("nas_bench_graph", tuple(OPERATORS))
