"""The ``lapt`` command line. Commands parse, call and print; they import what they need when they are called."""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.networks import export, final
from flows.cli.options import (
    DeviceOption,
    FinalProcessesOption,
    JsonOption,
    PoolOption,
    ReplayOption,
    RetryOption,
    SetOption,
    StoreOption,
    where,
)
from flows.cli.predict import predict
from flows.cli.reading import report, sql
from flows.cli.reasoning import principles_app, reasoner_app
from flows.cli.running import estimated, tried
from flows.cli.running import run as start
from flows.cli.score import score
from flows.cli.store import store_app
from flows.cli.study import study
from flows.cli.workers import announce, deploy, doctor, worker
from flows.screen.console import command, complain, say, warned
from flows.server.settings import mend, somewhere
from lapt.errors import ConfigError, LaptError, Stopped, release
from storage.addresses import DEFAULT_STORE

if TYPE_CHECKING:
    from storage.benchmarks.surrogates import SurrogateInfo
    from storage.benchmarks.tables import BenchmarkInfo

app = typer.Typer(
    help="Design principle transfer in neural architecture search: learn principles from a source task, refine the "
    "search space of a new one, search it, adapt, repeat.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
benchmark = typer.Typer(help="Benchmark tables: import and list.", no_args_is_help=True)
app.add_typer(benchmark, name="benchmark")
app.add_typer(store_app, name="store")
app.add_typer(reasoner_app, name="reasoner")
app.add_typer(principles_app, name="principles")
app.command()(study)
app.command()(report)
for more in (export, final, predict, score, sql, deploy, worker, doctor, announce):
    app.command()(more)

INTERRUPTED = 130
"""Exit status after Ctrl-C, and after a cancel in Prefect's UI: 128 + SIGINT, as in shells and in Typer."""
ProcessesOption = Annotated[
    int | None, typer.Option(min=1, help="Number of trainings side by side; if unset, one per core, or one on a GPU.")
]
ReasonerOption = Annotated[
    str | None,
    typer.Option(help="In place of the pipeline's: patterns, frequency, random, chat:PROVIDER:MODEL or chat:manual."),
]


def main() -> None:
    """Entry point. Exit status: 0 done, 1 failed with a message, 2 wrong use, 130 Ctrl-C or cancelled in Prefect.

    No traceback unless --debug.
    """
    try:
        status = _status(sys.argv[1:])
    except KeyboardInterrupt:  # once more, while the first was being seen to
        status = INTERRUPTED
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it would be a traceback of the interpreter, which ends anyway
    sys.exit(status)


def _status(arguments: list[str]) -> int:
    warnings.showwarning = warned  # type: ignore[assignment]
    mend()
    somewhere()
    debug = "--debug" in arguments
    try:
        status = app([a for a in arguments if a != "--debug"], standalone_mode=False)
        if status == INTERRUPTED:
            raise KeyboardInterrupt
    except LaptError as error:
        if debug:
            raise
        complain(error)
        status = 2 if error.usage else 1
        release(error)
    except (KeyboardInterrupt, typer.Abort, Stopped) as stop:
        said = stop if isinstance(stop, Stopped) else "interrupted"
        complain(f"{said}; what was finished is stored, and the same command goes on from there")
        status = INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):  # wrong use: Typer says it best
            error.show()
            return 2
        if debug:
            raise
        complain(f"{type(error).__name__}: {error}; run again with --debug for the traceback")
        status = 1
        release(error)
    return status or 0


def _version(wanted: bool) -> None:
    if wanted:
        from lapt import __version__

        print(f"lapt {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Options of every command. ``main`` reads --debug itself, at any place on the command line."""


@app.command()
def demo(store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Run the whole pipeline with real training on scikit-learn's digits: no key, no GPU, no download. Takes
    minutes."""
    from lapt.pipeline.config import load_pipeline

    start(load_pipeline("digits"), store, as_json)


@app.command()
def run(
    pipeline: Annotated[str, typer.Argument(help="A preset by name, or a YAML file.")],
    overrides: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    reasoner: ReasonerOption = None,
    replay: ReplayOption = False,
    processes: ProcessesOption = None,
    device: DeviceOption = "auto",
    final_processes: FinalProcessesOption = 1,
    pool: PoolOption = None,
    retry_failed: RetryOption = False,
    library: Annotated[
        str | None, typer.Option(help="File of a library of principles, to which the finished run adds its evidence.")
    ] = None,
    max_evaluations: Annotated[
        int | None, typer.Option(min=1, help="End with the best so far after N, over all targets and controls.")
    ] = None,
    max_seconds: Annotated[float | None, typer.Option(min=0.001, help="As above, after N s of wall time.")] = None,
    max_device_seconds: Annotated[
        float | None, typer.Option(min=0.001, help="End with the best so far after N seconds of trainings.")
    ] = None,
    snapshot: Annotated[bool, typer.Option(help="Leave a DuckDB file of the finished run in the store.")] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would train, how long and how much; do none of it.")
    ] = False,
    trial: Annotated[
        int | None,
        typer.Option(min=4, help="Train N random networks twice, say whether scores tell them apart, and stop."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run one pipeline: archive, principles, and a refine-search-adapt loop for each target."""
    from lapt.pipeline.config import load_pipeline

    replies = "replay" if replay else "auto"
    limits = {"evaluations": max_evaluations, "seconds": max_seconds, "device_seconds": max_device_seconds}
    execution: dict[str, Any] = {"processes": processes, "device": device, "retry_failed": retry_failed}
    asked = load_pipeline(pipeline, overrides or (), reasoner)
    execution |= {"limits": limits, "snapshot": snapshot, "library": library, "replies": replies}
    execution["final_processes"] = final_processes
    if trial is None:
        (estimated if dry_run else start)(asked, store, as_json, **execution, **where(pool))
    elif dry_run or library is not None or any(limits.values()):
        raise ConfigError(
            "--trial without --dry-run, --library and limits",
            "one of them beside --trial",
            "leave it out; a trial trains N networks of each target twice",
        )
    else:
        tried(asked, trial, store, as_json, **execution, **where(pool))


@benchmark.command("import")
def benchmark_import(
    kind: Annotated[
        str,
        typer.Argument(
            help="nasbench201, transnas101-micro, transnas101-macro, nas-bench-graph, table, columns or surrogate."
        ),
    ],
    path: Annotated[
        Path | None,
        typer.Argument(
            help="The benchmark's Parquet or official file; a surrogate's folder. nas-bench-graph: the folder of its "
            "package; the installed one if left out."
        ),
    ] = None,
    declare: Annotated[
        Path | None, typer.Option(help="For kinds table and columns: a YAML file that names its columns.")
    ] = None,
    table: Annotated[str | None, typer.Option(help="For kind columns: the table that they are of.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite other content of the same name.")] = False,
) -> None:
    """Check a benchmark file, or a surrogate's folder, and copy it into the data folder (LAPT_DATA)."""
    from flows.screen.tables import import_progress, show_benchmarks, show_columns, show_macro
    from lapt.pipeline.config import load_pipeline, presets
    from storage.benchmarks.columns import KIND as COLUMNS
    from storage.benchmarks.kinds import MACRO
    from storage.benchmarks.official.reading import where as held
    from storage.benchmarks.official.transnas import import_macro
    from storage.benchmarks.surrogates import KIND, import_surrogate
    from storage.benchmarks.tables import add_columns, data_folder, import_benchmark

    path = held(kind) if path is None else path
    if kind == COLUMNS:
        show_columns(add_columns(path, table=table, declare=declare, replace=replace))
        return
    if table is not None:
        raise ConfigError("--table for kind columns alone", f"kind {kind}", "leave --table out")
    if kind in (KIND, MACRO) and declare is not None:
        raise ConfigError(f"no declaration for {kind}", str(declare), "leave --declare out")
    try:
        with import_progress(path) as progress:
            if kind == MACRO:
                show_macro(import_macro(path, data_folder(), progress))
                return
            if kind == KIND:
                info: BenchmarkInfo | SurrogateInfo = import_surrogate(path, replace=replace)
            else:
                info = import_benchmark(kind, path, declare=declare, replace=replace, progress=progress)
    except KeyboardInterrupt:
        complain("interrupted; nothing was imported")
        sys.exit(INTERRUPTED)
    if os.environ.get("PREFECT_API_URL"):
        from flows.server.events import benchmark_imported

        benchmark_imported(info.name)
    show_benchmarks([info])
    key = "model" if kind == KIND else "table"
    runs = [name for name in presets() if load_pipeline(name).evaluator.model_dump().get(key) == info.name]
    declared = f"a pipeline with evaluator: {{kind: table, table: {info.name}}}"
    say(f"What now?  {command('run', runs[0]) if runs else declared}")


@benchmark.command("build")
def benchmark_build(
    plan: Annotated[str, typer.Argument(help="A plan by name (digits), or a YAML file.")],
    out: Annotated[Path | None, typer.Option(help="The table's file; <name>.parquet here if unset.")] = None,
    trial: Annotated[
        int | None, typer.Option(min=8, help="Train N random architectures twice, show how far they agree, and stop.")
    ] = None,
    overrides: SetOption = None,
    processes: ProcessesOption = None,
    retry_failed: RetryOption = False,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Make a benchmark table: train every distinct architecture. Takes hours; stored trainings are not repeated."""
    from flows.embedded import under_own_server
    from flows.evaluators import measuring
    from flows.screen.progress import run_progress
    from flows.screen.tables import show_benchmarks, show_noise
    from lapt.base.noise import Noise
    from lapt.pipeline.config import Execution, load_plan
    from storage.benchmarks.tables import BenchmarkInfo
    from storage.store import Store

    planned = load_plan(plan, overrides or ())
    execution = Execution(store=Store(store).address, processes=processes, retry_failed=retry_failed)
    for task in planned.tasks:
        measuring(planned, execution, Store(execution.store))(task, 0)
    target = (out or Path(f"{planned.name}.parquet")).absolute()

    def run() -> BenchmarkInfo | dict[str, Noise]:
        from flows.benchmark import build_benchmark, try_benchmark

        if trial is not None:
            return try_benchmark(planned, execution, trial)
        return build_benchmark(planned, execution, target)

    with run_progress() as listener:
        result = under_own_server(run, execution.store, listener)
    if isinstance(result, BenchmarkInfo):
        show_benchmarks([result])
    else:
        show_noise(result)


@benchmark.command("list")
def benchmark_list(as_json: JsonOption = False) -> None:
    """List the tables in the data folder, with rows, best values and checksum, and the surrogates."""
    from flows.screen.tables import show_benchmarks
    from storage.benchmarks.surrogates import list_surrogates
    from storage.benchmarks.tables import list_benchmarks

    known: list[BenchmarkInfo | SurrogateInfo] = [*list_benchmarks(), *list_surrogates()]
    if as_json:
        print(json.dumps([info.model_dump(mode="json") for info in known], indent=2))
    else:
        show_benchmarks(known)


@app.command()
def ui(store: StoreOption = DEFAULT_STORE) -> None:
    """Serve the Prefect UI over the store's runs until Ctrl-C."""
    from flows.server.settings import apply_environment

    apply_environment()
    from flows.embedded import history_home
    from flows.server.address import prefect_server

    with prefect_server(history_home(store)) as api_url:
        print(f"{api_url.removesuffix('/api')}   (Ctrl-C ends it)", flush=True)
        try:
            _wait_for_interrupt()
        except KeyboardInterrupt:
            print()


def _wait_for_interrupt() -> None:
    import threading

    threading.Event().wait()
