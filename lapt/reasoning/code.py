"""The search space as a Python class that builds an architecture from its parameters (Figure 2 of the paper)."""

from __future__ import annotations

from lapt.spaces import DagCell, SearchSpace

_MODULES = {
    "none": "Zero()",
    "skip_connect": "nn.Identity()",
    "nor_conv_1x1": "ReLUConvBN(C, C, kernel_size=1)",
    "nor_conv_3x3": "ReLUConvBN(C, C, kernel_size=3, padding=1)",
    "avg_pool_3x3": "nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)",
}


def cell_class(space: SearchSpace) -> str:
    """Python source of the cell; ``Layer_list`` holds an operator a layer, and its source where that is searched."""
    operators = list(dict.fromkeys(operator for layer in space.layers for operator in layer.operators))
    table = [f'    "{name}": lambda C: {_MODULES.get(name, f"{name}(C)")},' for name in operators]
    return "\n".join(["OPERATORS = {", *table, "}", "", "", *_cell(space)])


def _cell(space: SearchSpace) -> list[str]:
    family = space.family
    layers = ", ".join(space.layer_names)
    if not isinstance(family, DagCell):
        return [
            "class Cell(nn.Module):",
            f'    """Layer_list: one (operator, source) a layer, for the layers {layers}."""',
            "",
            "    def __init__(self, Layer_list, C):",
            "        super().__init__()",
            "        self.layers = nn.ModuleList(OPERATORS[operator](C) for operator, source in Layer_list)",
            "        self.sources = [source for operator, source in Layer_list]",
        ]
    strided = " In reduction cells, edges that leave node 0 have stride 2." if family.strided_input else ""
    return [
        "class Cell(nn.Module):",
        f'    """Layer_list: one operator an edge, in the order {layers}.{strided}"""',
        "",
        f"    EDGES = {list(family.edges)}",
        "",
        "    def __init__(self, Layer_list, C):",
        "        super().__init__()",
        "        self.layers = nn.ModuleList(OPERATORS[operator](C) for operator in Layer_list)",
        "",
        "    def forward(self, x):",
        f"        nodes = [x] + [0] * {family.nodes - 1}",
        "        for (source, target), layer in zip(self.EDGES, self.layers):",
        "            nodes[target] = nodes[target] + layer(nodes[source])",
        "        return nodes[-1]",
    ]
