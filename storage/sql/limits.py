"""Limits of one query: seconds, memory and rows. A query gets no disk space."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from lapt.errors import ConfigError

SLACK = 256_000_000
"""Bytes beside a query's memory, for stacks of threads and allocators."""
ROW_BYTES = 2_000
"""Bytes that a row of an answer takes while it is printed."""
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def a_quarter() -> int:
    """A quarter of the memory of the machine or container, in bytes."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # none, or "max"
        whole = min(whole, int(_CGROUP.read_text()))
    return whole // 4


@dataclass(frozen=True)
class Limits:
    """Limits of a query: ``seconds`` and ``memory`` (bytes)."""

    seconds: float = 60.0
    memory: int = field(default_factory=a_quarter)

    @property
    def rows(self) -> int:
        """Number of rows that an answer may have."""
        return self.memory // ROW_BYTES


def bytes_of(size: str) -> int:
    """Bytes of a text such as 4GB, 512 MB, 2GiB. Raises ConfigError for any other text, and for less than any query
    needs."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]I?)?B?\s*", size, re.IGNORECASE)
    number = float(found[1]) * _UNITS[(found[2] or "").upper()] if found else 0.0
    if not 50e6 <= number <= 2**60:
        raise ConfigError("--memory of 50MB or more, such as 4GB", repr(size), "write a number and MB or GB")
    return int(number)


@contextmanager
def confined(memory: int) -> Iterator[None]:
    """Let this process take at most so many bytes more than it has now. Only Linux keeps such a limit.

    DuckDB counts its blocks, but not its vectors: ``len(range(300000000))`` took 14.7 GB with a memory_limit of 500 MB.
    """
    status = Path("/proc/self/status")
    if not status.is_file():
        yield
        return
    held = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmData:"))
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = held * 1024 + memory + SLACK
    lowest = min(limit for limit in (wanted, soft, hard) if limit != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_DATA, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
