"""NAS-Bench-201's and TransNAS-Bench-101's cells, with all that LAPT knows of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lapt.errors import SpaceError
from lapt.families.dag import features as seen
from lapt.families.dag.cell import DagCell
from lapt.families.dag.program import program
from lapt.families.meanings import OPERATORS, computed
from lapt.families.roles import ROLES
from lapt.spaces import Architecture


class DagFamily(DagCell):
    """Cells on a fixed graph, as a family."""

    networks = "lapt.families.dag.networks.family:DagNetworks"
    experts = "lapt.families.dag.experts"
    export = "lapt.families.dag.export:written"
    shares_weights = listed = True
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
        return computed(strided=self.strided_input)


class Nas201Cell(DagFamily):
    """NAS-Bench-201's cells, written ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`` (Dong and Yang 2020)."""

    def encode(self, architecture: Architecture) -> str:
        parts: list[list[str]] = [[] for _ in range(1, self.nodes)]
        for (source, target), operator in zip(self.edges, architecture.operators, strict=True):
            parts[target - 1].append(f"{operator}~{source}")
        return "+".join(f"|{'|'.join(part)}|" for part in parts)

    def decode(self, text: str) -> Architecture:
        operators = tuple(re.findall(r"([^|~+]+)~\d+", text))
        unknown = [operator for operator in operators if operator not in self.operators]
        if len(operators) == len(self.edges) and not unknown:
            architecture = self.architecture(operators)
            if self.encode(architecture) == text:
                return architecture
        raise SpaceError(
            f"a {self.name} cell such as {self.encode(self.architecture([self.operators[0]] * len(self.edges)))}",
            f"{text[:120]!r}" + (f" with unknown operators {unknown}" if unknown else ""),
            f"write six edges with operators among {list(self.operators)}",
        )


class Trans101Cell(DagFamily):
    """TransNAS-Bench-101's cells, written ``64-41414-a_bc_def``, with a digit for each operator (Duan et al. 2021)."""

    def encode(self, architecture: Architecture) -> str:
        digits = "".join(str(self.operators.index(operator)) for operator in architecture.operators)
        return f"64-41414-{digits[0]}_{digits[1:3]}_{digits[3:]}"

    def decode(self, text: str) -> Architecture:
        match = re.fullmatch(r"64-41414-([0-3])_([0-3]{2})_([0-3]{3})", text)
        if match is None:
            raise SpaceError(
                "a TransNAS-Bench-101 micro cell such as 64-41414-3_33_333",
                f"{text[:120]!r}",
                "write the macro skeleton 64-41414 and six digits 0 to 3",
            )
        return self.architecture(self.operators[int(digit)] for digit in "".join(match.groups()))


NAS201 = Nas201Cell(
    "nas201", ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"), strided_input=False
)
TRANS101 = Trans101Cell("trans101", ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3"), strided_input=True)
