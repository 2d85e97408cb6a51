"""The result store: appended Parquet files, read as whole tables, and content-addressed blobs."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from lapt.errors import StoreError
from storage.addresses import address_of, check_store
from storage.files import Files, LocalFiles, ObjectFiles, unreadable
from storage.layout import REPEATED, Merged, Part, is_merged, live_parts, new_name, read_merged
from storage.schemas import FLAG, KEYS, SCHEMAS, conform, schema_of

ATTEMPTS = 12
"""Number of tries of a read when a compaction deletes files under it. The pauses grow, from some 10 ms."""


WRITABLE = 65_536
"""Bytes of a test file that must fit: a full disk still takes an empty file."""


class BrokenFileWarning(UserWarning):
    """Warning of a file in the store that is no whole Parquet file and was skipped; the message names it."""


@dataclass(frozen=True)
class Rows:
    """The rows of a data set. ``merged`` is read when it is scanned, and its rows have different keys; ``rest`` has
    been read."""

    merged: pads.Dataset | None
    rest: pa.Table


class Store:
    """A result store at ``address``: a folder, or the URI of a place in an object store.

    Any number of processes may append at once without a lock. Nothing is created before the first write; a store that
    does not exist reads as empty tables. Pickling keeps the address alone. Raises StoreError for an address that is
    empty, is no address of a store, or is not allowed on this worker.
    """

    def __init__(self, address: str | Path) -> None:
        self.address, self.files = _opened_store(address)
        self._merged: dict[str, Merged] = {}  # merged files never change

    def __reduce__(self) -> tuple[Callable[[str], Store], tuple[str]]:
        return Store, (self.address,)

    def __repr__(self) -> str:
        return f"Store({self.address!r})"

    def exists(self) -> bool:
        """Whether there is a store: its folder, or, in an object store, any file of any data set."""
        if isinstance(self.files, LocalFiles):
            return self.files.root.is_dir()
        return any(self.files.names(dataset) for dataset in SCHEMAS)

    def require(self) -> None:
        """Raises StoreError when there is no store."""
        if not self.exists():
            raise StoreError(
                f"a result store at {self.address}",
                "nothing there",
                "run something first, or name another store with --store or LAPT_STORE",
            )

    def check_writable(self) -> None:
        """Raises StoreError unless a file can be written: a check before hours of work."""
        self.files.write(".writable", bytes(WRITABLE))
        self.files.delete(".writable")

    # --- rows --------------------------------------------------------------------------------------------------------
    def append(self, dataset: str, rows: Sequence[Mapping[str, Any]]) -> str:
        """Write the rows as one new file and return its name. Without rows there is no file, and the name is empty.

        ``created_at`` is filled in (UTC) where it is absent. Raises StoreError for an unknown column, a value that its
        column cannot hold, or a store that cannot be written; then nothing was written.
        """
        if not rows:
            return ""
        name = new_name()
        self.files.write(f"{dataset}/{name}", encoded(_table(dataset, rows)))
        return name

    def read(self, dataset: str, columns: Sequence[str] | None = None, filter: pc.Expression | None = None) -> pa.Table:
        """Every row of a data set, with the columns of its schema (or those named). Columns that old files lack are
        null.

        Warns with BrokenFileWarning for each file that is no whole Parquet file and reads the others.
        """
        return self.read_new(dataset, set(), columns, filter)

    def read_new(
        self,
        dataset: str,
        seen: set[str],
        columns: Sequence[str] | None = None,
        filter: pc.Expression | None = None,
    ) -> pa.Table:
        """As ``read``, but only rows appended since the last call with the same ``seen``, which it updates."""
        schema = schema_of(dataset)
        unknown = sorted(set(columns or ()) - set(schema.names))
        if unknown:
            raise StoreError(f"columns of {dataset} among {schema.names}", f"{unknown}", "name those it has")
        wanted = schema if filter is not None or columns is None else pa.schema([schema.field(c) for c in columns])
        fitting: list[pa.Schema] = []

        def read(parts: list[Part], broken: dict[str, str]) -> list[pa.Table | None]:
            return self._map(lambda part: self._read_part(dataset, part, wanted, broken, fitting, filter), parts)

        parts, tables = self._read_parts(dataset, seen, read)
        table = _joined(wanted, tables)
        if filter is not None:
            table = table.filter(filter)
        seen.update(origin for part in parts for origin in part.origins)
        return table if columns is None else table.select(list(columns))

    def rows(self, dataset: str) -> Rows:
        """As ``read``, but the largest merged file is only opened: a million rows need not be in memory at once.

        Scanning it fails if a page of it is broken. ``read`` then finds the files that it was merged from, if they
        exist.
        """
        schema, opened = schema_of(dataset), list[pads.Dataset]()
        fitting: list[pa.Schema] = []

        def read(parts: list[Part], broken: dict[str, str]) -> list[pa.Table | None]:
            keyed = [part for part in parts if part.ranges is None and self.known(part.name).key == KEYS[dataset]]
            largest = max(keyed, key=lambda part: len(part.origins), default=None)
            opened.clear()

            def read_one(part: Part) -> pa.Table | None:
                if part is not largest:
                    return self._read_part(dataset, part, schema, broken, fitting)
                file = self.files.open(f"{dataset}/{part.name}")
                try:
                    merged, repeated = _opened(file, schema)
                except (pa.ArrowException, OSError) as error:
                    broken[part.name] = first_line(error)
                    return None
                opened.append(merged)
                return repeated

            return self._map(read_one, parts)

        _, tables = self._read_parts(dataset, (), read)
        return Rows(opened[0] if opened else None, _joined(schema, tables))

    def _read_parts(
        self,
        dataset: str,
        seen: Iterable[str],
        read: Callable[[list[Part], dict[str, str]], list[pa.Table | None]],
    ) -> tuple[list[Part], list[pa.Table]]:
        """The parts of a data set and their tables. ``read`` returns None for a part that can no longer be read, and
        adds it to its ``broken``."""
        broken: dict[str, str] = {}
        for attempt in range(ATTEMPTS):
            time.sleep(0.01 * attempt)
            try:
                parts = self.parts(dataset, seen, broken)
                tables = read(parts, broken)
            except FileNotFoundError:
                continue  # merged and deleted since it was listed: list again
            # A merged file found broken here had displaced its inputs: look for them again.
            if any(table is None and is_merged(part.name) for part, table in zip(parts, tables, strict=True)):
                continue
            for name, reason in sorted(broken.items()):
                warnings.warn(
                    f"skipped the broken file {self.address}/{dataset}/{name} ({reason}); delete it if it is of no use",
                    BrokenFileWarning,
                    stacklevel=4,
                )
            whole = [(part, table) for part, table in zip(parts, tables, strict=True) if table is not None]
            return [part for part, _ in whole], [table for _, table in whole]
        raise StoreError(
            f"the files of {dataset} in {self.address} to stay while they are read",
            f"files that vanished in {ATTEMPTS} readings",
            "let the compaction finish and read again",
        )

    def parts(self, dataset: str, seen: Iterable[str] = (), broken: dict[str, str] | None = None) -> list[Part]:
        """The files of a data set that count, with the rows that count. Files in ``broken`` are skipped; more are added
        to it."""
        broken = {} if broken is None else broken
        names = [n for n in self.files.names(dataset) if n.endswith(".parquet") and n not in broken]
        merged = {name: self._merged_of(dataset, name, broken).origins for name in names if is_merged(name)}
        whole = {name: origins for name, origins in merged.items() if name not in broken}
        return live_parts((name for name in names if not is_merged(name)), whole, seen)

    def _merged_of(self, dataset: str, name: str, broken: dict[str, str]) -> Merged:
        """The metadata of a merged file. If it is broken: empty metadata, and an entry in ``broken``."""
        if name not in self._merged:
            try:
                with self.files.open(f"{dataset}/{name}") as file:
                    self._merged[name] = read_merged(pq.read_schema(file).metadata)
            except FileNotFoundError:
                raise
            except (pa.ArrowException, OSError, ValueError) as error:
                broken[name] = first_line(error)
        return self.known(name)

    def known(self, name: str) -> Merged:
        """The metadata of a merged file that ``parts`` has read; empty for any other file."""
        return self._merged.get(name, Merged())

    def _read_part(
        self,
        dataset: str,
        part: Part,
        schema: pa.Schema,
        broken: dict[str, str],
        fitting: list[pa.Schema],
        filter: pc.Expression | None = None,
    ) -> pa.Table | None:
        """The rows of a part; None, and an entry in ``broken``, if it is broken. ``filter``: may leave rows of merged
        files out."""
        content = self.files.read(f"{dataset}/{part.name}")
        try:
            if filter is not None and part.ranges is None and is_merged(part.name):
                return _selected(content, schema, filter)
            return part.counted(decoded(content, schema, fitting))
        except (pa.ArrowException, OSError) as error:
            broken[part.name] = first_line(error)
            return None

    def _map(self, function: Callable[[Part], pa.Table | None], parts: list[Part]) -> list[pa.Table | None]:
        """Apply a function to the parts, one stretch of parts per thread: threads for single small files would cost
        more time."""
        threads = min(self.files.parallel_reads, len(parts))
        if threads < 2:
            return [function(part) for part in parts]
        stretches = [parts[i * len(parts) // threads : (i + 1) * len(parts) // threads] for i in range(threads)]
        with ThreadPoolExecutor(threads) as pool:
            done = pool.map(lambda stretch: [function(part) for part in stretch], stretches)
            return [table for stretch in done for table in stretch]

    # --- blobs -------------------------------------------------------------------------------------------------------
    def put_blob(self, content: bytes) -> str:
        """Store the bytes under their SHA-256 and return it.

        Bytes that are stored already are written again: then they are young, and no clean-up deletes them before a row
        refers to them.
        """
        name = hashlib.sha256(content).hexdigest()
        self.files.write(f"blobs/{name}", content)
        return name

    def get_blob(self, sha256: str) -> bytes:
        """The bytes of that SHA-256. Raises StoreError when they are missing or damaged."""
        remedy = "run what writes it again, or copy it from the store that has it"
        try:
            content = self.files.read(f"blobs/{sha256}")
        except FileNotFoundError:
            raise StoreError(f"blob {sha256} in {self.address}", "none", remedy) from None
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise StoreError(
                f"blob {sha256} in {self.address}", f"bytes with digest {found}", f"delete it and {remedy}"
            )
        return content


def _joined(schema: pa.Schema, tables: Sequence[pa.Table]) -> pa.Table:
    """The tables as one with all the schema's columns, missing ones null, in the order given.

    Neighbours with one schema (nearly all) are joined first: adding missing columns to each of 2,000 costs 0.1 s.
    """
    joined = [wide for _, run in groupby(tables, key=_columns) for wide in [pa.concat_tables(list(run))]]
    return pa.concat_tables([schema.empty_table(), *joined], promote_options="default").combine_chunks()


def _columns(table: pa.Table) -> tuple[str, ...]:
    return tuple(table.column_names)


def encoded(table: pa.Table) -> bytes:
    """The table as a Parquet file, without the columns that are null throughout.

    A file has one or two rows, and its cost grows with its columns. Without those columns, the Arrow schema (the types
    are Parquet's own), statistics and dictionaries, 2,000 files are read in 0.6 s instead of 1.2 s.
    """
    used = [name for name in table.column_names if table.column(name).null_count < table.num_rows]
    kept, sink = table.select(used or table.column_names[:1]), pa.BufferOutputStream()
    with writing(sink, kept.schema, table.schema.metadata or {}) as writer:
        writer.write_table(kept)
    return sink.getvalue().to_pybytes()


def writing(
    sink: pa.NativeFile,
    schema: pa.Schema,
    metadata: Mapping[bytes, bytes],
    compression: Literal["none", "zstd"] = "none",
) -> pq.ParquetWriter:
    """Options of Parquet files in the store."""
    writer = pq.ParquetWriter(
        sink,
        schema,
        compression=compression,
        use_dictionary=compression != "none",
        write_statistics=False,
        write_page_checksum=True,
        store_schema=False,
    )
    writer.add_key_value_metadata({key.decode(): value.decode() for key, value in metadata.items()})
    return writer


def decoded(content: bytes, schema: pa.Schema, fitting: list[pa.Schema]) -> pa.Table:
    """The schema's columns that a Parquet file has. Raises ArrowException or OSError when it is broken.

    ``fitting``: schemas of files that needed no conversion, added to: comparing with one is faster than a full check.
    """
    file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
    table = file.read(columns=schema.names, use_threads=False)
    if any(table.schema.equals(known) for known in fitting):
        return table
    if table.num_columns and all(schema.field(field.name).type == field.type for field in table.schema):
        fitting.append(table.schema)
        return table
    return conform(table, schema)


def _selected(content: bytes, schema: pa.Schema, filter: pc.Expression) -> pa.Table:
    """As ``decoded``, but only the rows that pass the filter, one row group at a time. Raises as it does."""
    file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
    groups = (file.read_row_group(group, columns=schema.names) for group in range(file.num_row_groups))
    return pa.concat_tables([schema.empty_table(), *(conform(group, schema).filter(filter) for group in groups)])


def _opened(file: pa.NativeFile, schema: pa.Schema) -> tuple[pads.Dataset, pa.Table]:
    """The rows of a merged file: those with a unique key to be scanned, the others as a table.

    Each row group is a fragment of its own: of a single fragment Arrow would read all wanted row groups ahead.
    """
    options = pads.ParquetFragmentScanOptions(page_checksum_verification=True)
    format = pads.ParquetFileFormat(default_fragment_scan_options=options)
    fragment = cast(
        pads.ParquetFileFragment, format.make_fragment(cast(Any, file))
    )  # its stubs know only Python's files
    fragments = fragment.split_by_row_group()
    if REPEATED not in fragment.physical_schema.names:
        return pads.FileSystemDataset(fragments, schema, format), schema.empty_table()
    dataset = pads.FileSystemDataset(fragments, schema.append(pa.field(REPEATED, FLAG)), format)
    once = pc.field(REPEATED).is_null()
    return dataset.filter(once), dataset.to_table(schema.names, filter=~once)


def _table(dataset: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    schema = schema_of(dataset)
    unknown = sorted({column for row in rows for column in row} - set(schema.names))
    if unknown:
        raise StoreError(f"columns of {dataset} among {schema.names}", f"{unknown}", "leave them out or add them there")
    now = datetime.now(UTC)
    complete = [{**row, "created_at": row.get("created_at") or now} for row in rows]
    try:
        return pa.Table.from_pylist(complete, schema=schema)
    except (pa.ArrowException, TypeError, OverflowError) as error:
        types = {field.name: str(field.type) for field in schema}
        raise StoreError(f"rows of {dataset} with types {types}", first_line(error), "convert the values") from error


def _opened_store(address: str | Path) -> tuple[str, Files]:
    text, folder = address_of(address)
    check_store(text)
    if folder is not None:
        if folder.is_file():
            raise unreadable(folder, NotADirectoryError(20, "a file"))
        return text, LocalFiles(folder)
    return text, ObjectFiles.at(text)


def first_line(error: BaseException) -> str:
    """The first line of an error, short enough for a message of one line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
