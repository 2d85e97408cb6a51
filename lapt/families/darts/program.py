"""DARTS cells as a Python class that is built from pairs of operator and source (Figure 2 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence

from lapt.base.templates import rendered
from lapt.families.darts.cell import DartsCell
from lapt.spaces import Layer


def program(cell: DartsCell, layers: Sequence[Layer]) -> str:
    """Python source of the cells; ``Layer_list`` holds an operator and a source a layer."""
    operators = dict.fromkeys(operator for layer in layers for operator in layer.operators)
    return rendered("lapt.families.darts", "program", operators=operators, layers=cell.layer_names)
