"""Studies: a table of the paper, or an ablation, over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flows.studies import reasoning
from flows.studies.comparison import Comparison
from flows.studies.methods import Entrant, with_controls
from flows.studies.rows import Row, StudyResult
from lapt.config import Pipeline
from lapt.errors import ConfigError
from lapt.published import TABLE_2, Published

__all__ = ["STUDIES", "Comparison", "Row", "Study", "StudyResult"]

Entrants = Callable[[Pipeline, Sequence[Pipeline], int], tuple[Entrant, ...]]
"""The pipeline as declared, under each reasoner that is named instead, draws -> what is compared."""


def _one(declared: Pipeline, named: Sequence[Pipeline], draws: int) -> tuple[Entrant, ...]:
    if len(named) > 1:
        raise ConfigError("one reasoner in this study", f"{len(named)}", "lapt study reasoners compares several")
    return with_controls(named[0] if named else declared)


@dataclass(frozen=True)
class Study:
    """What a preset is put to: the entrants, and the published rows that stand beside them."""

    title: str
    preset: str
    entrants: Entrants = _one
    published: tuple[Published, ...] = ()


STUDIES = {
    "nas201": Study("LAPT, search methods and controls: Table 2 of the paper", "nas201", published=TABLE_2),
    "digits": Study("LAPT's own benchmark, which comes with it", "digits_table"),
    "reasoners": Study(
        "language models, counting, chance, and models that propose architectures", "nas201", reasoning.reasoners
    ),
    "contamination": Study("does a language model know the benchmark by heart?", "nas201", reasoning.contamination),
    "prompts": Study("what each part of the prompt is worth", "trans101", reasoning.prompts),
}
"""Study by name."""
