"""Names of a data set's files, and the choice of files that count when merged files stand beside their inputs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

SUFFIX, MERGED = ".parquet", ".merged.parquet"
ORIGINS = b"lapt.origins"
"""Key of a merged file's metadata: JSON [[file, rows], ...], the appended files in it, in row order."""

KEY = b"lapt.key"
"""Key of a merged file's metadata: JSON, the columns that ``REPEATED`` compares; absent in older files."""
REPEATED = "lapt.repeated"
"""Column of a merged file: true where another row has the same key, else null; absent where no key repeats."""

_TIME = "%Y%m%dT%H%M%S%fZ"

Origins = tuple[tuple[str, int], ...]
"""(appended file, number of its rows), in row order."""


@dataclass(frozen=True)
class Merged:
    """Metadata of a merged file: the files in it and the ``KEY`` (none in older files)."""

    origins: Origins = ()
    key: tuple[str, ...] = ()


def new_name(merged: bool = False) -> str:
    """A new unique file name. Names sort by the time they were made."""
    return f"{datetime.now(UTC).strftime(_TIME)}-{uuid.uuid4().hex[:12]}{MERGED if merged else SUFFIX}"


def is_merged(name: str) -> bool:
    return name.endswith(MERGED)


def age_seconds(name: str) -> float:
    """Seconds since the name was made; 0 for any other name."""
    try:
        made = datetime.strptime(name.partition("-")[0], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return 0.0
    return (datetime.now(UTC) - made).total_seconds()


def write_merged(merged: Merged) -> dict[bytes, bytes]:
    said = {ORIGINS: merged.origins, KEY: merged.key}
    return {name: json.dumps(value, separators=(",", ":")).encode() for name, value in said.items()}


def read_merged(metadata: Mapping[bytes, bytes] | None) -> Merged:
    """Read a merged file's metadata. Raises ValueError when they name no origins: then LAPT did not merge it."""
    if not metadata or ORIGINS not in metadata:
        raise ValueError("a merged file that does not say what it merges")
    origins = tuple((str(name), int(rows)) for name, rows in json.loads(metadata[ORIGINS]))
    return Merged(origins, tuple(map(str, json.loads(metadata.get(KEY, b"[]")))))


@dataclass(frozen=True)
class Part:
    """Rows of a file that count: half-open row ranges, or the whole file when ``ranges`` is None."""

    name: str
    origins: tuple[str, ...]
    ranges: tuple[tuple[int, int], ...] | None = None

    def counted(self, table: pa.Table, first: int = 0) -> pa.Table:
        """The rows of ``table`` that count. ``first``: its first row's number in the file."""
        if self.ranges is None:
            return table
        last = first + table.num_rows
        kept = [(max(start, first) - first, min(stop, last) - first) for start, stop in self.ranges]
        return pa.concat_tables([table.slice(0, 0), *(table.slice(i, j - i) for i, j in kept if i < j)])


def live_parts(names: Iterable[str], merged: Mapping[str, Origins], seen: Iterable[str] = ()) -> list[Part]:
    """The parts of files to read so that the rows of every appended file count exactly once.

    ``names``: appended files; ``merged``: merged file -> its origins; ``seen``: appended files to leave out. The merged
    file with most origins goes first, the youngest of equals; then whatever is still missing. So the result is right
    even if a compaction was killed before it deleted its inputs, or two at once merged overlapping sets.
    """
    taken = set(seen)
    parts = []
    for name in sorted(merged, key=lambda name: (len(merged[name]), name), reverse=True):
        fresh = tuple(origin for origin, _ in merged[name] if origin not in taken)
        if fresh:
            whole = len(fresh) == len(merged[name])
            parts.append(Part(name, fresh, None if whole else _ranges(merged[name], taken)))
            taken.update(fresh)
    parts += [Part(name, (name,)) for name in names if name not in taken]
    return sorted(parts, key=lambda part: part.origins[0])


def _ranges(origins: Origins, taken: set[str]) -> tuple[tuple[int, int], ...]:
    ranges, start = [], 0
    for origin, rows in origins:
        if origin not in taken:
            ranges.append((start, start + rows))
        start += rows
    return tuple(ranges)
