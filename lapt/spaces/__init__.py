"""Search spaces: layers with candidate operators C_i and candidate sources S_i (eq. 2 of the paper)."""

from lapt.spaces.builtin import BUILTIN, Space, space_named, whole_of
from lapt.spaces.declared import DeclaredSpace
from lapt.spaces.families import FAMILIES, register
from lapt.spaces.family import CellFamily
from lapt.spaces.layer import Architecture, Layer
from lapt.spaces.pool import Pool
from lapt.spaces.refining import functions_of
from lapt.spaces.space import ENUMERABLE, SearchSpace
from lapt.spaces.thinned import Thinned

__all__ = [
    "BUILTIN",
    "ENUMERABLE",
    "FAMILIES",
    "Architecture",
    "CellFamily",
    "DeclaredSpace",
    "Layer",
    "Pool",
    "SearchSpace",
    "Space",
    "Thinned",
    "functions_of",
    "register",
    "space_named",
    "whole_of",
]
