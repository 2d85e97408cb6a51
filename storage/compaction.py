"""Many small files into one: reading 2,000 takes about a second, reading one takes none."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from storage.layout import ORIGINS, Origins, Part, age_seconds, is_merged, new_name, write_origins
from storage.schemas import SCHEMAS, conform, schema_of
from storage.store import BrokenFileWarning, Store, encoded, first_line

GRACE_SECONDS = 60.0
"""How long merged files stay for readers that listed them before: longer than any reading takes."""


@dataclass(frozen=True)
class Compaction:
    """What was done to one data set. ``waiting``: files that a later compaction deletes, after their grace period."""

    dataset: str
    merged: int
    deleted: int
    waiting: int
    broken: tuple[str, ...] = ()


def compact(
    store: Store, *, grace_seconds: float = GRACE_SECONDS, datasets: Sequence[str] = tuple(SCHEMAS)
) -> list[Compaction]:
    """Merges the files of each data set into one, beside any number of writers, readers and other compactions.

    The merged file is written first and says what it holds, so readers count each row once; its inputs are deleted by
    the first compaction that comes ``grace_seconds`` or more after it (0: at once, when nobody reads). A kill loses
    nothing. Broken files stay where they are and are warned of by name; so do files of a newer LAPT, whose columns
    this one does not know. Raises StoreError when there is no store or it cannot be written.
    """
    store.require()
    return [_compact(store, dataset, grace_seconds) for dataset in datasets]


def _compact(store: Store, dataset: str, grace_seconds: float) -> Compaction:
    broken: dict[str, str] = {}
    # Only these may be deleted: what another compaction writes meanwhile may hold what this one never saw.
    there = store.files.names(dataset)
    live = _read_live(store, dataset, broken)
    before = {name: origins for name, (_, origins) in live.items() if is_merged(name)}
    deleted = _delete_held(store, dataset, there, before, grace_seconds)
    merged = len(live) if len(live) > 1 else 0
    if merged:
        origins = tuple(origin for _, of_file in live.values() for origin in of_file)
        name = _write(store, dataset, [table for table, _ in live.values()], origins)
        deleted += _delete_held(store, dataset, there, {name: origins}, grace_seconds)
    count = {part.name for part in store.parts(dataset, broken=broken)}
    waiting = [name for name in store.files.names(dataset) if name not in count and name not in broken]
    for name, reason in sorted(broken.items()):
        message = f"left the broken file {store.address}/{dataset}/{name} where it is ({reason})"
        warnings.warn(message, BrokenFileWarning, stacklevel=3)
    return Compaction(dataset, merged, deleted, len(waiting), tuple(sorted(broken)))


def _read_live(store: Store, dataset: str, broken: dict[str, str]) -> dict[str, tuple[pa.Table, Origins]]:
    """File -> its rows that count and where they came from."""
    while True:
        known = set(broken)
        try:
            parts = store.parts(dataset, broken=broken)
            tables = {part: _read_part(store, dataset, part, broken) for part in parts}
        except FileNotFoundError:
            continue  # another compaction deleted it: list again
        if any(is_merged(name) for name in set(broken) - known):
            continue  # it had displaced its inputs: look for them again
        return {part.name: found for part, found in tables.items() if found is not None}


def _read_part(store: Store, dataset: str, part: Part, broken: dict[str, str]) -> tuple[pa.Table, Origins] | None:
    schema = schema_of(dataset)
    content = store.files.read(f"{dataset}/{part.name}")
    try:
        table = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True).read(use_threads=False)
        if not set(table.column_names) <= set(schema.names):
            return None
        table = part.counted(conform(table, schema))
    except (pa.ArrowException, OSError) as error:
        broken[part.name] = first_line(error)
        return None
    if not is_merged(part.name):
        return table, ((part.name, table.num_rows),)
    origins = store.origins(dataset, part.name, broken)
    return table, tuple((name, rows) for name, rows in origins if name in part.origins)


def _write(store: Store, dataset: str, tables: list[pa.Table], origins: Origins) -> str:
    table = pa.concat_tables(tables)
    metadata = {**(schema_of(dataset).metadata or {}), ORIGINS: write_origins(origins)}
    name = new_name(merged=True)
    store.files.write(f"{dataset}/{name}", encoded(table.replace_schema_metadata(metadata), "zstd"))
    return name


def _delete_held(
    store: Store, dataset: str, there: list[str], holding: dict[str, Origins], grace_seconds: float
) -> int:
    """Deletes the files whose every row is held by merged files that are old enough. Returns how many."""
    old = {name: origins for name, origins in holding.items() if age_seconds(name) >= grace_seconds}
    held = {origin for origins in old.values() for origin, _ in origins}
    deleted = 0
    for name in there:
        of_file = {origin for origin, _ in store.known_origins(name)} if is_merged(name) else {name}
        if name not in old and of_file and of_file <= held:
            store.files.delete(f"{dataset}/{name}")
            deleted += 1
    return deleted
