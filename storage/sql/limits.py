"""What one query may take of the machine: seconds, memory and rows. Of the disk it gets nothing."""

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
"""Bytes beside a query's memory: stacks of threads, and what allocators keep."""
ROW_BYTES = 2_000
"""What a row of an answer takes while it is printed."""
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def a_quarter() -> int:
    """Bytes: of the machine's memory, or of the container's."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # none, or "max"
        whole = min(whole, int(_CGROUP.read_text()))
    return whole // 4


@dataclass(frozen=True)
class Limits:
    """``seconds`` and ``memory`` (bytes) that a query may take."""

    seconds: float = 60.0
    memory: int = field(default_factory=a_quarter)

    @property
    def rows(self) -> int:
        """Of an answer."""
        return self.memory // ROW_BYTES


def bytes_of(size: str) -> int:
    """4GB, 512 MB, 2GiB. Raises ConfigError for anything else, and for less than a query needs at all."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]I?)?B?\s*", size, re.IGNORECASE)
    number = float(found[1]) * _UNITS[(found[2] or "").upper()] if found else 0.0
    if not 50e6 <= number <= 2**60:
        raise ConfigError("--memory of 50MB or more, such as 4GB", repr(size), "write a number and MB or GB")
    return int(number)


@contextmanager
def confined(memory: int) -> Iterator[None]:
    """This process gets no more than so many bytes beside what it has: DuckDB counts its blocks, not its vectors, and
    ``len(range(300000000))`` took 14.7 GB of a memory_limit of 500 MB. Only Linux keeps such a limit."""
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
