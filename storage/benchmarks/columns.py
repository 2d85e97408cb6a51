"""Further columns of a table: quantities of its architectures from another file, such as latencies on devices.

They lie beside the table, whose own file and checksum stay as they are, so earlier runs keep their ids.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, ValidationError, field_validator

from lapt.base.declarations import FileName, Frozen, Name, parsed, text_of
from lapt.base.faults import fault
from lapt.base.statistics import Scores
from lapt.errors import BenchmarkError, or_meant
from lapt.evaluators.table import Table, TableEvaluator
from lapt.spaces import BUILTIN, SearchSpace, Space, space_named
from storage.benchmarks.checks import as_written, numbers_of, some
from storage.benchmarks.kinds import CountColumn, ImportUsageError
from storage.benchmarks.table_files import columns_of
from storage.files import LocalFiles
from storage.store import first_line

KIND = "columns"
"""The kind of ``lapt benchmark import``."""
FOLDER = "columns"
"""Folder of the files beside the tables, one a table."""
USUAL = ("architecture", "arch")
"""Names under which the column of architectures is looked for."""


class Columns(Frozen):
    """A file of further columns of a table. ``columns``: name -> column of the file; all numbers of it if unset."""

    table: FileName
    space: Space | None = Field(None, description="the declaration of the table's space, if that is not built in")
    architecture: str | None = Field(None, description=f"column of architectures; one of {USUAL} if unset")
    columns: dict[Name, CountColumn] | None = None

    @field_validator("columns", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: {"column": one} if isinstance(one, str) else one for name, one in value.items()}


class ColumnsInfo(Frozen):
    """The columns that an import added. ``known``: name -> number of the table's rows that have a value."""

    table: str
    rows: int
    known: dict[str, int]
    path: str


def declaration_of(declare: Path | None, table: str | None) -> Columns:
    """The declaration in a file, or the plain one for ``table``. Raises ConfigError, ImportUsageError."""
    if (declare is None) == (table is None):
        raise ImportUsageError(
            "--table NAME or --declare FILE.yaml, for kind columns",
            "neither" if table is None else "both",
            "say which table the columns are of",
        )
    if declare is None:
        return Columns(table=str(table))
    declared = parsed(text_of(declare), str(declare), f"declare {', '.join(Columns.model_fields)}")
    try:
        return Columns.model_validate(declared)
    except ValidationError as error:
        raise fault(error, str(declare), Columns) from None


def import_columns(path: Path, declared: Columns, table: Table, folder: Path, *, replace: bool = False) -> ColumnsInfo:
    """Check a file's columns and write them beside the table, with those that are there already.

    ``folder``: of imported tables. Raises BenchmarkError naming the column, architecture or value at fault, and where
    a column of that name has other values, unless ``replace``. Warns of rows without a value, and of architectures that
    the table lacks.
    """
    space = _space(declared, table)
    source = columns_of(path, declared.architecture or USUAL[0])
    architecture = _architecture_column(source, declared, path)
    texts = [str(text) for text in source.column(architecture).to_pylist()]
    rows = _joined(texts, table, space, path)
    there = read_columns(table, folder)
    found = dict(there)
    for name, column in _wanted(source, declared, architecture, table, path).items():
        values = _values(source, column, texts, path)
        joined = np.full(len(table.architectures), np.nan)
        kept = rows >= 0
        joined[rows[kept]] = values[kept]
        if not replace and name in there and not np.array_equal(there[name], joined, equal_nan=True):
            raise BenchmarkError(
                f"no other column {name} of {table.name}", "one with other values", "overwrite it with --replace"
            )
        found[name] = joined
        if missing := int(np.isnan(joined).sum()):
            warnings.warn(f"{path}: {missing:,} of {len(joined):,} rows of {table.name} have no {name}", stacklevel=3)
    target = _write(table, found, folder)
    known = {name: int(np.isfinite(values).sum()) for name, values in found.items()}
    return ColumnsInfo(table=table.name, rows=len(table.architectures), known=known, path=str(target))


def write_columns(table: Table, source: pa.Table, names: Sequence[str], folder: Path) -> None:
    """Write columns of ``source``, whose ``architecture`` has the table's own texts, beside those that are there."""
    at = {text: row for row, text in enumerate(source.column("architecture").to_pylist())}
    rows = [at[text] for text in table.architectures]
    found = {name: np.asarray(source.column(name).to_numpy(), dtype=np.float64)[rows] for name in names}
    _write(table, {**read_columns(table, folder), **found}, folder)


def _write(table: Table, found: Mapping[str, Scores], folder: Path) -> Path:
    target = folder / FOLDER / f"{table.name}.parquet"
    arrays = {name: pa.array(values, mask=np.isnan(values)) for name, values in found.items()}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"architecture": pa.array(table.architectures), **arrays}), sink, compression="zstd")
    LocalFiles(target.parent).write(target.name, sink.getvalue().to_pybytes())
    return target


def read_columns(table: Table, folder: Path) -> dict[str, Scores]:
    """The imported columns of a table, in the order of its rows; NaN where a row has no value.

    Raises BenchmarkError for a file that cannot be read.
    """
    path = folder / FOLDER / f"{table.name}.parquet"
    if not path.is_file():
        return {}
    try:
        content = pq.read_table(path)
        texts = content.column("architecture").to_pylist()
    except (pa.ArrowException, OSError, KeyError) as error:
        raise BenchmarkError(
            f"columns of {table.name} in {path}", first_line(error), "delete it, and import the columns again"
        ) from error
    at = {text: row for row, text in enumerate(texts)}
    rows = np.array([at.get(text, -1) for text in table.architectures])
    names = (name for name in content.column_names if name != "architecture")
    columns = ((name, np.asarray(content.column(name).to_numpy(), dtype=np.float64)) for name in names)
    return {name: np.where(rows >= 0, values[rows], np.nan) for name, values in columns}


def columns_there(name: str, folder: Path) -> tuple[str, ...]:
    """The names of a table's imported columns."""
    path = folder / FOLDER / f"{name}.parquet"
    if not path.is_file():
        return ()
    return tuple(column for column in pq.read_schema(path).names if column != "architecture")


# --- checks ---------------------------------------------------------------------------------------------------------
def _space(declared: Columns, table: Table) -> SearchSpace:
    if declared.space is None and table.space not in BUILTIN:
        raise BenchmarkError(
            f"the declaration of the space {table.space}, of table {table.name}",
            "none",
            "say space: FILE.yaml, in a file for --declare",
        )
    space = space_named(declared.space or table.space)
    if space.name != table.space:
        raise BenchmarkError(f"the space {table.space}, of table {table.name}", space.name, "declare that one")
    return space


def _architecture_column(source: pa.Table, declared: Columns, path: Path) -> str:
    wanted = USUAL if declared.architecture is None else (declared.architecture,)
    found = next((name for name in wanted if name in source.column_names), None)
    if found is None:
        raise BenchmarkError(
            f"a column of architectures in {path}, named {' or '.join(wanted)}",
            f"{source.column_names!s:.500}",
            "declare its name: architecture: NAME, in a file for --declare",
        )
    return found


def _joined(texts: Sequence[str], table: Table, space: SearchSpace, path: Path) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The table's row of each architecture; -1 for one that it lacks."""
    written = {text: as_written(text, space) for text in texts}
    strangers = [text for text, known in written.items() if not isinstance(known, str)]
    if strangers:
        raise BenchmarkError(
            f"architectures of {space.name} in {path}, as table {table.name} has",
            some(f"{text!r:.200}" for text in strangers),
            "drop those rows, or name the right table",
        )
    identity = TableEvaluator(table, space, next(iter(table.scores))).identity
    known = [table.rows.get(identity(space.decode(str(written[text]))), -1) for text in texts]
    rows = np.array(known, dtype=np.int64)
    counted = np.bincount(rows[rows >= 0], minlength=len(table.architectures))
    if (counted > 1).any():
        twice = (table.architectures[int(at)] for at in np.flatnonzero(counted > 1))
        raise BenchmarkError(f"each architecture once in {path}", f"{some(twice)} more than once", "drop the others")
    if not counted.any():
        raise BenchmarkError(f"architectures of table {table.name} in {path}", "none", "name the right table")
    if lacking := int((rows < 0).sum()):
        warnings.warn(f"{path}: {lacking:,} architectures that {table.name} lacks are left out", stacklevel=4)
    return rows


def _wanted(
    source: pa.Table, declared: Columns, architecture: str, table: Table, path: Path
) -> Mapping[str, CountColumn]:
    """Name -> column of the file. Raises BenchmarkError for a name that is taken, and a column that is not there."""
    numbers = [
        name
        for name, kind in zip(source.column_names, source.schema.types, strict=True)
        if name != architecture and (pa.types.is_floating(kind) or pa.types.is_integer(kind))
    ]
    wanted = declared.columns or {name: CountColumn(column=name) for name in numbers}
    if not wanted:
        raise BenchmarkError(f"a column of numbers in {path}", f"{source.column_names!s:.500}", "add one")
    own = {"architecture", *table.scores, *(set(table.quantities) - set(table.columns))}
    for name, column in wanted.items():
        if name in own or "/" in name:
            raise BenchmarkError(
                f"names of columns that table {table.name} does not use itself ({', '.join(sorted(own))}), without /",
                repr(name),
                "give it another name: columns: {NAME: COLUMN}, in a file for --declare",
            )
        if column.column not in source.column_names:
            raise BenchmarkError(
                f"the column {column.column} in {path}",
                f"only {source.column_names!s:.500}",
                or_meant(column.column, source.column_names, "declare one that is there"),
            )
    return wanted


def _values(source: pa.Table, column: CountColumn, texts: list[str], path: Path) -> Scores:
    """The numbers of a column, in its unit; NaN where a cell is empty. Raises BenchmarkError for infinite ones."""
    values = numbers_of(source.column(column.column), column.column, texts, path) * column.times
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        wrong = (f"{values[at]} for {texts[at]}" for at in infinite)
        raise BenchmarkError(f"finite numbers in column {column.column} of {path}", some(wrong), "leave the cell empty")
    if np.isnan(values).all():
        raise BenchmarkError(f"numbers in column {column.column} of {path}", "empty cells alone", "name another column")
    return values
