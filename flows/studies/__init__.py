"""Studies: a table of the paper, or an ablation, over seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from flows.evaluators import table_of
from flows.studies import ablation, darts, reasoning, source_budget
from flows.studies.comparison import Comparison
from flows.studies.methods import LONG, RESAMPLED, Entrant, with_controls
from flows.studies.quality import Quality
from flows.studies.rows import Row, StudyResult
from lapt.config import Execution, Pipeline
from lapt.errors import ConfigError
from lapt.published import TABLE_2, TABLE_3, Published
from storage.store import Store

__all__ = ["STUDIES", "Comparison", "Row", "Study", "StudyResult", "prepared"]

Entrants = Callable[..., tuple[Entrant, ...]]
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
    """What a preset is put to: the entrants, and the published rows that stand beside them.

    ``reasoner``: in place of the preset's; ``of_sources``: whether ``entrants`` takes source budgets;
    ``notes``: what is to be said of the study.
    """

    title: str
    preset: str
    entrants: Entrants | None
    """None: nothing is searched for (``quality``)."""
    published: tuple[Published, ...] = ()
    reasoner: str | None = None
    of_sources: bool = False
    notes: Callable[[Pipeline], Iterable[str]] = lambda pipeline: ()


STUDIES = {
    "nas201": Study(
        "LAPT, search methods and controls: Table 2 of the paper", "nas201", partial(_methods, longest=LONG), TABLE_2
    ),
    "trans101": Study(
        "LAPT, search methods and controls with 50 evaluations: Table 3 of the paper", "trans101", _methods, TABLE_3
    ),
    "digits": Study("LAPT's own benchmark, which comes with it", "digits_table", partial(_methods, longest=LONG)),
    "darts": Study(
        "DARTS cells on a surrogate, multi-fidelity: LAPT and search methods at equal evaluations",
        "darts_surrogate",
        darts.entrants,
        notes=darts.notes,
    ),
    "reasoners": Study(
        "language models, counting, chance, and models that propose architectures", "nas201", reasoning.reasoners
    ),
    "contamination": Study("does a language model know the benchmark by heart?", "nas201", reasoning.contamination),
    "source-budget": Study(
        "what source evaluations are worth", "nas201", source_budget.source_budgets, (), "patterns", True
    ),
    "ablation": Study("LAPT without one of its parts: Figure 4", "trans101", ablation.ablation),
    "quality": Study("scores in the refined spaces against the whole", "trans101", None),
    "prompts": Study("what each part of the prompt is worth", "trans101", reasoning.prompts),
}
"""Study by name."""


def prepared(
    name: str,
    declared: Pipeline,
    named: Sequence[Pipeline],
    *,
    draws: int,
    execution: Execution,
    store: Store | None = None,
    fresh: bool = False,
    budgets: Sequence[str] | None = None,
    resampled: bool = False,
    **settings: Any,
) -> Comparison | Quality:
    """The study of that name, ready to run. ``resampled``: with the variants that read resampled archives.
    ``settings``: as of ``Comparison``. Raises LaptError as that does."""
    study, of_sources = STUDIES[name], {}
    if study.of_sources:
        of_sources = {"whole": len(table_of(declared, execution.data).architectures)}
        of_sources |= {"budgets": budgets} if budgets else {}
    elif budgets:
        raise ConfigError("--budgets with source-budget alone", f"{name}", "leave it out")
    if study.entrants is None:
        if settings.get("methods") or settings.get("baseline"):
            raise ConfigError(f"no --methods and --baseline with {name}", "one of them", "leave it out")
        return Quality(name, declared, named, draws=draws, seeds=settings["seeds"], execution=execution)
    entrants = study.entrants(declared, named, draws, **of_sources)
    if resampled and not any(entrant.variant == RESAMPLED for entrant in entrants):
        raise ConfigError(
            "--resampled where every seed reads the top of a table, with a reasoner without chance",
            name,
            "leave it out",
        )
    entrants = tuple(entrant for entrant in entrants if resampled or entrant.variant != RESAMPLED)
    settings["notes"] = tuple(study.notes(declared))
    return Comparison(
        name, entrants, published=study.published, execution=execution, store=store, fresh=fresh, **settings
    )
