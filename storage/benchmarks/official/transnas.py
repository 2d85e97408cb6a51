"""Reader of TransNAS-Bench-101's published file: one .pth with every epoch of both search spaces on seven tasks.

Scores are those that the benchmark's own API returns: a metric after the last epoch, and at the epoch that is best by
its validation.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lapt.errors import BenchmarkError
from storage.benchmarks.kinds import TRANSNAS101_METRICS, TRANSNAS101_OFFICIAL
from storage.benchmarks.official.published_files import Progress, unpickled
from storage.files import LocalFiles

COUNTS = {"params_M": "model_params", "flops_M": "model_FLOPs"}
"""Column -> its name in the file, of the class_scene network."""
_LARGEST = {"params_M": 1e3, "flops_M": 1e5}
"""Bound on counts in millions: no network of the benchmark has so many. Larger numbers are in ones."""

_MACRO_NAME = re.compile(r"64-[1-4]{4,6}-basic")


class MacroTable(NamedTuple):
    """The table of the macro space: its file, and its numbers of architectures and columns."""

    path: Path
    rows: int
    columns: tuple[str, ...]


def read(space: Literal["micro", "macro"], path: Path, progress: Progress) -> pa.Table:
    """Columns ``architecture``, ``<task>_val``, ``<task>_test``, ``<task>_best_val``, ``<task>_best_test`` and counts.

    Raises BenchmarkError for a file of another kind, and for an architecture that lacks a result, by name.
    """
    content = unpickled(path, progress)
    try:
        results = content["data"][space]
        rows = {name: _row(name, of_tasks) for name, of_tasks in results.items()}
    except _Lacking as error:
        raise _unlike(path, f"{error}") from None
    except (AttributeError, LookupError, TypeError) as error:
        raise _unlike(path, f"no data of the {space} space ({type(error).__name__})") from None
    if not rows or not all(isinstance(name, str) for name in rows):
        raise _unlike(path, f"no architectures of the {space} space")
    names = list(rows)
    columns = {column: np.array([rows[name][column] for name in names]) for column in rows[names[0]]}
    for column, largest in _LARGEST.items():
        if columns[column].max() > largest:
            columns[column] /= 1e6
    arrays = {column: pa.array(values) for column, values in columns.items()}
    return pa.table({TRANSNAS101_OFFICIAL.architecture: pa.array(names, pa.string()), **arrays})


def import_macro(path: Path, data: Path, progress: Progress) -> MacroTable:
    """Write the macro space's architectures and results to ``<data>/published/transnas101_macro.parquet``.

    This is a plain Parquet file; its column ``architecture`` has the benchmark's own notation. LAPT has no search space
    with these architectures: declare one to make a table of the file. Raises BenchmarkError, StoreError.
    """
    table = read("macro", path, progress)
    names = [str(name) for name in table.column("architecture").to_pylist()]
    strangers = [name for name in names if not _MACRO_NAME.fullmatch(name)]
    if strangers:
        raise _unlike(path, f"the macro architecture {strangers[0][:60]!r}, which is none like 64-4111-basic")
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    target = data / "published" / "transnas101_macro.parquet"
    LocalFiles(target.parent).write(target.name, sink.getvalue().to_pybytes())
    return MacroTable(target, table.num_rows, tuple(table.column_names))


class _Lacking(Exception):
    """A result is missing."""


def _unlike(path: Path, found: str) -> BenchmarkError:
    return BenchmarkError(f"results of TransNAS-Bench-101 in {path}", found, "import the official .pth file")


def _row(name: object, of_tasks: Any) -> dict[str, float]:
    row = {}
    try:
        for column, (task, metric) in TRANSNAS101_METRICS.items():
            found = of_tasks[task]["metrics"]
            validation, test = _numbers(found[f"valid_{metric}"]), _numbers(found[f"test_{metric}"])
            best = max(range(len(validation)), key=validation.__getitem__)
            row[f"{column}_val"], row[f"{column}_test"] = validation[-1], test[-1]
            row[f"{column}_best_val"], row[f"{column}_best_test"] = validation[best], test[best]
        info = of_tasks["class_scene"]["model_info"]
        counts = _numbers([info[count] for count in COUNTS.values()])
        return row | dict(zip(COUNTS, counts, strict=True))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"[:100]
        raise _Lacking(f"no usable result of architecture {f'{name!r}'[:40]} ({reason})") from None


def _numbers(curve: Any) -> list[float]:
    if not isinstance(curve, list) or not all(isinstance(value, float | int) for value in curve):
        raise ValueError("no list of numbers")
    return [float(value) for value in curve]
