"""Choice of the reader of an official benchmark file, by the file's content and not its name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from storage.benchmarks.kinds import (
    HELD,
    NAS_BENCH_GRAPH,
    NASBENCH201,
    TRANSNAS101_MICRO,
    TRANSNAS101_OFFICIAL,
    Declaration,
    ImportUsageError,
)
from storage.benchmarks.official import graph as official_graph
from storage.benchmarks.official import nas201 as official_nas201
from storage.benchmarks.official import transnas as official_transnas
from storage.benchmarks.official.published_files import Progress, container, identified


class _Reader(NamedTuple):
    """The reader of a built-in table's official file. ``declaration``: of the columns that ``read`` gives.

    ``further``: those of them that are no scores. ``identified``: as of ``published_files``.
    """

    declaration: Declaration
    read: Callable[[Path, Progress], pa.Table]
    identified: Callable[[Path], str] = identified
    further: tuple[str, ...] = ()


_READERS = {
    NASBENCH201.name: _Reader(NASBENCH201, official_nas201.read),
    TRANSNAS101_MICRO.name: _Reader(TRANSNAS101_OFFICIAL, partial(official_transnas.read, "micro")),
    NAS_BENCH_GRAPH.name: _Reader(
        NAS_BENCH_GRAPH, official_graph.read, official_graph.identified, official_graph.FURTHER
    ),
}
"""Name of a built-in table -> the reader of its official file."""


class Official(NamedTuple):
    """The columns of an official file, their declaration, whether its content matches its name, and its further
    columns."""

    declaration: Declaration
    columns: pa.Table
    identity: str
    further: tuple[str, ...]


def read_official(declaration: Declaration, path: Path, progress: Progress) -> Official | None:
    """Read an official file. None if the file is no container of pickles, or the table has no official file.

    Raises BenchmarkError.
    """
    if declaration.name not in _READERS or container(path) is None:
        return None
    reader = _READERS[declaration.name]
    identity = reader.identified(path)
    return Official(reader.declaration, reader.read(path, progress), identity, reader.further)


def where(kind: str) -> Path:
    """The place of a benchmark that no path was given of: in an installed package.

    Raises ImportUsageError for a kind that no package holds, BenchmarkError if its package is not installed.
    """
    if kind != HELD:
        raise ImportUsageError(f"the path of a file for kind {kind}", "none", "name it behind the kind")
    return official_graph.installed()
