"""The search space as a Python class that builds an architecture from its parameters (Figure 2 of the paper)."""

from __future__ import annotations

from lapt.spaces import DagCell, DartsCell, DeclaredSpace, SearchSpace

_MODULES = {
    "none": "Zero()",
    "skip_connect": "nn.Identity()",
    "nor_conv_1x1": "ReLUConvBN(C, C, kernel_size=1)",
    "nor_conv_3x3": "ReLUConvBN(C, C, kernel_size=3, padding=1)",
    "avg_pool_3x3": "nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)",
}

_STRIDED = {
    "none": "Zero(stride)",
    "max_pool_3x3": "nn.MaxPool2d(3, stride, padding=1)",
    "avg_pool_3x3": "nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)",
    "skip_connect": "nn.Identity() if stride == 1 else FactorizedReduce(C, C)",
    "sep_conv_3x3": "SepConv(C, C, kernel_size=3, stride=stride, padding=1)",
    "sep_conv_5x5": "SepConv(C, C, kernel_size=5, stride=stride, padding=2)",
    "dil_conv_3x3": "DilConv(C, C, kernel_size=3, stride=stride, padding=2, dilation=2)",
    "dil_conv_5x5": "DilConv(C, C, kernel_size=5, stride=stride, padding=4, dilation=2)",
}
_DARTS = '''\
class Cell(nn.Module):
    """Layer_list: 16 pairs (operator, source), in the order {layers}.

    The layers 2a and 2b add up to node 2, 3a and 3b to node 3, and so on. The two layers of a node read different
    sources, inputs of the cell or earlier nodes; a reads the earlier one. The network is a row of normal cells; at 1/3
    and 2/3 of its depth stands a reduction cell instead, which halves the sides where it reads an input.
    """

    def __init__(self, Layer_list, C, reduction=False):
        super().__init__()
        chosen = Layer_list[8:] if reduction else Layer_list[:8]
        self.sources = [source for operator, source in chosen]
        strides = [2 if reduction and source.startswith("input") else 1 for source in self.sources]
        self.layers = nn.ModuleList(OPERATORS[chosen[i][0]](C, strides[i]) for i in range(8))

    def forward(self, input0, input1):  # outputs of the cell before the last, and of the last
        values = {{"input0": input0, "input1": input1}}
        for node in (2, 3, 4, 5):
            a, b = 2 * node - 4, 2 * node - 3
            values[f"node{{node}}"] = self.layers[a](values[self.sources[a]]) + self.layers[b](values[self.sources[b]])
        return torch.cat([values[f"node{{node}}"] for node in (2, 3, 4, 5)], dim=1)'''


def cell_class(space: SearchSpace) -> str:
    """Python source of the cell; ``Layer_list`` holds an operator a layer, and its source where that is searched."""
    operators = list(dict.fromkeys(operator for layer in space.layers for operator in layer.operators))
    if isinstance(space.family, DartsCell):
        table = [f'    "{name}": lambda C, stride: {_STRIDED[name]},' for name in operators]
        return "\n".join(["OPERATORS = {", *table, "}", "", "", _DARTS.format(layers=", ".join(space.layer_names))])
    if isinstance(space.family, DeclaredSpace):
        return _choices(space)
    table = [f'    "{name}": lambda C: {_MODULES.get(name, f"{name}(C)")},' for name in operators]
    return "\n".join(["OPERATORS = {", *table, "}", "", "", *_cell(space)])


def _choices(space: SearchSpace) -> str:
    """Of a declared space nothing is known but what it chooses from."""
    sourced = any(len(layer.sources) > 1 for layer in space.layers)
    choices = {layer.name: layer.choices if sourced else layer.operators for layer in space.layers}
    rows = [f'    "{name}": {list(chosen)},' for name, chosen in choices.items()]
    one = "one (operator, source)" if sourced else "one operator"
    return "\n".join([f"# Layer_list: {one} a layer, in this order.", "LAYERS = {", *rows, "}"])


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
