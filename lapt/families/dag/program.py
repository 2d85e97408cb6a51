"""A cell on a fixed graph as a Python class that is built from its operators (Figure 2 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence

from lapt.families.dag.cell import DagCell
from lapt.spaces import Layer

_MODULES = {
    "none": "Zero()",
    "skip_connect": "nn.Identity()",
    "nor_conv_1x1": "ReLUConvBN(C, C, kernel_size=1)",
    "nor_conv_3x3": "ReLUConvBN(C, C, kernel_size=3, padding=1)",
    "avg_pool_3x3": "nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)",
}


def program(cell: DagCell, layers: Sequence[Layer]) -> str:
    """Python source of the cell; ``Layer_list`` holds an operator a layer."""
    operators = dict.fromkeys(operator for layer in layers for operator in layer.operators)
    table = [f'    "{name}": lambda C: {_MODULES.get(name, f"{name}(C)")},' for name in operators]
    strided = " In reduction cells, edges that leave node 0 have stride 2." if cell.strided_input else ""
    return "\n".join(
        [
            "OPERATORS = {",
            *table,
            "}",
            "",
            "",
            "class Cell(nn.Module):",
            f'    """Layer_list: one operator an edge, in the order {", ".join(cell.layer_names)}.{strided}"""',
            "",
            f"    EDGES = {list(cell.edges)}",
            "",
            "    def __init__(self, Layer_list, C):",
            "        super().__init__()",
            "        self.layers = nn.ModuleList(OPERATORS[operator](C) for operator in Layer_list)",
            "",
            "    def forward(self, x):",
            f"        nodes = [x] + [0] * {cell.nodes - 1}",
            "        for (source, target), layer in zip(self.EDGES, self.layers):",
            "            nodes[target] = nodes[target] + layer(nodes[source])",
            "        return nodes[-1]",
        ]
    )
