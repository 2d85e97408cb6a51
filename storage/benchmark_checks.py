"""From somebody's file to a table that can be trusted: every check names what it refuses."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from lapt.errors import BenchmarkError, SpaceError
from lapt.evaluators.table import Scores, Split
from lapt.spaces import SearchSpace
from storage.benchmark_kinds import CountColumn, Declaration
from storage.store import first_line

NAMED = 3
"""How many offending architectures an error names."""


def column_name(task: str, split: Split) -> str:
    """The column of an imported table that holds a task's scores."""
    return f"{task}/{split}"


def checked(declaration: Declaration, source: pa.Table, path: Path) -> pa.Table:
    """The declared columns of what was read from a file, by architecture: "architecture", "<task>/<split>", counts.

    Raises BenchmarkError naming the column, architecture or score that is missing or wrong.
    """
    space = declaration.search_space
    _require_columns(declaration, source, path)
    source = _with_a_score(source, declaration, path)
    architectures = [str(text) for text in source.column(declaration.architecture).to_pylist()]
    _check_architectures(architectures, space, declaration, path)
    sparse = declaration.missing != "refuse"
    columns: dict[str, Scores] = {}
    for task, of_task in declaration.tasks.items():
        columns[column_name(task, "validation")] = _finite(source, of_task.validation, architectures, path, sparse)
        if of_task.test is not None:
            columns[column_name(task, "test")] = _finite(source, of_task.test, architectures, path, sparse)
    counts: dict[str, CountColumn | None] = {"parameters": declaration.parameters, "flops": declaration.flops}
    for name, count in counts.items():
        if count is not None:
            # 0.129306 million is 129306.00000000001 ones in binary: counts are whole.
            columns[name] = np.rint(_finite(source, count.column, architectures, path) * count.times)
    order = np.argsort(np.asarray(architectures), kind="stable")
    arrays = {name: pa.array(values[order], mask=np.isnan(values[order])) for name, values in columns.items()}
    return pa.table({"architecture": pa.array([architectures[i] for i in order], pa.string()), **arrays})


def columns_of(path: Path, architecture: str) -> pa.Table:
    """A Parquet or CSV file; ``architecture``: the column that is read as text. Raises BenchmarkError."""
    if not path.is_file():
        raise BenchmarkError("a benchmark file", f"{path}, which is no file", "check the path")
    try:
        if path.suffix.lower() != ".csv":
            return pq.read_table(path)
        # 011 is an architecture, no number; NaN is what a training came to, no empty cell
        empty = [text for text in csv.ConvertOptions().null_values or () if "nan" not in text.lower()]
        return csv.read_csv(
            path, convert_options=csv.ConvertOptions(column_types={architecture: pa.string()}, null_values=empty)
        )
    except (pa.ArrowException, OSError) as error:
        kind = "CSV" if path.suffix.lower() == ".csv" else "Parquet"
        raise BenchmarkError(
            f"a whole {kind} file", f"{path}: {first_line(error)}", "download or write it again"
        ) from error


def _require_columns(declaration: Declaration, source: pa.Table, path: Path) -> None:
    wanted = [declaration.architecture]
    for task in declaration.tasks.values():
        wanted += [task.validation] + ([] if task.test is None else [task.test])
    wanted += [count.column for count in (declaration.parameters, declaration.flops) if count is not None]
    missing = [column for column in wanted if column not in source.column_names]
    if missing:
        raise BenchmarkError(
            f"columns {missing} in {path}", f"only {source.column_names}", "use the right file or declare its columns"
        )


def _with_a_score(source: pa.Table, declaration: Declaration, path: Path) -> pa.Table:
    """Without the rows that are empty for every task, where empty cells are allowed. Warns of how many there were."""
    if declaration.missing == "refuse":
        return source
    empty = [np.asarray(source.column(task.validation).is_null()) for task in declaration.tasks.values()]
    kept = ~np.all(empty, axis=0)
    for task, at in zip(declaration.tasks, empty, strict=True):
        if at[kept].all():
            raise BenchmarkError(f"scores of {task} in {path}", "empty cells alone", "declare another column")
    if kept.all():
        return source
    warnings.warn(f"{path}: {(~kept).sum():,} of {len(kept):,} rows have no score and are left out", stacklevel=2)
    return source.filter(pa.array(kept))


def _check_architectures(architectures: list[str], space: SearchSpace, declaration: Declaration, path: Path) -> None:
    twice = [text for text, count in Counter(architectures).items() if count > 1]
    if twice:
        raise BenchmarkError(f"each architecture once in {path}", f"{_some(twice)} more than once", "drop the others")
    strangers = [text for text in architectures if not _is_encoded(text, space)]
    if strangers:
        example = space.encode(next(space.members()))
        raise BenchmarkError(
            f"architectures of {space.name} such as {example} in {path}", _some(strangers), "declare the right space"
        )
    if not architectures or (declaration.complete and len(architectures) != space.size):
        raise BenchmarkError(
            f"{space.size:,} architectures of {space.name} in {path}" if declaration.complete else f"rows in {path}",
            f"{len(architectures):,}",
            "download the whole file, or import a part of it with kind table",
        )


def _is_encoded(text: str, space: SearchSpace) -> bool:
    try:
        architecture = space.decode(text)
    except SpaceError:
        return False
    return space.contains(architecture) and space.encode(architecture) == text


def _finite(source: pa.Table, column: str, architectures: list[str], path: Path, sparse: bool = False) -> Scores:
    """``sparse``: empty cells are allowed, and NaN in what is returned."""
    try:
        values = np.asarray(source.column(column).cast(pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowException as error:
        raise BenchmarkError(
            f"numbers in column {column} of {path}", first_line(error), "correct the column"
        ) from error
    empty = np.asarray(source.column(column).is_null())
    refused = ~np.isfinite(values) & ~empty if sparse else ~np.isfinite(values)
    wrong = [f"{'an empty value' if empty[i] else values[i]} for {architectures[i]}" for i in np.flatnonzero(refused)]
    if wrong:
        remedy = "drop those rows or correct them"
        if empty[refused].any():
            remedy += ", or declare missing: fail, where asking for an empty one is an evaluation that fails"
        raise BenchmarkError(f"finite numbers in column {column} of {path}", _some(wrong), remedy)
    return values


def _some(architectures: Iterable[str]) -> str:
    listed = list(architectures)
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    return ", ".join(listed[:NAMED]) + more
