"""``lapt study``: a paper's table or an ablation over seeds."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import JsonOption, ReplayOption, SetOption, StoreOption
from flows.screen.console import err
from lapt.errors import ConfigError, or_meant
from storage.addresses import DEFAULT_STORE

if TYPE_CHECKING:
    from flows.studies.entrants.methods import Entrant
    from flows.studies.rows import StudyResult
    from storage.store import Store


def study(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="compare, with a pipeline of your own (its file alone suffices); nas201, nas201-imagenet, trans101, "
            "darts, digits, fidelity (trainings that stop early), transfer (every pair of tasks, with gp unless --set "
            "search.method says another), across (sources, also of other spaces), pareto (fronts of accuracy and "
            "latency), source-budget, ablation, quality, reasoners, contamination, prompts; "
            "table4, table5: published networks and their sizes, which take --store and --json alone."
        ),
    ],
    compared: Annotated[
        str | None,
        typer.Argument(metavar="[PIPELINE]", help="A preset or YAML file, as --pipeline; compare needs one."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.")] = 20,
    first_seed: Annotated[
        int, typer.Option(min=0, help="The first seed: report on others than those that a choice was made by.")
    ] = 0,
    methods: Annotated[str | None, typer.Option(help="Methods, separated by commas, such as gp,lapt-gp.")] = None,
    list_methods: Annotated[
        bool, typer.Option("--list-methods", help="Only list the methods that --methods may name in this study.")
    ] = False,
    budget: Annotated[
        int | None,
        typer.Option(min=1, help="Evaluations of methods that do not refine the space; the pipeline's own if unset."),
    ] = None,
    reasoner: Annotated[
        list[str] | None,
        typer.Option(help="As for run; reasoners, contamination and prompts take several, one option each."),
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="Draws of each reasoner, where they are not the seeds.")] = 3,
    budgets: Annotated[
        str | None, typer.Option(help="source-budget: source evaluations, separated by commas, full for all.")
    ] = None,
    devices: Annotated[
        str | None,
        typer.Option(
            help="pareto: columns of latencies, separated by commas; those of the table and its targets if unset."
        ),
    ] = None,
    quantiles: Annotated[
        str | None,
        typer.Option(help="pareto: caps, as quantiles in %, separated by commas (5,10,25,50,75), or none."),
    ] = None,
    resampled: Annotated[
        bool,
        typer.Option(
            "--resampled",
            help="Also run LAPT with one archive per seed, drawn with replacement, for intervals beyond one archive.",
        ),
    ] = False,
    baseline: Annotated[
        str | None, typer.Option(help="Baseline of the tests; each method's search alone if unset.")
    ] = None,
    pipeline: Annotated[str | None, typer.Option(help="A preset or YAML file in place of the study's own.")] = None,
    overrides: SetOption = None,
    replay: ReplayOption = False,
    processes: Annotated[int | None, typer.Option(min=1, help="Worker processes; all cores if unset.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for plots, as SVG and PNG.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Run everything again, even jobs that the store has finished.")
    ] = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Make a table of the paper or an ablation over seeds, with intervals, controls and the published rows."""
    from flows.screen.study import study_progress
    from flows.studies import COMPARE, STUDIES, entrants_of, prepared, settings_of, wanted
    from flows.studies.jobs import keep
    from flows.studies.literature import TABLES, literature
    from flows.studies.show.plots import plots as plotted
    from lapt.pipeline.config import Execution, load_pipeline
    from storage.store import Store

    if name in TABLES:
        _refuse_others(context, name)
        result = literature(name).model_copy(update={"command": f"lapt study {name}"})
        kept_in = Store(store)
        _print(result, keep(kept_in, result), kept_in, as_json)
        return
    if name not in STUDIES and Path(name).is_file():
        name, compared = COMPARE, name
    if name not in STUDIES:
        known = sorted({*STUDIES, *TABLES})
        remedy = or_meant(name, known, "name one of them, or a pipeline's file")
        raise ConfigError(f"a study among {known}", repr(name), remedy)
    if pipeline and compared:
        raise ConfigError("one pipeline", f"{compared} and --pipeline {pipeline}", "leave one of them out")
    opened, other = Store(store), pipeline or compared
    preset, settings = wanted(name, other), settings_of(name, overrides or [], _listed(methods))
    named = [load_pipeline(preset, settings, wanted) for wanted in reasoner or ()]
    of_all = [setting for setting in settings if not (named and setting.startswith("reasoner."))]
    declared = load_pipeline(preset, of_all, STUDIES[name].reasoner)
    what: dict[str, Any] = {"draws": draws, "budgets": _listed(budgets), "budget": budget, "own": other is None}
    what |= {"devices": _listed(devices), "quantiles": _quantiles(quantiles)}
    if list_methods:
        _print_methods(entrants_of(name, declared, named, **what))
        return
    prepared_study = prepared(
        name,
        declared,
        named,
        **what,
        resampled=resampled,
        seeds=seeds,
        first=first_seed,
        methods=_listed(methods),
        baseline=baseline,
        store=opened,
        fresh=fresh,
        execution=Execution(store=opened.address, processes=processes, replies="replay" if replay else "auto"),
    )
    with study_progress(prepared_study) as progress:
        result = prepared_study.run(progress)
    result = result.model_copy(update={"command": _command(context)})
    study_id = keep(opened, result)
    for path in plotted(result, plots) if plots is not None else ():
        err.print(f"wrote {path}", soft_wrap=True)
    _print(result, study_id, opened, as_json)


def _command(context: typer.Context) -> str:
    """The command that makes the same figures again, without options of place and speed."""
    said = ["lapt", "study", *(part for part in (context.params["name"], context.params["compared"]) if part)]
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if (
            parameter.name in ("name", "compared", *_NOT_OF_THE_FIGURES)
            or source is None
            or source.name != "COMMANDLINE"
        ):
            continue
        value, option = context.params[parameter.name], parameter.opts[0]
        if value is True:
            said.append(option)
        else:
            for one in value if isinstance(value, list | tuple) else [value]:
                said += [option, str(one)]
    return shlex.join(said)


_NOT_OF_THE_FIGURES = ("store", "as_json", "plots", "processes", "fresh", "replay")


def _print(result: StudyResult, study_id: str, store: Store, as_json: bool) -> None:
    from flows.screen.console import command, say
    from flows.screen.study import as_json as written
    from flows.screen.study import show_study

    if as_json:
        print(written(result))
    else:
        show_study(result)
        say(f"What now?  {command('report', study_id, store=store.address)}")


def _print_methods(entrants: Iterable[Entrant]) -> None:
    runs = {entrant.method: entrant.default for entrant in sorted(entrants, key=lambda entrant: entrant.default)}
    for method, default in sorted(runs.items(), key=lambda one: not one[1]):
        print(f"{method}{'' if default else '  (when it is named)'}")


def _refuse_others(context: typer.Context, name: str) -> None:
    """Raises ConfigError for an option that says how to run a study, since nothing runs here."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name not in ("name", "store", "as_json") and source is not None and source.name == "COMMANDLINE":
            raise ConfigError(
                f"--store and --json alone with {name}, which runs nothing", parameter.opts[0], "leave it out"
            )


def _quantiles(said: str | None) -> list[float] | None:
    """The quantiles in %. Raises ConfigError for what is no number from 0 to 100."""
    if said is None:
        return None
    found = []
    for one in [] if said == "none" else said.split(","):
        try:
            found.append(float(one))
        except ValueError:
            found.append(-1.0)
        if not 0 <= found[-1] <= 100:
            raise ConfigError("--quantiles from 0 to 100, or none", repr(one), "write, for example, --quantiles 10,50")
    return found


def _listed(names: str | None) -> list[str] | None:
    return [name.strip() for name in names.split(",")] if names else None
