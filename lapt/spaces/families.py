"""The cell families by name."""

from __future__ import annotations

from lapt.spaces.architecture import Cell
from lapt.spaces.cells import NAS201, TRANS101
from lapt.spaces.darts import DARTS

CELLS: dict[str, Cell] = {cell.name: cell for cell in (NAS201, TRANS101)} | {DARTS.name: DARTS}
"""A SearchSpace refers to one."""
