"""DuckDB files of the store, for any DuckDB client: of everything on request, of one run when it is finished."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import duckdb

from lapt.errors import StoreError
from storage.files import LocalFiles
from storage.schemas import SCHEMAS
from storage.sql.query import interruptible, load
from storage.sql.views import VIEWS
from storage.store import Store, first_line


def export(store: Store, path: str | Path) -> Path:
    """Write every view as a table of a new DuckDB file, which replaces an existing one. Returns its path.

    Raises StoreError when there is no store, it cannot be read or the file cannot be written.
    """
    store.require()
    target = Path(path).expanduser().absolute()
    with load(store, SCHEMAS) as connection:
        LocalFiles(target.parent).write(target.name, _file(connection))
    return target


def snapshot(store: Store, run_id: str) -> str:
    """The address of ``duckdb/<run_id>.duckdb`` in the store: a finished run's rows and views as tables.

    It is written once and never changes. Raises StoreError when the store has no such run.
    """
    name = f"duckdb/{run_id}.duckdb"
    address = f"{store.address}/{name}"
    if not re.fullmatch(r"[\w.-]+", run_id):
        raise StoreError("a run id of letters, digits, dots and dashes", repr(run_id), "see the view runs")
    if store.files.exists(name):
        return address
    with load(store, SCHEMAS, run_id=run_id) as connection:
        found = connection.execute("SELECT (SELECT count(*) FROM raw.runs) + (SELECT count(*) FROM raw.trials)")
        if found.fetchone() == (0,):
            raise StoreError(f"run {run_id} in {store.address}", "no row of it", "see the view runs")
        store.files.write(name, _file(connection, "(BLOCK_SIZE 16384)"))
    return address


def _file(connection: duckdb.DuckDBPyConnection, options: str = "") -> bytes:
    """The bytes of a DuckDB file that holds each view as a table.

    ``options``: of the file. Every column fills at least one block; small blocks leave 0.3 MB of a run's 2.6.
    """
    with tempfile.TemporaryDirectory(prefix="lapt-") as folder:
        path = Path(folder) / "store.duckdb"

        def write() -> None:
            connection.execute(f"ATTACH '{str(path).replace(chr(39), chr(39) * 2)}' AS exported {options}")
            for name in VIEWS:
                connection.execute(f"CREATE TABLE exported.{name} AS SELECT * FROM {name}")
            connection.execute("DETACH exported")

        try:
            interruptible(connection, write)
            return path.read_bytes()
        except (duckdb.Error, OSError) as error:
            raise StoreError(f"to write a DuckDB file in {folder}", first_line(error), "free space there") from error
