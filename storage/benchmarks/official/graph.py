"""Reader of NAS-Bench-Graph's files, which the package nas-bench-graph ships: a pickle a task, in its folder ``light``.

A score is what the file says: the mean over three trainings of one architecture. Nothing of the package is run, neither
its code nor its pickles.
"""

from __future__ import annotations

import hashlib
from functools import partial
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lapt.errors import BenchmarkError, SpaceError
from lapt.families.graph.family import GRAPH
from storage.benchmarks.kinds import NAS_BENCH_GRAPH
from storage.benchmarks.official.published_files import Progress, unpickled
from storage.benchmarks.official.unpickling import reading

PACKAGE = "nas_bench_graph"
TASKS = tuple(NAS_BENCH_GRAPH.tasks)
OPERATORS = {"proteins": ("gcn", "sage", "arma", "fc", "skip")}
"""Operators of the architectures that were trained on a task; all nine on the others."""
FIGURES = {"val": "valid_perf", "test": "perf", "latency_ms": "latency", "parameters": "para"}
"""Ending of a column -> its name in the file."""
FURTHER = tuple(f"{task}_{figure}" for task in TASKS for figure in ("latency_ms", "parameters"))
"""Columns that are no scores."""
RELEASED = {"3639a2386aa2b2d31a627d66c7c79e3b848c13aa0667f0580d0cb5dd062f67e0": "1.4.0"}
"""SHA-256 of the nine files, in the order of the tasks -> version of the package."""

_SHIFTS = {"latency_ms": 1e3, "parameters": 1e6}
_REMEDY = "download it again: pip install 'lapt[graph]'"


def installed() -> Path:
    """The folder of the installed package, which is not imported. Raises BenchmarkError if there is none."""
    spec = PathFinder.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise BenchmarkError(
            "the package nas-bench-graph, or the path of its folder",
            "an environment without it, and no path",
            "pip install 'lapt[graph]', or name the folder",
        )
    return Path(next(iter(spec.submodule_search_locations)))


def read(path: Path, progress: Progress) -> pa.Table:
    """Columns ``architecture`` and, for each task, those that end as ``FIGURES`` do; null where a task has no score.

    ``path``: the package's folder, or its ``light``. Raises BenchmarkError naming the file, the task or the number of
    an architecture at fault.
    """
    every = GRAPH.functions
    row = {GRAPH.key(architecture): at for at, architecture in enumerate(every)}
    columns: dict[str, pa.Array[Any]] = {"architecture": pa.array(map(GRAPH.encode, every), pa.string())}
    for done, (task, file) in enumerate(_files(path).items()):
        content = unpickled(file, partial(_heard, progress, done))
        trained = OPERATORS.get(task, GRAPH.operators)
        wanted = {key for key, at in row.items() if {*every[at].operators} <= {*trained}}
        _check_keys(content, wanted, file)
        values = np.full((len(every), len(FIGURES)), np.nan)
        for key, found in content.items():
            values[row[key]] = _figures(found, key, file)
        _check_range(values[:, :2], task, file)
        for figure, numbers in zip(FIGURES, values.T, strict=True):
            percent = figure in ("val", "test") and NAS_BENCH_GRAPH.tasks[task].unit == "%"
            numbers = numbers * (100.0 if percent else _SHIFTS.get(figure, 1.0))
            numbers = np.rint(numbers) if figure == "parameters" else numbers
            columns[f"{task}_{figure}"] = pa.array(numbers, mask=np.isnan(numbers))
    return pa.table(columns)


def _heard(progress: Progress, done: int, share: float) -> None:
    progress((done + share) / len(TASKS))


def identified(path: Path) -> str:
    """Whether the nine files are those of a known version of the package, in words."""
    hashed = hashlib.sha256()
    for file in _files(path).values():
        with reading(file):
            hashed.update(file.read_bytes())
    version = RELEASED.get(hashed.hexdigest())
    return f"the files of version {version}" if version else "not the files of a version that LAPT knows"


def _files(path: Path) -> dict[str, Path]:
    """Task -> its file. Raises BenchmarkError where one is missing."""
    folder = path / "light" if (path / "light").is_dir() else path
    files = {task: folder / f"{task}.bench" for task in TASKS}
    missing = [file.name for file in files.values() if not file.is_file()]
    if len(missing) == len(TASKS):
        raise BenchmarkError(
            f"the folder of the package nas-bench-graph at {path}", "none of its files", f"name its folder {PACKAGE}"
        )
    if missing:
        raise BenchmarkError(f"the files of NAS-Bench-Graph in {folder}", f"no {', '.join(missing)}", _REMEDY)
    return files


def _check_keys(content: Any, wanted: set[int], file: Path) -> None:
    """Check that there is one result for each architecture that was trained."""
    if type(content) is not dict or not all(type(key) is int for key in content):
        raise _unlike(file, "no dictionary of numbered architectures")
    if unknown := sorted(content.keys() - wanted):
        try:
            named = GRAPH.encode(GRAPH.of_key(unknown[0]))
        except SpaceError:
            named = "none of its space"
        raise _unlike(file, f"the number {unknown[0]} ({named}), which was not trained")
    if missing := sorted(wanted - content.keys()):
        raise BenchmarkError(
            f"{len(wanted):,} architectures in {file}",
            f"{len(content):,}, without {GRAPH.encode(GRAPH.of_key(missing[0]))}",
            _REMEDY,
        )


def _figures(found: Any, key: int, file: Path) -> list[float]:
    try:
        numbers = [found[name] for name in FIGURES.values()]
        if any(type(number) not in (int, float) for number in numbers) or not np.isfinite(numbers).all():
            raise ValueError("no finite number")
    except (LookupError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"[:100]
        raise _unlike(file, f"no usable result of {GRAPH.encode(GRAPH.of_key(key))} ({reason})") from None
    return [float(number) for number in numbers]


def _check_range(scores: Any, task: str, file: Path) -> None:
    """Check that scores are fractions."""
    if np.nanmin(scores) < 0 or np.nanmax(scores) > 1:
        raise _unlike(file, f"scores of {task} outside 0 to 1")


def _unlike(file: Path, found: str) -> BenchmarkError:
    return BenchmarkError(f"results of NAS-Bench-Graph in {file}", found, _REMEDY)
