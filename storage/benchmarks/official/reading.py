"""Which reader an official benchmark file needs: by what is in it, not by its name."""

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
"""Name of a built-in table -> how the columns of its official file are declared, and who reads them."""


class Official(NamedTuple):
    """The columns of an official file, what they are, and what its name says of its content."""

    declaration: Declaration
    columns: pa.Table
    identity: str


def read_official(declaration: Declaration, path: Path, progress: Progress) -> Official | None:
    """None where the file is no container of pickles, or the table has no official file. Raises BenchmarkError."""
    if declaration.name not in _READERS or container(path) is None:
        return None
    declared, read = _READERS[declaration.name]
    identity = identified(path)
    return Official(declared, read(path, progress), identity)
