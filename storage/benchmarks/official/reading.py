"""Choice of the reader of an official benchmark file, by the file's content and not its name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from storage.benchmarks.kinds import NASBENCH201, TRANSNAS101_MICRO, TRANSNAS101_OFFICIAL, Declaration
from storage.benchmarks.official import nas201 as official_nas201
from storage.benchmarks.official import transnas as official_transnas
from storage.benchmarks.official.published_files import Progress, container, identified

_READERS: dict[str, tuple[Declaration, Callable[[Path, Progress], pa.Table]]] = {
    NASBENCH201.name: (NASBENCH201, official_nas201.read),
    TRANSNAS101_MICRO.name: (TRANSNAS101_OFFICIAL, partial(official_transnas.read, "micro")),
}
"""Name of a built-in table -> (declaration of the columns of its official file, reader of the file)."""


class Official(NamedTuple):
    """The columns of an official file, their declaration, and whether its content matches its name."""

    declaration: Declaration
    columns: pa.Table
    identity: str


def read_official(declaration: Declaration, path: Path, progress: Progress) -> Official | None:
    """Read an official file. None if the file is no container of pickles, or the table has no official file.

    Raises BenchmarkError.
    """
    if declaration.name not in _READERS or container(path) is None:
        return None
    declared, read = _READERS[declaration.name]
    identity = identified(path)
    return Official(declared, read(path, progress), identity)
