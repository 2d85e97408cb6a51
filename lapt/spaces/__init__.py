"""Search spaces: layers with candidate operators C_i and candidate sources S_i (eq. 2 of the paper)."""

from lapt.spaces.builtin import BUILTIN, space_named
from lapt.spaces.cells import CELLS, Architecture, Cell, DagCell
from lapt.spaces.space import Layer, SearchSpace

__all__ = ["BUILTIN", "CELLS", "Architecture", "Cell", "DagCell", "Layer", "SearchSpace", "space_named"]
