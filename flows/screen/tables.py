"""Runs, benchmarks and query results in the terminal."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from textwrap import shorten, wrap
from typing import Any

import pyarrow as pa
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from flows.screen.console import SAID_SECONDS, command, err, fits, out, print_table, say
from lapt.base.noise import Noise
from lapt.pipeline.config import Pipeline
from lapt.pipeline.results import RunResult, TargetResult, Trial
from lapt.pipeline.sources import is_read
from lapt.pipeline.wording import (
    advice,
    against,
    caution,
    cost_of,
    ended_early,
    lasting,
    losses,
    measured,
    named,
    rungs,
    shown,
    tried,
    visible,
    within,
)
from lapt.principles import Principle, Principles
from lapt.report.run_tables import front, results
from lapt.report.tables import Column, Table, number, numbers, text
from lapt.spaces import space_named
from storage.benchmarks.columns import ColumnsInfo
from storage.benchmarks.official.published_files import Progress as Heard
from storage.benchmarks.official.transnas import MacroTable
from storage.benchmarks.surrogates import SurrogateInfo
from storage.benchmarks.tables import BenchmarkInfo

_FIGURES = re.compile(r" \([^()]*\d[^()]*\)")
"""Figures in brackets in a principle. They are cut first where it is too long for two lines."""
FIRST = 3
"""Principles that are printed at the end of a run."""


# --- a run -----------------------------------------------------------------------------------------------
def show_run(pipeline: Pipeline, result: RunResult, learned: Principles | None) -> None:
    """Print the results of a run beside its controls, the best principles ``learned``, and the next commands."""
    found = results(result, pipeline.label).without("architecture")
    print_table(replace(found, caption=f"{result.pipeline}, run {result.run_id}"), keys=2)
    for said in (*losses(result, pipeline.label), *ended_early(result), *rungs(result), *advice(result)):
        out.print(said, soft_wrap=True)
    for target in result.targets:
        out.print(f"{target.task} ({measured(target)}){f': {against(target)}' if target.controls else ''}")
        none = "no architecture could be scored" if target.evaluations else "it was not searched"
        out.print(f"  {target.architecture or none}", soft_wrap=True)
        if kept := within(target, pipeline):
            out.print(f"  {kept}", soft_wrap=True)
        if target.final is not None:
            out.print(f"  {cost_of(target, target.final)}", soft_wrap=True)
        for control in target.controls:
            if control.final is not None:
                out.print(f"  {named(control.method)}: {cost_of(control, control.final)}", soft_wrap=True)
        if target.front:
            print_table(replace(front(target, pipeline), caption=f"front of {target.task}"))
    out.print(caution(pipeline), style="dim")
    if learned is not None:
        _show_principles(pipeline, learned)
    out.print("\nWhat now?", style="bold")
    for what, words in _next(pipeline, result):
        out.print(f"  {what}:")
        say(f"    {command(*words, store=result.store)}")


def unscored(pipeline: Pipeline) -> str:
    """The remedy where no architecture could be scored."""
    if pipeline.evaluator.kind == "table":
        return "search what the table has, with --set evaluator.pool=table, or complete the table"
    return 'see why: lapt sql "SELECT DISTINCT error FROM evaluations WHERE error IS NOT NULL"'


def _next(pipeline: Pipeline, result: RunResult) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(purpose, words after ``lapt``) of the commands that are useful after a run."""
    run = result.run_id
    yield "the page: principles, spaces, curves and cells", ("report", run)
    if getattr(pipeline.evaluator, "final", "") is None:
        yield "what was found, trained from scratch", ("final", run, "--set", "evaluator.final.recipe.epochs=100")
    elif pipeline.evaluator.trains:
        export = ("export", run, f"--target={result.targets[0].task}")
        if space_named(pipeline.space).family.export is None:
            yield "the network with its weights", (*export, "--format", "state-dict")
        else:
            yield "the network as readable Python", export
    first = result.targets[0]
    if len(first.front) > 1 and space_named(pipeline.space).family.export is not None:
        middle = first.front[(len(first.front) - 1) // 2]
        limit = f"{pipeline.objectives[1]}<={math.ceil(middle.cost)}"
        yield "the best within a limit, from the front", ("export", run, f"--target={first.task}", "--pick", limit)
    yield "how it went, evaluation by evaluation", ("sql", f"SELECT * FROM anytime WHERE run_id = '{run}'")
    yield "the flow and its tasks as a graph", ("ui",)


def _show_principles(pipeline: Pipeline, learned: Principles) -> None:
    """Print the principles that the source supports most, in at most two lines each."""
    space = space_named(pipeline.space)
    of_space = learned.space == space.name

    def lift(principle: Principle) -> float:
        return principle.support - (principle.chance(space) if of_space else 0.0)

    stated = [principle for principle in learned.spoken if principle.learned]
    first = sorted(stated, key=lift, reverse=True)[:FIRST]
    most = f": {len(first)} of {len(stated)}, those that it bears out most" if len(stated) > FIRST else ""
    if not first:
        return
    how = "learned from" if is_read(pipeline.source) else "of the source"
    out.print(f"\nPrinciples {how} {pipeline.source.named}{most}", style="bold")
    for place, principle in enumerate(first, start=1):
        shares = [] if principle.unread else [f"{principle.support:.0%} of those read"]
        shares += [f"{principle.chance(space):.0%} of all"] if of_space else []
        grounds = f" ({', '.join(shares)})" if shares else ""
        room = max(2 * (out.width - 8) - len(grounds), 20)
        said = principle.statement
        if len(said) > room:
            said = shorten(_FIGURES.sub("", said), room, placeholder=" ...")
        lines = wrap(said + grounds, out.width, initial_indent=f"  {place}. ", subsequent_indent="     ")
        out.print("\n".join(lines), soft_wrap=True)


def show_finding(what: str, found: str, trouble: str | None) -> None:
    """Print one line of ``lapt doctor``: a finding, or a problem with its remedy."""
    mark, style = ("ok", "green") if trouble is None else ("!!", "red")
    out.print(f"[{style}]{mark}[/] ", end="", markup=True)
    out.print(f"{what}: {found}{'' if trouble is None else f'; {trouble}'}", soft_wrap=True)


def show_final(targets: Sequence[TargetResult]) -> None:
    """Print score, size and cost of the networks that were trained from scratch."""
    rows = []
    for found in targets:
        final = found.final
        sizes = ("-", "-") if final is None else (f"{final.parameters or 0:,}", f"{(final.flops or 0) / 1e6:,.1f}M")
        training = "-" if final is None else lasting(final.device_seconds)
        rows.append((found.task, shown(found.test, found.unit), *sizes, lasting(found.device_seconds), training))
    figures = numbers("test", "parameters", "multiply-adds", "search", "training")
    print_table(Table.of(["target", *figures], rows, "Trained from scratch"))
    for found in targets:
        reason = "it has no test images" if found.final is None else found.final.error
        said = f"{found.task}: {found.architecture}{f'; no test score: {reason}' if found.test is None else ''}"
        out.print(said, soft_wrap=True, markup=False)
    out.print("Search, all scores and supernets on the target, and training: time of one device.", style="dim")


# --- benchmarks ------------------------------------------------------------------------------------------
@contextmanager
def import_progress(path: Path) -> Iterator[Heard]:
    """Show a bar for a file that is read, or a line now and then where standard error is no terminal."""
    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
        bar = bars.add_task(f"reading {path.name}", total=1.0)
        said = time.monotonic()

        def heard(share: float) -> None:
            nonlocal said
            bars.update(bar, completed=share)
            if not err.is_terminal and time.monotonic() - said > SAID_SECONDS:
                said = time.monotonic()
                err.print(f"reading {path.name}: {share:.0%}")

        yield heard


# --- tables ----------------------------------------------------------------------------------------------
def show_benchmarks(known: Sequence[BenchmarkInfo | SurrogateInfo]) -> None:
    if not known:
        out.print("No benchmark tables yet. Import one: lapt benchmark import nasbench201 FILE")
    for info in known:
        if info.replaced:
            out.print(f"This replaces the {_what(info)} of that name with checksum {info.replaced}.")
        if info.unchanged:
            out.print(f"The {_what(info)} was there already, with the same content.")
        if isinstance(info, SurrogateInfo):
            _show_surrogate(info)
            continue
        out.print(f"{info.name}: space {info.space}, {info.rows:,} rows, checksum {info.checksum[:12]}")
        rows = []
        for name, task in info.tasks.items():
            label = f"{task.metric}{f' {task.unit}' if task.unit else ''}"
            label += "" if task.scores is None else f", {task.scores:,} scores"
            test = "-" if task.best_test is None else f"{task.best_test:.2f}"
            rows.append((name, label, f"{task.best_validation:.4g}", test))
        print_table(Table.of(["task", "metric", *numbers("best validation", "best test")], rows))
        for name, task in info.tasks.items():
            out.print(f"best of {name}: {task.best_architecture}", soft_wrap=True)
        if info.columns:
            out.print(f"further columns: {', '.join(info.columns)}", soft_wrap=True)
        if info.identity:
            out.print(f"from an official file; {info.identity}", soft_wrap=True)
        if info.path:
            out.print(f"in {info.path}", soft_wrap=True)


def show_columns(info: ColumnsInfo) -> None:
    """Print the further columns of a table, and how to use one."""
    out.print(f"further columns of {info.table}, which has {info.rows:,} rows")
    print_table(Table.of(["column", *numbers("values")], [(name, number(n)) for name, n in info.known.items()]))
    out.print(f"in {info.path}", soft_wrap=True)
    first = next(iter(info.known))
    say(f"What now?  a pipeline on {info.table} with constraints: {{{first}: {{max: ...}}}}")


def show_macro(table: MacroTable) -> None:
    """Print the columns of the macro table, which is no benchmark yet, and the command that makes it one."""
    tasks = [name.removesuffix("_best_val") for name in table.columns if name.endswith("_best_val")]
    out.print(f"TransNAS-Bench-101 macro: {table.rows:,} architectures in {table.path}", soft_wrap=True)
    out.print(
        "Columns: architecture, params_M, flops_M, and four for each task such as class_scene_val, class_scene_test"
    )
    out.print("(last epoch), class_scene_best_val, class_scene_best_test (the epoch with the best validation). Tasks:")
    out.print(f"{', '.join(tasks)}", soft_wrap=True)
    out.print("No space that comes with LAPT has these architectures. With a space of them declared in mine.yaml:")
    say(f"  {command('benchmark', 'import', 'table', str(table.path), '--declare', 'mine.yaml')}")


def _what(info: BenchmarkInfo | SurrogateInfo) -> str:
    return "surrogate" if isinstance(info, SurrogateInfo) else "table"


def _show_surrogate(info: SurrogateInfo) -> None:
    out.print(f"{info.name}: surrogate of space {info.space}, checksum {info.checksum[:12]}")
    out.print(f"tasks {', '.join(info.tasks)}: {info.metric} {info.unit}, predicted; no test scores")
    out.print(f"of DARTS's second-order cell it says {info.known_validation:.2f} {info.unit}")
    if info.path:
        out.print(f"in {info.path}", soft_wrap=True)


def show_noise(trial: Mapping[str, Noise]) -> None:
    """Print for each task the agreement between two trainings of one architecture."""
    rows = [
        (task, number(noise.architectures), f"{noise.tau:.2f}", f"{noise.tau_top:.2f}", f"{noise.deviation:.3g}")
        for task, noise in trial.items()
    ]
    figures = numbers("architectures", "all", "best quarter", "sd between seeds")
    print_table(Table.of(["task", *figures], rows, "Kendall's tau between two seeds"))


def show_trials(trials: Sequence[Trial]) -> None:
    """Print what a trial of a pipeline's recipe showed."""
    rows = [
        (
            one.task,
            number(one.noise.architectures),
            shown(one.mean, one.unit),
            *(f"{value:.2g}" for value in (one.noise.spread, one.noise.error, one.noise.p)),
            f"{one.noise.tau:.2f}",
        )
        for one in trials
    ]
    figures = numbers("networks", "mean score", "sd of networks", "sd of trainings", "p", "tau")
    print_table(Table.of(["task", *figures], rows, "random networks, each trained with two seeds"))
    for one in trials:
        for line in tried(one):
            out.print(line, soft_wrap=True)


def show_table(table: pa.Table) -> None:
    """Print rows as a table that fits the terminal, or as lines with whole values where output is no terminal."""
    names, rows = table.column_names, [[text(value) for value in row.values()] for row in table.to_pylist()]
    shown = Table.of((Column(name, least=max(len(name), 30)) for name in names), rows)
    if out.is_terminal and fits(shown):
        print_table(shown)
    elif out.is_terminal:
        for place, row in enumerate(rows, start=1):
            out.print(f"- row {place}")
            for name, value in zip(names, row, strict=True):
                out.print(f"  {name}: {value}", soft_wrap=True)
    else:
        print(visible("\t".join(names)))
        for row in rows:
            print(visible("\t".join(" ".join(value.split()) for value in row)))
    err.print(f"{table.num_rows} row{'' if table.num_rows == 1 else 's'}", style="dim")


def table_as_json(table: pa.Table) -> str:
    rows = [{name: _jsonable(value) for name, value in row.items()} for row in table.to_pylist()]
    return json.dumps({"columns": table.column_names, "rows": rows}, indent=2, default=str)


def _jsonable(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
