"""Merging of many small files into one: reading 2,000 files takes about a second, reading one takes none."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from storage.ids import of_run
from storage.layout import REPEATED, Merged, Origins, Part, age_seconds, is_merged, new_name, write_merged
from storage.schemas import FLAG, KEYS, SCHEMAS, conform, schema_of
from storage.store import BrokenFileWarning, Store, first_line, writing

ROWS = 20_000
"""Rows in a row group, and in memory at once: a row of ``scores`` or ``trials`` has about a kilobyte."""

GRACE_SECONDS = 60.0
"""Seconds for which inputs stay after they are merged, for readers that listed them before: longer than any reading
takes."""


@dataclass(frozen=True)
class Compaction:
    """The result for one data set. ``waiting``: files that a later compaction deletes, after their grace period."""

    dataset: str
    merged: int
    deleted: int
    waiting: int
    broken: tuple[str, ...] = ()


def compact(
    store: Store,
    *,
    grace_seconds: float = GRACE_SECONDS,
    datasets: Sequence[str] = tuple(SCHEMAS),
    without: str | None = None,
) -> list[Compaction]:
    """Merge the files of each data set into one, beside any number of writers, readers and other compactions.

    The merged file is written first and lists its inputs, so readers count each row once. Its inputs are deleted by the
    first compaction that comes ``grace_seconds`` or more after it (0: at once, when nobody reads). A kill loses
    nothing. Broken files stay where they are, with a warning that names them; so do files of a newer LAPT, with columns
    that this version does not know. ``without``: a run whose rows are left out, with those of its controls; they are
    gone once the merged file is written, unless another compaction had begun to read them.

    Raises StoreError when there is no store or it cannot be written.
    """
    store.require()
    return [_compact(store, dataset, grace_seconds, without) for dataset in datasets]


def _compact(store: Store, dataset: str, grace_seconds: float, without: str | None) -> Compaction:
    broken: dict[str, str] = {}
    # Only these may be deleted: what another compaction writes meanwhile may hold what this one never saw.
    there = store.files.names(dataset)
    live = _checked(store, dataset, broken, without)
    before = {part.name: origins for part, origins in live.parts.items() if is_merged(part.name)}
    deleted = _delete_held(store, dataset, there, before, grace_seconds)
    merged = 0
    if len(live.parts) > 1 or live.left_out or any(store.known(name).key != KEYS[dataset] for name in before):
        try:
            name, origins = _write(store, dataset, live)
        except FileNotFoundError:
            pass  # another compaction merged and deleted them
        else:
            merged = len(live.parts)
            deleted += _delete_held(store, dataset, there, {name: origins}, grace_seconds)
    count = {part.name for part in store.parts(dataset, broken=broken)}
    waiting = [name for name in store.files.names(dataset) if name not in count and name not in broken]
    for name, reason in sorted(broken.items()):
        message = f"left the broken file {store.address}/{dataset}/{name} where it is ({reason})"
        warnings.warn(message, BrokenFileWarning, stacklevel=3)
    return Compaction(dataset, merged, deleted, len(waiting), tuple(sorted(broken)))


@dataclass(frozen=True)
class _Live:
    """The live content of a data set: its files, the origins of their rows, their columns, for each row whether its key
    repeats, and the number of rows that ``without`` leaves out."""

    parts: dict[Part, Origins]
    columns: set[str]
    repeated: npt.NDArray[np.bool_]
    without: str | None
    left_out: int


@dataclass(frozen=True)
class _Whole:
    """A readable file: its columns, and the keys of its kept rows."""

    columns: set[str]
    keys: pa.Table
    kept: npt.NDArray[np.bool_]


def _checked(store: Store, dataset: str, broken: dict[str, str], without: str | None) -> _Live:
    """The files of a data set, each read to its last page."""
    while True:
        known = set(broken)
        try:
            parts = store.parts(dataset, broken=broken)
            found = {part: _check(store, dataset, part, broken, without) for part in parts}
        except FileNotFoundError:
            continue  # another compaction deleted it: list again
        if any(is_merged(name) for name in set(broken) - known):
            continue  # it had displaced its inputs: look for them again
        checked = {part: one for part, one in found.items() if one is not None}
        return _Live(
            parts={part: _origins(store, part, one.kept) for part, one in checked.items()},
            columns={column for one in checked.values() for column in one.columns},
            repeated=_repeated(pa.concat_tables([_none(dataset), *(one.keys for one in checked.values())])),
            without=without,
            left_out=sum(int((~one.kept).sum()) for one in checked.values()),
        )


def _check(store: Store, dataset: str, part: Part, broken: dict[str, str], without: str | None) -> _Whole | None:
    """The content of a file; None if it is broken or too new."""
    schema = schema_of(dataset)
    with store.files.open(f"{dataset}/{part.name}") as file:
        try:
            columns = set(pq.read_schema(file).names) - {REPEATED}
            if not columns <= set(schema.names):
                return None
            tables = [(_keys(dataset, table), _kept(table, without)) for table in _tables(file, part, schema)]
        except (pa.ArrowException, OSError) as error:
            broken[part.name] = first_line(error)
            return None
    keys = [_none(dataset), *(keys.filter(pa.array(kept)) for keys, kept in tables)]
    return _Whole(columns, pa.concat_tables(keys), np.concatenate([np.zeros(0, bool), *(kept for _, kept in tables)]))


def _tables(file: pa.NativeFile, part: Part, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of a file that count, in tables of some rows each."""
    first = 0
    for batch in pq.ParquetFile(file, page_checksum_verification=True).iter_batches(ROWS, use_threads=False):
        yield part.counted(conform(pa.Table.from_batches([batch]), schema), first)
        first += batch.num_rows


def _kept(table: pa.Table, without: str | None) -> npt.NDArray[np.bool_]:
    """For each row, whether it stays."""
    if without is None:
        return np.ones(table.num_rows, bool)
    kept: npt.NDArray[np.bool_] = ~of_run(table.column("run_id"), without)
    return kept


def _none(dataset: str) -> pa.Table:
    return _keys(dataset, schema_of(dataset).empty_table())


def _keys(dataset: str, table: pa.Table) -> pa.Table:
    return table.select(list(KEYS[dataset]))


def _repeated(keys: pa.Table) -> npt.NDArray[np.bool_]:
    """For each key, whether its digest repeats. Two keys with one digest would both be marked, which does no harm."""
    with duckdb.connect() as connection:
        columns = ", ".join(f'"{name}"' for name in keys.column_names)
        digests = connection.from_arrow(keys).project(f"hash({columns}) AS digest").fetchnumpy()["digest"]
    _, of, counts = np.unique(digests, return_inverse=True, return_counts=True)
    return counts[of] > 1


def _origins(store: Store, part: Part, kept: npt.NDArray[np.bool_]) -> Origins:
    """The appended files of a part, and how many rows of each stay."""
    if not is_merged(part.name):
        return ((part.name, int(kept.sum())),)
    counting, found, first = set(part.origins), list[tuple[str, int]](), 0
    for name, rows in store.known(part.name).origins:
        if name in counting:
            found.append((name, int(kept[first : first + rows].sum())))
            first += rows
    return tuple(found)


def _write(store: Store, dataset: str, live: _Live) -> tuple[str, Origins]:
    """The merged file's name and its origins. Raises FileNotFoundError when one of the inputs is gone."""
    schema = schema_of(dataset)
    kept = [field for field in schema if field.name in live.columns]
    marked = [pa.field(REPEATED, FLAG)] if live.repeated.any() else []
    merged = Merged(tuple(origin for origins in live.parts.values() for origin in origins), KEYS[dataset])
    sink, done = pa.BufferOutputStream(), 0
    metadata = {**(schema.metadata or {}), **write_merged(merged)}
    with writing(sink, pa.schema([*kept, *marked]), metadata, "zstd") as writer:
        for table in _grouped(_rows(store, dataset, live)):
            if marked:
                marks = live.repeated[done : done + table.num_rows]
                table = table.append_column(marked[0], pa.array(marks, FLAG, mask=~marks))
            done += table.num_rows
            writer.write_table(table.select(writer.schema.names))
    name = new_name(merged=True)
    store.files.write(f"{dataset}/{name}", sink.getvalue().to_pybytes())
    return name, merged.origins


def _rows(store: Store, dataset: str, live: _Live) -> Iterator[pa.Table]:
    for part in live.parts:
        with store.files.open(f"{dataset}/{part.name}") as file:
            for table in _tables(file, part, schema_of(dataset)):
                yield table if live.without is None else table.filter(pa.array(_kept(table, live.without)))


def _grouped(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of ``ROWS`` or more."""
    waiting, count = list[pa.Table](), 0
    for table in tables:
        waiting.append(table)
        count += table.num_rows
        if count >= ROWS:
            yield pa.concat_tables(waiting)
            waiting, count = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def _delete_held(
    store: Store, dataset: str, there: list[str], holding: dict[str, Origins], grace_seconds: float
) -> int:
    """Delete the files whose every row is in merged files that are old enough. Returns their number."""
    old = {name: origins for name, origins in holding.items() if age_seconds(name) >= grace_seconds}
    held = {origin for origins in old.values() for origin, _ in origins}
    deleted = 0
    for name in there:
        of_file = {origin for origin, _ in store.known(name).origins} if is_merged(name) else {name}
        if name not in old and of_file and of_file <= held:
            store.files.delete(f"{dataset}/{name}")
            deleted += 1
    return deleted
