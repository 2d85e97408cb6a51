"""A cell on a fixed graph as a Python class that is built from its operators (Figure 2 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence

from lapt.base.templates import rendered
from lapt.families.dag.cell import DagCell
from lapt.spaces import Layer


def program(cell: DagCell, layers: Sequence[Layer]) -> str:
    """Python source of the cell; ``Layer_list`` holds an operator a layer."""
    operators = dict.fromkeys(operator for layer in layers for operator in layer.operators)
    return rendered("lapt.families.dag", "program", operators=operators, cell=cell)
