"""Tabular benchmarks on disk: import of a checked file, and loading as a table."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

import lapt.tables
from lapt.base.declarations import Frozen, added
from lapt.base.digests import digest
from lapt.base.statistics import Scores
from lapt.errors import BenchmarkError, StoreError
from lapt.evaluation import Metric
from lapt.evaluators.table import Split, Table
from lapt.pipeline.benchmarking import Measured
from lapt.spaces import Space
from storage.addresses import address_of
from storage.benchmarks.checks import check_percent, checked, column_name
from storage.benchmarks.columns import (
    ColumnsInfo,
    columns_there,
    declaration_of,
    import_columns,
    read_columns,
    write_columns,
)
from storage.benchmarks.kinds import HELD, KINDS, CountColumn, Declaration, TaskColumns, declaration_for
from storage.benchmarks.official.published_files import Progress, unheard
from storage.benchmarks.official.reading import read_official
from storage.benchmarks.table_files import columns_of
from storage.files import LocalFiles
from storage.store import BrokenFileWarning, first_line

_KEY = b"lapt.benchmark"


class TaskInfo(Frozen):
    """A task of a benchmark and its best scores, in the metric's unit and direction."""

    metric: str
    unit: str
    higher_is_better: bool
    best_validation: float
    best_architecture: str
    best_test: float | None
    """The best test score of any architecture; None without a test split."""
    scores: int | None = added(None)
    """Number of architectures with a score; None where all have one."""

    def as_metric(self) -> Metric:
        return Metric(self.metric, self.unit, self.higher_is_better)


class BenchmarkInfo(Frozen):
    """Description of a table in ``lapt benchmark list``. ``checksum``: SHA-256 of the content, not of the file.

    ``path``: the file in the data folder. ``replaced``: the first 12 digits of the checksum of the content that an
    import replaced. ``unchanged``: an import found the same content there. ``identity``: after the import of an
    official file, whether its checksum is the one in its name. ``columns``: further ones that were imported.
    """

    name: str
    kind: str
    space: str
    rows: int
    checksum: str
    canonical: bool = False
    holes: bool = False
    tasks: dict[str, TaskInfo]
    path: str | None = None
    replaced: str | None = None
    unchanged: bool = False
    identity: str | None = None
    columns: tuple[str, ...] = ()


_NOT_WRITTEN = {"path", "replaced", "unchanged", "identity", "columns"}
"""Fields that are not written to a table's file: they belong to one import, or to one place."""


def data_folder(data: str | Path | None = None) -> Path:
    """The folder of imported tables: the argument, else LAPT_DATA, else the user's own data folder."""
    chosen = data or os.environ.get("LAPT_DATA")
    if chosen:
        try:
            folder = address_of(chosen).folder
        except StoreError:
            folder = None
        if folder is None:
            raise StoreError("a folder of imported tables", f"{str(chosen)!r:.200}", "name one with LAPT_DATA")
        return folder
    shared = os.environ.get("XDG_DATA_HOME")
    try:
        return (Path(shared) if shared else Path.home() / ".local" / "share") / "lapt"
    except RuntimeError:
        raise BenchmarkError("a folder of benchmark tables", "no home folder", "set LAPT_DATA") from None


def import_benchmark(
    kind: str,
    path: str | Path,
    *,
    declare: str | Path | None = None,
    data: str | Path | None = None,
    replace: bool = False,
    progress: Progress = unheard,
) -> BenchmarkInfo:
    """Check a benchmark file and write it to the data folder as ``<name>.parquet``, whole or not at all.

    Raises BenchmarkError where other content has the name already, unless ``replace``.

    ``kind``: a key of ``KINDS``; ``path``: Parquet or CSV, or the official file of a published benchmark; ``declare``:
    the YAML file that kind ``table`` needs. Raises BenchmarkError naming the fault: file, column, architecture, score
    or a built-in name; StoreError when the data folder cannot be written.
    """
    file = Path(path)
    declaration = declaration_for(kind, None if declare is None else Path(declare))
    official = read_official(declaration, file, progress)
    if official is not None:
        declaration = official.declaration
    columns = columns_of(file, declaration.architecture) if official is None else official.columns
    content = checked(declaration, columns, file)
    if declare is not None:
        check_percent(declaration, content, file)
    target = data_folder(data) / f"{declaration.name}.parquet"
    if not replace:
        _check_free(target, _info(kind, declaration, content), file)
    info = write_table(kind, declaration, content, target)
    if official is None:
        return info
    if official.further:
        write_columns(load(declaration.name, data), official.columns, official.further, data_folder(data))
    there = columns_there(info.name, data_folder(data))
    return info.model_copy(update={"identity": official.identity, "columns": there})


def write_table(kind: str, declaration: Declaration, content: pa.Table, target: Path) -> BenchmarkInfo:
    """Write checked columns as a table that ``load`` reads, whole or not at all. Raises StoreError."""
    info = _info(kind, declaration, content)
    described = content.replace_schema_metadata({_KEY: info.model_dump_json(exclude=_NOT_WRITTEN).encode()})
    sink = pa.BufferOutputStream()
    pq.write_table(described, sink, compression="zstd")
    before = _checksum_at(target)
    LocalFiles(target.parent).write(target.name, sink.getvalue().to_pybytes())
    replaced = before[:12] if before not in (None, info.checksum) else None
    return info.model_copy(update={"path": str(target), "replaced": replaced, "unchanged": before == info.checksum})


def _check_free(target: Path, info: BenchmarkInfo, source: Path) -> None:
    """Raises BenchmarkError unless the path is free, or holds the same table or the imported file itself."""
    try:
        there = _described(pq.read_schema(target), target).checksum
    except (pa.ArrowException, OSError):
        return  # none, or a broken one
    except BenchmarkError:
        if target.resolve() == source.resolve():
            return
        there = "no table of LAPT's"
    if there != info.checksum:
        raise BenchmarkError(
            f"no other table named {info.name} in {target.parent}",
            f"one with the checksum {there[:12]}" if " " not in there else f"{target.name}, {there}",
            "give it another name in the declaration, or overwrite it with --replace",
        )


def _checksum_at(path: Path) -> str | None:
    """Checksum of an imported table; None when there is none or it cannot be read."""
    try:
        return _described(pq.read_schema(path), path).checksum
    except (pa.ArrowException, OSError, BenchmarkError):
        return None


def list_benchmarks(data: str | Path | None = None) -> list[BenchmarkInfo]:
    """The shipped and the imported tables. Warns with BrokenFileWarning of a file that cannot be read."""
    found = []
    for path in [*_shipped(), *sorted(data_folder(data).glob("*.parquet"))]:
        try:
            info = _described(pq.read_schema(path), path)
            info = info.model_copy(update={"columns": columns_there(info.name, data_folder(data))})
        except (pa.ArrowException, OSError):
            warnings.warn(f"skipped the broken file {path}", BrokenFileWarning, stacklevel=2)
        except BenchmarkError:
            continue  # somebody else's Parquet file
        else:
            found.append(info)
    return found


def load(name: str, data: str | Path | None = None) -> Table:
    """The shipped or imported table of that name, with its checksum verified (3 ms for 15,625 rows).

    Raises BenchmarkError when there is none (it names those that exist and the command to type), or the file is
    damaged.
    """
    path = next((p for p in _shipped() if p.stem == name), data_folder(data) / f"{name}.parquet")
    if not path.is_file():
        there = [info.name for info in list_benchmarks(data)]
        raise BenchmarkError(
            f"a table named {name!r} in {path.parent}", f"{there or 'no table'}", _import_command(name)
        )
    try:
        content = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise BenchmarkError(f"a whole Parquet file at {path}", first_line(error), _import_command(name)) from error
    info = _described(content.schema, path)
    metrics = {task: measured.as_metric() for task, measured in info.tasks.items()}
    if _checksum(info.space, metrics, content) != info.checksum:
        raise BenchmarkError(f"content with checksum {info.checksum} in {path}", "another", _import_command(name))
    splits: dict[str, dict[Split, Scores]] = {}
    for task in info.tasks:
        splits[task] = {"validation": _numbers(content, column_name(task, "validation"))}
        if column_name(task, "test") in content.column_names:
            splits[task]["test"] = _numbers(content, column_name(task, "test"))
    table = Table(
        name=info.name,
        space=info.space,
        architectures=_architectures(content),
        scores=splits,
        metrics=metrics,
        checksum=info.checksum,
        parameters=_numbers(content, "parameters") if "parameters" in content.column_names else None,
        flops=_numbers(content, "flops") if "flops" in content.column_names else None,
        canonical=info.canonical,
        holes=info.holes,
    )
    return replace(table, columns=read_columns(table, data_folder(data)))


def add_columns(
    path: str | Path,
    *,
    table: str | None = None,
    declare: str | Path | None = None,
    data: str | Path | None = None,
    replace: bool = False,
) -> ColumnsInfo:
    """Import further columns of a shipped or imported table, joined by architecture.

    Raises LaptError as ``load``, ``declaration_of`` and ``import_columns`` do.
    """
    declared = declaration_of(None if declare is None else Path(declare), table)
    return import_columns(Path(path), declared, load(declared.table, data), data_folder(data), replace=replace)


def _shipped() -> list[Path]:
    """The tables that are installed with LAPT."""
    return sorted(Path(lapt.tables.__path__[0]).glob("*.parquet"))


def _info(kind: str, declaration: Declaration, content: pa.Table) -> BenchmarkInfo:
    metrics = {task: columns.measured() for task, columns in declaration.tasks.items()}
    space = declaration.search_space.name
    return BenchmarkInfo(
        name=declaration.name,
        kind=kind,
        space=space,
        rows=content.num_rows,
        checksum=_checksum(space, metrics, content),
        canonical=declaration.canonical,
        holes=declaration.missing == "fail",
        tasks={task: _task_info(task, columns, content) for task, columns in declaration.tasks.items()},
    )


def _task_info(task: str, columns: TaskColumns, content: pa.Table) -> TaskInfo:
    sign = 1.0 if columns.higher_is_better else -1.0
    validation = _numbers(content, column_name(task, "validation"))
    row, scores = int(np.nanargmax(sign * validation)), int(np.isfinite(validation).sum())
    tests = None if columns.test is None else sign * _numbers(content, column_name(task, "test"))
    return TaskInfo(
        metric=columns.metric,
        unit=columns.unit,
        higher_is_better=columns.higher_is_better,
        best_validation=float(validation[row]),
        best_architecture=content.column("architecture")[row].as_py(),
        best_test=None if tests is None or np.isnan(tests).all() else sign * float(np.nanmax(tests)),
        scores=scores if scores < len(validation) else None,
    )


def _checksum(space: str, metrics: Mapping[str, Metric], content: pa.Table) -> str:
    """SHA-256 over the meaning of the scores and the values. Neither row order nor the Parquet writer matters."""
    hashed = hashlib.sha256()
    hashed.update(digest([space, {t: [m.name, m.unit, m.higher_is_better] for t, m in metrics.items()}]).encode())
    for name in sorted(content.column_names):
        hashed.update(f"\n{name}\n".encode())
        if name == "architecture":
            hashed.update("\n".join(_architectures(content)).encode())
        else:
            hashed.update(_numbers(content, name).astype("<f8").tobytes())
    return hashed.hexdigest()


def _architectures(content: pa.Table) -> tuple[str, ...]:
    return tuple(str(text) for text in content.column("architecture").to_pylist())


def _numbers(content: pa.Table, column: str) -> Scores:
    return np.asarray(content.column(column).to_numpy(), dtype=np.float64)


def _described(schema: pa.Schema, path: Path) -> BenchmarkInfo:
    try:
        info = BenchmarkInfo.model_validate_json((schema.metadata or {})[_KEY])
        return info.model_copy(update={"path": str(path)})
    except (KeyError, ValidationError):
        raise BenchmarkError(
            f"an imported table at {path}", "another Parquet file", f"import it: {_import_command(path.stem)}"
        ) from None


def _import_command(name: str) -> str:
    kind = next((kind for kind, known in KINDS.items() if known is not None and known.name == name), None)
    if kind == HELD:
        return f"pip install 'lapt[graph]', then lapt benchmark import {kind}"
    return f"lapt benchmark import {kind} FILE" if kind else "lapt benchmark import table FILE --declare FILE.yaml"


def write_measured(
    name: str,
    space: Space,
    architectures: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    tasks: Mapping[str, Measured],
    target: Path,
) -> BenchmarkInfo:
    """Write one row per canonical architecture, sorted.

    Columns: "<task>/validation" is the mean over its seeds, "<task>/seed N" one training (null where there was none),
    "<task>/<measure>" the mean of any other measure. Scores have single precision. ``sizes``: parameters and flops of
    each backbone by the published definition, the same for every task.
    """
    columns: dict[str, pa.Array[Any]] = {"architecture": pa.array(architectures, pa.string())}
    for task, measured in tasks.items():
        sign = 1.0 if measured.metric.higher_is_better else -1.0
        columns[column_name(task, "validation")] = _single(sign * measured.means)
        for measure in measured.measures:
            columns[f"{task}/{measure}"] = _single(measured.measure(measure))
        for seed, scores in enumerate(measured.scores.T):
            columns[f"{task}/seed {seed}"] = _single(sign * scores)
    for at, count in enumerate(("parameters", "flops")):
        columns[count] = pa.array([size[at] for size in sizes], pa.int64())
    declaration = Declaration(
        name=name,
        space=space,
        canonical=True,
        parameters=CountColumn(column="parameters"),
        flops=CountColumn(column="flops"),
        tasks={
            task: TaskColumns(
                validation=column_name(task, "validation"),
                metric=measured.metric.name,
                unit=measured.metric.unit,
                higher_is_better=measured.metric.higher_is_better,
            )
            for task, measured in tasks.items()
        },
    )
    return write_table("measured", declaration, pa.table(columns), target)


def _single(values: Scores) -> pa.Array[Any]:
    return pa.array(values.astype(np.float32), pa.float32(), mask=np.isnan(values))
