"""Read-only SQL over a store, in an in-memory DuckDB that can reach neither files nor the network.

A query has limits of seconds, memory and rows. It gets no disk space.
"""

from __future__ import annotations

import os
import re
import resource
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import TypeVar

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from lapt.errors import ConfigError, StoreError
from storage.files import LocalFiles
from storage.schemas import COUNT, FLAG, REAL, SCHEMAS, TEXT, TEXTS, TIME
from storage.sql.views import NEEDS, VIEWS, contested, counted, everything, uncontested
from storage.store import Rows, Store, first_line

SLACK = 256_000_000
"""Bytes beside a query's memory, for stacks of threads and allocators."""
ROW_BYTES = 2_000
"""Bytes that a row of an answer takes while it is printed."""
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def a_quarter() -> int:
    """A quarter of the memory of the machine or container, in bytes."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # none, or "max"
        whole = min(whole, int(_CGROUP.read_text()))
    return whole // 4


@dataclass(frozen=True)
class Limits:
    """Limits of a query: ``seconds`` and ``memory`` (bytes)."""

    seconds: float = 60.0
    memory: int = field(default_factory=a_quarter)

    @property
    def rows(self) -> int:
        """Number of rows that an answer may have."""
        return self.memory // ROW_BYTES


def bytes_of(size: str) -> int:
    """Bytes of a text such as 4GB, 512 MB, 2GiB. Raises ConfigError for any other text, and for less than any query
    needs."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]I?)?B?\s*", size, re.IGNORECASE)
    number = float(found[1]) * _UNITS[(found[2] or "").upper()] if found else 0.0
    if not 50e6 <= number <= 2**60:
        raise ConfigError("--memory of 50MB or more, such as 4GB", repr(size), "write a number and MB or GB")
    return int(number)


@contextmanager
def confined(memory: int) -> Iterator[None]:
    """Let this process take at most so many bytes more than it has now. Only Linux keeps such a limit.

    DuckDB counts its blocks, but not its vectors: ``len(range(300000000))`` took 14.7 GB with a memory_limit of 500 MB.
    """
    status = Path("/proc/self/status")
    if not status.is_file():
        yield
        return
    held = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmData:"))
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = held * 1024 + memory + SLACK
    lowest = min(limit for limit in (wanted, soft, hard) if limit != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_DATA, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


_ALLOWED = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
_LISTINGS = ("query", "show", "duckdb_", "schema", "pg_", "sqlite_")
"""Names in a query after which it may use any view: DuckDB's catalogs, and functions that take names as strings."""
_TYPES = {TEXT: "VARCHAR", REAL: "DOUBLE", COUNT: "BIGINT", FLAG: "BOOLEAN", TIME: "TIMESTAMPTZ", TEXTS: "VARCHAR[]"}
T = TypeVar("T")
_VIEW_LIST = ", ".join(VIEWS)


class QueryError(StoreError):
    """SQL that is refused or that DuckDB cannot run."""

    usage = True


def connect(
    store: Store, datasets: Iterable[str] = tuple(SCHEMAS), views: Iterable[str] = tuple(VIEWS)
) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB with the named views (default: all of ``VIEWS``). Data sets that no view needs stay empty.

    It shows the store as it was read: later appends need a new connection. Files, the network, extensions, Python
    variables and the settings are out of reach. Raises StoreError when the store cannot be read.
    """
    return load(store, datasets, views, locked=True, scanned=True)


def load(
    store: Store,
    datasets: Iterable[str],
    views: Iterable[str] = tuple(VIEWS),
    run_id: str | None = None,
    locked: bool = False,
    scanned: bool = False,
    memory: int | None = None,
) -> duckdb.DuckDBPyConnection:
    """As ``connect``, locked down or not. With ``run_id``: only that run's rows and the scores it used, no studies.

    ``scanned``: merged files are read as a query needs them, instead of whole and now; a broken page then ends the
    query. ``memory``: bytes that DuckDB may take; then it gets no disk space.
    """
    sources = {name: store.rows(name) if scanned else Rows(None, store.read(name)) for name in datasets}
    if run_id is not None:
        mine = pc.field("run_id") == run_id
        sources = {
            name: rows if name == "scores" else Rows(None, rows.rest.filter(mine))
            for name, rows in sources.items()
            if name == "scores" or "run_id" in rows.rest.column_names
        }
    connection = duckdb.connect()

    def fill() -> None:
        connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA raw; SET schema = 'raw'")
        connection.execute("SET enable_progress_bar = false")
        if memory is not None:
            connection.execute(f"SET memory_limit = '{memory}B'; SET temp_directory = ''")
        if any(rows.merged is not None for rows in sources.values()):
            # DuckDB does not know how many rows a scan has: it would hold the trials, not the scores, to join them.
            connection.execute("SET disabled_optimizers = 'build_side_probe_side'")
        bodies = dict(VIEWS)
        for name in SCHEMAS:
            rows = sources.get(name)
            if rows is not None and rows.merged is not None:
                bodies[name] = _create_merged(connection, name, rows)
            else:
                _create(connection, name, name, None if rows is None else rows.rest)
        if run_id is not None:
            connection.execute(_OTHER_SCORES)
        connection.execute("SET schema = 'main'")
        connection.execute("; ".join(f"CREATE VIEW {name} AS {bodies[name]}" for name in VIEWS if name in set(views)))
        if locked:
            connection.execute("SET python_enable_replacements = false")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")

    interruptible(connection, fill)
    return connection


def _create_merged(connection: duckdb.DuckDBPyConnection, dataset: str, rows: Rows) -> str:
    """Create the tables in the schema ``raw`` for a data set with a merged file; returns the data set's own view."""
    connection.from_arrow(rows.merged).create_view(f"{dataset}_merged")
    _create(connection, f"{dataset}_rest", dataset, rows.rest)
    connection.execute(f"CREATE VIEW {dataset} AS {everything(dataset)}")
    some = False
    if rows.rest.num_rows:  # a join with no row still costs a scan
        connection.execute(f"CREATE TABLE {dataset}_contested AS {contested(dataset)}")
        some = connection.execute(f"SELECT count(*) FROM {dataset}_contested").fetchone() != (0,)
    connection.execute(f"CREATE TABLE {dataset}_counted AS {counted(dataset, some)}")
    return uncontested(dataset, some)


def _create(connection: duckdb.DuckDBPyConnection, table: str, dataset: str, rows: pa.Table | None) -> None:
    """Create a table in the schema ``raw`` with these rows of a data set."""
    columns = ", ".join(f'"{field.name}" {_TYPES[field.type]}' for field in SCHEMAS[dataset])
    connection.execute(f"CREATE TABLE {table} ({columns})")
    if rows is not None and rows.num_rows:
        connection.register("incoming", rows)
        connection.execute(f"INSERT INTO {table} SELECT * FROM incoming")
        connection.unregister("incoming")


# The test split of what the run asked for has a key of its own: matched by everything else that makes a key.
_OTHER_SCORES = """
    DELETE FROM raw.scores WHERE key NOT IN (
        SELECT o.key FROM raw.scores s
        JOIN raw.scores o ON (o.space, o.identity, o.task, o.fingerprint, o.seed) =
                             (s.space, s.identity, s.task, s.fingerprint, s.seed)
                         AND o.fidelity IS NOT DISTINCT FROM s.fidelity
        WHERE s.key IN (SELECT score_key FROM raw.trials)
    )
"""


def query(store: Store, sql: str, limits: Limits | None = None) -> pa.Table:
    """The answer to exactly one SELECT (or EXPLAIN) over the views.

    Every column has its own name: a second ``a`` is ``a_1``. Ctrl-C ends it with KeyboardInterrupt. Raises QueryError
    for anything else and for SQL that fails; StoreError when there is no store, it cannot be read, or the query takes
    more than its ``limits``.
    """
    _require_one_select(sql)
    store.require()
    try:
        with nullcontext() if limits is None else confined(limits.memory):
            try:
                answer = _answer(store, sql, limits, scanned=True)
            except (duckdb.InvalidInputException, duckdb.IOException):
                # A page of a merged file may be broken: read whole, its inputs are read instead and a warning names it.
                answer = _answer(store, sql, limits, scanned=False)
    except TimeoutError:
        seconds = f"{limits.seconds:g} s" if limits else "its time"
        raise StoreError(f"an answer within {seconds}", "none", "ask for less, or allow more with --timeout") from None
    except (duckdb.OutOfMemoryException, MemoryError):
        memory = f"{limits.memory / 1e6:,.0f} MB of" if limits else "this machine's"
        remedy = "ask for less, or allow more with --memory"
        raise StoreError(f"a query that fits into {memory} memory", "one that does not", remedy) from None
    except duckdb.PermissionException as error:
        raise QueryError(f"a query over {_VIEW_LIST}", _said(error), "import files, do not query them") from error
    except duckdb.Error as error:
        raise QueryError(f"a query over {_VIEW_LIST}", _said(error), _try(error)) from error
    if limits is not None and answer.num_rows > limits.rows:
        remedy = "add a LIMIT, count or group them, or allow more with --memory"
        raise StoreError(f"an answer of at most {limits.rows:,} rows", "more", remedy)
    return answer


def _answer(store: Store, sql: str, limits: Limits | None, scanned: bool) -> pa.Table:
    datasets, views = _needed(sql)
    memory, seconds = (None, None) if limits is None else (limits.memory, limits.seconds)
    with load(store, datasets, views, locked=True, scanned=scanned, memory=memory) as connection:

        def ask() -> pa.Table:
            asked = connection.sql(sql)
            names = unique_names(asked.columns)  # before ``limit`` makes others of those that stand twice
            some = asked if limits is None else asked.limit(limits.rows + 1)
            table: pa.Table = some.to_arrow_table().rename_columns(names)
            return table

        return interruptible(connection, ask, seconds)


def interruptible(connection: duckdb.DuckDBPyConnection, action: Callable[[], T], seconds: float | None = None) -> T:
    """Run an action on the connection. Ctrl-C ends it with KeyboardInterrupt, ``seconds`` with TimeoutError.

    It runs in a thread: in the main thread, DuckDB misses Ctrl-C or raises another error for it.
    """
    answer: Future[T] = Future()

    def run() -> None:
        if answer.set_running_or_notify_cancel():
            try:
                answer.set_result(action())
            except BaseException as error:  # noqa: BLE001 - raised where the answer is read
                answer.set_exception(error)

    try:
        Thread(target=run, name="duckdb", daemon=True).start()
        return answer.result(seconds)
    except (KeyboardInterrupt, TimeoutError):
        if not answer.cancel():  # it has begun
            while not answer.done():  # an interrupt that comes before the query starts is lost: say it again
                connection.interrupt()
                wait([answer], timeout=0.05)
        raise


def unique_names(names: Sequence[str]) -> list[str]:
    """The names, with a number appended to each that an earlier column has: a, a, b -> a, a_1, b."""
    taken, found = set(names), list[str]()
    for name in names:
        unique, number = name, 0
        while unique in found or (number and unique in taken):
            number += 1
            unique = f"{name}_{number}"
        found.append(unique)
    return found


def _require_one_select(sql: str) -> None:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError("one SELECT statement", _said(error), "correct the SQL") from error
    if not statements:
        raise QueryError("one SELECT statement", "nothing", 'write one, such as "SELECT * FROM leaderboard"')
    if len(statements) != 1:
        raise QueryError("one SELECT statement", f"{len(statements)} statements", "send them one by one")
    if statements[0].type not in _ALLOWED:
        raise QueryError(
            "a SELECT or EXPLAIN statement", statements[0].type.name, "use --export FILE.duckdb for anything else"
        )


def _needed(sql: str) -> tuple[set[str], set[str]]:
    """The data sets and views that the text may need: one too many costs time, one too few would be an error.

    All views if it names none, since DuckDB's error lists the names there are.
    """
    text = sql.lower()
    if any(word in text for word in _LISTINGS):
        return set(SCHEMAS), set(VIEWS)
    views = [view for view in VIEWS if view in text]
    datasets = {dataset for dataset in SCHEMAS if dataset in text}.union(*(NEEDS[view] for view in views))
    joined = {"evaluations"} if set(NEEDS["evaluations"]) <= datasets else set[str]()
    return datasets, {*views, *datasets, *joined} if views else set(VIEWS)


def _said(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]


def _try(error: duckdb.Error) -> str:
    hints = [line for line in str(error).splitlines()[1:] if line.startswith(("Candidate bindings", "Did you mean"))]
    return "".join(f"{hint}; " for hint in hints[:1]) + 'list the columns with "DESCRIBE <view>"'


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
