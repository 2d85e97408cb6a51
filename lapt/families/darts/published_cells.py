"""Cells of the literature, for networks to be counted by and compared with. FairDARTS_a is outside the space darts."""

from __future__ import annotations

from lapt.base.shipped import table_beside
from lapt.families.darts.genotype import Genotype, genotype

PUBLISHED_CELLS: dict[str, Genotype] = {name: genotype(text) for name, text in table_beside(__name__).items()}
