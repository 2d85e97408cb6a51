"""Studies: a table of the paper, or an ablation, over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from flows.studies import reasoning
from flows.studies.comparison import Comparison
from flows.studies.methods import LONG, Entrant, with_controls
from flows.studies.rows import Row, StudyResult
from lapt.config import Pipeline
from lapt.errors import ConfigError
from lapt.published import TABLE_2, TABLE_3, Published

__all__ = ["STUDIES", "Comparison", "Row", "Study", "StudyResult"]

Entrants = Callable[[Pipeline, Sequence[Pipeline], int], tuple[Entrant, ...]]
"""The pipeline as declared, under each reasoner that is named instead, draws -> what is compared."""


def _methods(
    declared: Pipeline, named: Sequence[Pipeline], draws: int, longest: int | None = None
) -> tuple[Entrant, ...]:
    if len(named) > 1:
        raise ConfigError("one reasoner in this study", f"{len(named)}", "lapt study reasoners compares several")
    pipeline = named[0] if named else declared
    return with_controls(pipeline, longest or pipeline.budget)


@dataclass(frozen=True)
class Study:
    """What a preset is put to: the entrants, and the published rows that stand beside them."""

    title: str
    preset: str
    entrants: Entrants
    published: tuple[Published, ...] = ()


STUDIES = {
    "nas201": Study(
        "LAPT, search methods and controls: Table 2 of the paper", "nas201", partial(_methods, longest=LONG), TABLE_2
    ),
    "trans101": Study(
        "LAPT, search methods and controls with 50 evaluations: Table 3 of the paper", "trans101", _methods, TABLE_3
    ),
    "digits": Study("LAPT's own benchmark, which comes with it", "digits_table", partial(_methods, longest=LONG)),
    "reasoners": Study(
        "language models, counting, chance, and models that propose architectures", "nas201", reasoning.reasoners
    ),
    "contamination": Study("does a language model know the benchmark by heart?", "nas201", reasoning.contamination),
    "prompts": Study("what each part of the prompt is worth", "trans101", reasoning.prompts),
}
"""Study by name."""
