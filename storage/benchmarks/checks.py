"""Checks of a benchmark file before it becomes a table: an error names the column, architecture or score at fault."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lapt.base.statistics import Scores
from lapt.errors import BenchmarkError, SpaceError
from lapt.evaluators.table import Split
from lapt.spaces import SearchSpace
from storage.benchmarks.kinds import CountColumn, Declaration
from storage.store import first_line

NAMED = 3
"""Number of offending architectures that an error names at most."""


def column_name(task: str, split: Split) -> str:
    """The column of an imported table with a task's scores."""
    return f"{task}/{split}"


def checked(declaration: Declaration, source: pa.Table, path: Path) -> pa.Table:
    """The declared columns of an imported file: "architecture", "<task>/<split>" and the counts.

    Raises BenchmarkError naming the column, architecture or score that is missing or wrong.
    """
    space = declaration.search_space
    _require_columns(declaration, source, path)
    source = _with_a_score(source, declaration, path)
    texts = [str(text) for text in source.column(declaration.architecture).to_pylist()]
    architectures = _known(texts, space, declaration, path)
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


def check_percent(declaration: Declaration, content: pa.Table, path: Path) -> None:
    """Check scores that a declaration calls percent. Raises BenchmarkError where they are fractions from 0 to 1.

    Where less is better it only warns: errors below 1 % exist.
    """
    for task, columns in declaration.tasks.items():
        scores = content.column(column_name(task, "validation")).to_numpy()
        if columns.unit != "%" or np.nanmax(scores) > 1 or np.nanmin(scores) < 0:
            continue
        found = f"all values of column {columns.validation} between 0 and 1"
        remedy = 'multiply them by 100, or declare unit: ""'
        if columns.higher_is_better:
            raise BenchmarkError(f"percent in column {columns.validation} of {path}", found, remedy)
        warnings.warn(f"{path}: {found}, and declared as %; if they are no percent, {remedy}", stacklevel=3)


def _require_columns(declaration: Declaration, source: pa.Table, path: Path) -> None:
    wanted = [declaration.architecture]
    for task in declaration.tasks.values():
        wanted += [task.validation] + ([] if task.test is None else [task.test])
    wanted += [count.column for count in (declaration.parameters, declaration.flops) if count is not None]
    there = Counter(source.column_names)
    missing = [column for column in wanted if column not in there]
    if missing:
        alike = get_close_matches(missing[0], there, n=1)
        remedy = f"did you mean {alike[0]!r}?" if alike else "use the right file or declare its columns"
        if any(map(_is_number, there)):
            remedy = "its first line is a row: put one with the columns' names above it"
        raise BenchmarkError(f"columns {missing} in {path}", f"only {source.column_names!s:.500}", remedy)
    twice = [column for column in wanted if there[column] > 1]
    if twice:
        raise BenchmarkError(
            f"each declared column once in {path}",
            f"the column {twice[0]} stands twice",
            "rename or remove one of them",
        )


def _with_a_score(source: pa.Table, declaration: Declaration, path: Path) -> pa.Table:
    """The rows that have a score of some task, where empty cells are allowed. Warns of the number left out."""
    if declaration.missing == "refuse" or not source.num_rows:
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


def _known(texts: list[str], space: SearchSpace, declaration: Declaration, path: Path) -> list[str]:
    """The architectures in the space's own notation. They may come in any notation that the space reads."""
    found = {text: as_written(text, space) for text in texts}
    strangers = [text for text, known in found.items() if isinstance(known, SpaceError)]
    if strangers:
        bare = all(isinstance(as_written(text.strip(), space), str) for text in strangers)
        raise BenchmarkError(
            f"architectures of {space.name} such as {space.encode(next(space.members()))} in {path}",
            some(f"{text!r:.200}" for text in strangers) + _reason(strangers[0], found[strangers[0]]),
            "remove the white space around them" if bare else "drop those rows, or declare the right space",
        )
    architectures = [known for text in texts if isinstance(known := found[text], str)]
    twice = [text for text, count in Counter(architectures).items() if count > 1]
    if twice:
        raise BenchmarkError(f"each architecture once in {path}", f"{some(twice)} more than once", "drop the others")
    if not architectures or (declaration.complete and len(architectures) != space.size):
        raise BenchmarkError(
            f"{space.size:,} architectures of {space.name} in {path}" if declaration.complete else f"rows in {path}",
            f"{len(architectures):,}",
            "download the whole file, or import a part of it with kind table",
        )
    return architectures


def as_written(text: str, space: SearchSpace) -> str | SpaceError:
    """The text of an architecture as the space writes it, or the reason why it is none."""
    try:
        return space.encode(space.as_member(space.decode(text)))
    except SpaceError as error:
        return error


def _reason(text: str, refusal: object) -> str:
    """The space's reason for refusing a text, where it says more than the text itself."""
    got = refusal.got if isinstance(refusal, SpaceError) else ""
    return f" ({got})" if text not in got else ""


def _finite(source: pa.Table, column: str, architectures: list[str], path: Path, sparse: bool = False) -> Scores:
    """The numbers of a column. ``sparse``: empty cells are allowed, and become NaN."""
    values = numbers_of(source.column(column), column, architectures, path)
    empty = np.asarray(source.column(column).is_null())
    refused = ~np.isfinite(values) & ~empty if sparse else ~np.isfinite(values)
    wrong = [f"{'an empty value' if empty[i] else values[i]} for {architectures[i]}" for i in np.flatnonzero(refused)]
    if wrong:
        remedy = "drop those rows or correct them"
        if empty[refused].any():
            remedy += ", or declare missing: fail, where asking for an empty one is an evaluation that fails"
        raise BenchmarkError(f"finite numbers in column {column} of {path}", some(wrong), remedy)
    return values


def numbers_of(cells: pa.ChunkedArray[Any], column: str, architectures: list[str], path: Path) -> Scores:
    """The numbers in the cells of a column, NaN for empty ones. Raises BenchmarkError for anything else."""
    try:
        return np.asarray(cells.cast(pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowException as error:
        got = first_line(error)
        if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
            pairs = zip(cells.to_pylist(), architectures, strict=True)
            got = some(f"{cell!r:.60} for {name}" for cell, name in pairs if cell is not None and not _is_number(cell))
        remedy = "write one number in a cell, with a point and no unit"
        if pa.types.is_nested(cells.type):
            got, remedy = f"cells of type {cells.type}", "write one number in a cell, such as the mean over seeds"
        raise BenchmarkError(f"numbers in column {column} of {path}", got, remedy) from error


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def some(architectures: Iterable[str]) -> str:
    """The first few of them, and the number of the others."""
    listed = list(architectures)
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    return ", ".join(listed[:NAMED]) + more
