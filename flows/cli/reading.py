"""``lapt report`` and ``lapt sql``: a run or a study as one page, and queries of the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import JsonOption, StoreOption
from flows.screen.console import say
from lapt.errors import ConfigError
from storage.addresses import DEFAULT_STORE

LIST = (
    'list them: lapt sql "SELECT run_id, pipeline, event FROM runs", '
    'lapt sql "SELECT DISTINCT study_id, study FROM studies"'
)


def report(
    run: Annotated[str, typer.Argument(help="Id of a run or a study, or its first letters.")],
    out: Annotated[Path | None, typer.Option(help="The file; <name>-<id>.html here if unset.")] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Write a run or a study as one self-contained HTML page: the search and its reasons, the results, the costs."""
    from flows.studies.jobs import kept, studies
    from flows.studies.show.page import study_page
    from lapt.report.run import run_page
    from storage.ids import the_one
    from storage.runs.history import run_history, runs
    from storage.store import Store

    opened = Store(store)
    opened.require()
    known = studies(opened)
    identifier = the_one([*runs(opened), *known], run, f"run or study in {opened.address}", LIST)
    if identifier in known:
        result, versions = kept(opened, identifier)
        name, text = result.study, study_page(identifier, result, versions)
    else:
        history = run_history(opened, identifier)
        name, text = history.pipeline.name, run_page(history)
    target = out or Path(f"{name}-{identifier}.html")
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"a file that can be written at {target}", str(error), "name another with --out") from error
    say(f"wrote {target}")


EVERYTHING = "SELECT task, rank, architecture, value, run_id FROM leaderboard LIMIT 20"


def sql(
    statement: Annotated[
        str, typer.Argument(help="One SELECT; views: evaluations, leaderboard, anytime, lineage, ...")
    ] = EVERYTHING,
    export: Annotated[Path | None, typer.Option(help="Write every table and view to this DuckDB file instead.")] = None,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds that the statement may take.")] = 60.0,
    memory: Annotated[
        str | None, typer.Option(help="Memory limit, such as 4GB; a quarter of this machine's memory if unset.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Run read-only SQL over the store."""
    if export is not None and (as_json or statement != EVERYTHING):
        raise ConfigError("--export alone (it writes everything)", "a statement or --json beside it", "choose one")
    from flows.screen.tables import show_table, table_as_json
    from storage.sql.query import Limits, a_quarter, bytes_of, query
    from storage.sql.query import export as export_all
    from storage.store import Store

    if export is not None:
        say(f"wrote {export_all(Store(store), export)}")
        return
    limits = Limits(timeout, a_quarter() if memory is None else bytes_of(memory))
    found = query(Store(store), statement, limits)
    if as_json:
        print(table_as_json(found))
    else:
        show_table(found)
