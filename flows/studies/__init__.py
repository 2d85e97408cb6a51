"""Studies: a table of the paper, or an ablation, over seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flows.evaluators import table_of
from flows.studies.comparison import Comparison
from flows.studies.entrants.fronts import fronts
from flows.studies.entrants.halved import halved, halved_notes
from flows.studies.entrants.methods import LONG, RESAMPLED, Entrant, under_one, with_controls
from flows.studies.entrants.pairs import pairs
from flows.studies.entrants.sources import across
from flows.studies.entrants.variants import (
    ablation,
    contamination,
    darts,
    darts_notes,
    prompts,
    reasoners,
    source_budgets,
)
from flows.studies.pareto import Pareto
from flows.studies.published import TABLE_2, TABLE_2_IMAGENET, TABLE_3, PublishedTable
from flows.studies.quality import Quality
from flows.studies.transfer import Transfer
from lapt.errors import ConfigError
from lapt.pipeline.config import Execution, Pipeline
from lapt.search import SEARCHERS
from storage.store import Store

COMPARE = "compare"
"""The study of the user's own pipeline."""
TRANSFER = "transfer"
"""The study of every pair of tasks."""
PARETO = "pareto"
"""The study of fronts."""

Entrants = Callable[..., tuple[Entrant, ...]]
"""(declared pipeline, the pipeline under each other reasoner that is named, draws) -> entrants of the study."""


def _methods(
    declared: Pipeline, named: Sequence[Pipeline], draws: int, budget: int | None = None
) -> tuple[Entrant, ...]:
    """The entrants under one reasoner. ``budget``: evaluations of methods that do not refine the space; LAPT's if
    unset."""
    pipeline = under_one(declared, named)
    return with_controls(pipeline, max(budget or 0, pipeline.budget))


@dataclass(frozen=True)
class Study:
    """Definition of a study: the entrants, and the published rows beside them.

    ``preset``: used unless another pipeline is named. ``budget``: evaluations that methods which do not refine the
    space may use with the preset; LAPT's if unset, and with other pipelines. ``of_benchmark``: whether it has the name
    of its benchmark. ``reasoner``, ``search``: kind and method in place of the pipeline's, unless others are named.
    ``of_sources``: whether ``entrants`` takes source budgets, ``of_devices``: columns and quantiles,
    ``longer``: whether it takes a budget for methods that do not refine the space. ``notes``: remarks on the study.
    """

    title: str
    preset: str | None
    entrants: Entrants | None
    """None: nothing is searched (``quality``)."""
    published: PublishedTable | None = None
    budget: int | None = None
    of_benchmark: bool = False
    reasoner: str | None = None
    search: str | None = None
    of_sources: bool = False
    of_devices: bool = False
    longer: bool = False
    notes: Callable[[Pipeline], Iterable[str]] = lambda pipeline: ()


STUDIES = {
    COMPARE: Study(
        "a pipeline of one's own: LAPT, search methods and controls", None, _methods, of_benchmark=True, longer=True
    ),
    "nas201": Study(
        "LAPT, search methods and controls: Table 2 of the paper",
        "nas201",
        _methods,
        TABLE_2,
        budget=LONG,
        of_benchmark=True,
        longer=True,
    ),
    "nas201-imagenet": Study(
        "Table 2 of the paper with its source as the target: CIFAR-10 to ImageNet16-120",
        "nas201_imagenet",
        _methods,
        TABLE_2_IMAGENET,
        budget=LONG,
        of_benchmark=True,
        longer=True,
    ),
    "trans101": Study(
        "LAPT, search methods and controls with 50 evaluations: Table 3 of the paper",
        "trans101",
        _methods,
        TABLE_3,
        of_benchmark=True,
        longer=True,
    ),
    "digits": Study(
        "LAPT's own benchmark, which comes with it",
        "digits_table",
        _methods,
        budget=LONG,
        of_benchmark=True,
        longer=True,
    ),
    "darts": Study(
        "DARTS cells on a surrogate, multi-fidelity: LAPT and search methods at equal evaluations",
        "darts_surrogate",
        darts,
        of_benchmark=True,
        notes=darts_notes,
    ),
    "reasoners": Study("language models, counting, chance, and models that propose architectures", "nas201", reasoners),
    "contamination": Study("does a language model know the benchmark by heart?", "nas201", contamination),
    "source-budget": Study(
        "what source evaluations are worth",
        "nas201",
        source_budgets,
        reasoner="patterns",
        of_sources=True,
    ),
    "ablation": Study("LAPT without one of its parts: Figure 4", "trans101", ablation),
    TRANSFER: Study(
        "every pair of tasks: what LAPT adds to the same search", "trans101", pairs, search="gp", longer=True
    ),
    PARETO: Study(
        "fronts of accuracy and latency, and the best under caps on the latency", PARETO, fronts, of_devices=True
    ),
    "across": Study(
        "sources, also of other spaces: each alone, all together, experts alone, and none",
        "across",
        across,
        search="gp",
        longer=True,
    ),
    "fidelity": Study(
        "trainings that stop early against whole trainings, at equal epochs",
        "digits_curves",
        halved,
        notes=halved_notes,
    ),
    "quality": Study("scores in the refined spaces against the whole", "trans101", None),
    "prompts": Study("what each part of the prompt is worth", "trans101", prompts),
}
"""Study by name."""


def wanted(name: str, pipeline: str | None = None) -> str:
    """The preset or file that the study runs on. ``pipeline``: in place of its own. Raises ConfigError without one."""
    found = pipeline or STUDIES[name].preset
    if found is None:
        raise ConfigError("a pipeline to compare", "none", f"name one: lapt study {name} FILE.yaml")
    return found


def settings_of(name: str, overrides: Sequence[str], methods: Sequence[str] | None = None) -> list[str]:
    """The overrides of the pipeline, behind the study's choice of a search method if they name none.

    ``methods``: the first of LAPT's among them is chosen, so that it has the parameters that the pipeline declares.
    """
    search = STUDIES[name].search
    if search is None or any(override.startswith(("search.method=", "search=")) for override in overrides):
        return list(overrides)
    inside = [method.removeprefix("lapt-") for method in methods or () if method.startswith("lapt-")]
    return [f"search.method={next((method for method in inside if method in SEARCHERS), search)}", *overrides]


def titled(name: str, pipeline: Pipeline, *, own: bool) -> str:
    """The title of the study's tables. ``own``: the pipeline is the study's preset, so the study's own name may be
    used."""
    if own:
        return name
    return pipeline.name if STUDIES[name].of_benchmark else f"{name} of {pipeline.name}"


def entrants_of(
    name: str,
    declared: Pipeline,
    named: Sequence[Pipeline],
    *,
    draws: int,
    data: str | None = None,
    budgets: Sequence[str] | None = None,
    budget: int | None = None,
    devices: Sequence[str] | None = None,
    quantiles: Sequence[float] | None = None,
    own: bool = True,
) -> tuple[Entrant, ...]:
    """The entrants of the study, for each method that can be named. Raises ConfigError for an option that it does not
    take.

    ``own``: on its own preset. ``budget``: of methods that do not refine the space.
    """
    study, more = STUDIES[name], dict[str, Any]()
    if study.of_sources:
        more = {"whole": len(table_of(declared, data).architectures)} | ({"budgets": budgets} if budgets else {})
    elif budgets:
        raise ConfigError("--budgets with source-budget alone", f"{name}", "leave it out")
    if study.of_devices:
        asked = {"devices": devices, "quantiles": quantiles}
        more |= {"table": table_of(declared, data)} | {key: of for key, of in asked.items() if of is not None}
    elif devices is not None or quantiles is not None:
        raise ConfigError(f"--devices and --quantiles with {PARETO} alone", name, "leave them out")
    if study.longer:
        if budget is not None and budget < declared.budget:
            raise ConfigError(
                f"a --budget of at least the pipeline's own {declared.budget} evaluations", f"{budget}", "leave it out"
            )
        more["budget"] = budget or (study.budget if own else None)
    elif budget is not None:
        longer = [known for known, other in STUDIES.items() if other.longer]
        raise ConfigError(f"--budget with {', '.join(longer)} alone", name, "leave it out")
    return () if study.entrants is None else study.entrants(declared, named, draws, **more)


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
    budget: int | None = None,
    devices: Sequence[str] | None = None,
    quantiles: Sequence[float] | None = None,
    own: bool = True,
    resampled: bool = False,
    **settings: Any,
) -> Comparison | Quality | Transfer | Pareto:
    """The study of that name, ready to run. Raises LaptError as ``Comparison``.

    ``budgets`` to ``own``: as in ``entrants_of``. ``resampled``: with the variants that read resampled archives.
    ``settings``: as in ``Comparison``.
    """
    study, title = STUDIES[name], titled(name, declared, own=own)
    entrants = entrants_of(
        name,
        declared,
        named,
        draws=draws,
        data=execution.data,
        budgets=budgets,
        budget=budget,
        devices=devices,
        quantiles=quantiles,
        own=own,
    )
    if study.entrants is None:
        if settings.get("methods") or settings.get("baseline") or settings.get("first"):
            raise ConfigError(f"no --methods, --baseline and --first-seed with {name}", "one of them", "leave it out")
        return Quality(name, declared, named, draws=draws, seeds=settings["seeds"], execution=execution, title=title)
    if resampled and not any(entrant.variant == RESAMPLED for entrant in entrants):
        raise ConfigError(
            "--resampled where every seed reads the top of a table, with a reasoner without chance",
            name,
            "leave it out",
        )
    entrants = tuple(entrant for entrant in entrants if resampled or entrant.variant != RESAMPLED)
    if name in (TRANSFER, PARETO):
        if settings.pop("baseline", None):
            raise ConfigError(f"no --baseline with {name}, which has its own", "one", "leave it out")
        kind = Transfer if name == TRANSFER else Pareto
        return kind(name, declared, entrants, title=title, execution=execution, store=store, fresh=fresh, **settings)
    table, notes = study.published, tuple(study.notes(declared))
    if table is not None and not table.stands_beside(declared):
        notes += (f"no published figures beside these: {table.name} of the paper is of {table.setting}",)
        table = None
    return Comparison(
        name,
        entrants,
        title=title,
        published=() if table is None else table.rows,
        execution=execution,
        store=store,
        fresh=fresh,
        notes=notes,
        **settings,
    )
