"""Search spaces: layers with candidate operators C_i and candidate sources S_i (eq. 2 of the paper)."""

from lapt.spaces.architecture import Architecture, Cell
from lapt.spaces.builtin import BUILTIN, Space, inlined, space_named, whole_of
from lapt.spaces.cells import DagCell
from lapt.spaces.darts import DartsCell
from lapt.spaces.declared import DeclaredSpace
from lapt.spaces.families import CELLS
from lapt.spaces.genotype import Edge, Genotype
from lapt.spaces.layer import Layer
from lapt.spaces.pool import Pool
from lapt.spaces.space import ENUMERABLE, SearchSpace

__all__ = [
    "BUILTIN",
    "CELLS",
    "ENUMERABLE",
    "Architecture",
    "Cell",
    "DagCell",
    "DartsCell",
    "DeclaredSpace",
    "Edge",
    "Genotype",
    "Layer",
    "Pool",
    "SearchSpace",
    "Space",
    "inlined",
    "space_named",
    "whole_of",
]
