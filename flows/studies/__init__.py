"""Studies: a table of the paper, or an ablation, over seeds."""

from __future__ import annotations

from dataclasses import dataclass

from flows.studies.comparison import Comparison
from flows.studies.rows import Row, StudyResult
from lapt.published import TABLE_2, Published

__all__ = ["STUDIES", "Comparison", "Row", "Study", "StudyResult"]


@dataclass(frozen=True)
class Study:
    """A preset whose methods are compared, and the published rows that stand beside them."""

    preset: str
    published: tuple[Published, ...] = ()


STUDIES = {"nas201": Study("nas201", TABLE_2)}
"""Study by name."""
