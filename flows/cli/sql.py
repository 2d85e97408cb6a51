"""``lapt sql``: queries of the store, within limits of time and memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import JsonOption, StoreOption
from flows.screen.console import say
from lapt.errors import ConfigError
from storage.addresses import DEFAULT_STORE

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
    from storage.sql.limits import Limits, a_quarter, bytes_of
    from storage.sql.query import query
    from storage.sql.snapshot import export as export_all
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
