"""DARTS cells as a Python class that is built from pairs of operator and source (Figure 2 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence

from lapt.families.darts.cell import DartsCell
from lapt.spaces import Layer

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


def program(cell: DartsCell, layers: Sequence[Layer]) -> str:
    """Python source of the cells; ``Layer_list`` holds an operator and a source a layer."""
    operators = dict.fromkeys(operator for layer in layers for operator in layer.operators)
    table = [f'    "{name}": lambda C, stride: {_STRIDED[name]},' for name in operators]
    return "\n".join(["OPERATORS = {", *table, "}", "", "", _DARTS.format(layers=", ".join(cell.layer_names))])
