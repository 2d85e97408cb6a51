"""Users' lists of architectures: text, CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from lapt.errors import ConfigError
from storage.store import first_line

COLUMN = "architecture"


class Line(NamedTuple):
    """One entry of a list. ``number``: of the line in a text, CSV or JSON Lines file, else of the row or entry; from
    1."""

    number: int
    text: str


def listed(path: str) -> list[Line]:
    """Every architecture of a file, or of standard input for ``-``: one a line, or a column ``architecture``.

    Raises ConfigError for a file that cannot be read, has no such column, or is empty.
    """
    try:
        found = list(_lines(path))
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        raise ConfigError(f"a list of architectures at {path}", first_line(error), "mend the file") from error
    if not found:
        raise ConfigError(f"architectures in {path}, one a line", "none", "write some")
    return found


def _lines(path: str) -> Iterator[Line]:
    kind = Path(path).suffix.lower()
    if kind == ".parquet":
        yield from _of_column(enumerate(pq.read_table(path).to_pylist(), start=1), path)
        return
    text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    if kind == ".csv":
        rows = csv.DictReader(io.StringIO(text))
        yield from _of_column(((rows.line_num, row) for row in rows), path)
    elif kind == ".json":
        whole = json.loads(text)
        yield from _of_entries(enumerate(whole if isinstance(whole, list) else [whole], start=1), path)
    else:
        numbered = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
        lines = (Line(number, line) for number, line in numbered if line)
        if kind == ".jsonl":
            yield from _of_entries(((number, json.loads(line)) for number, line in lines), path)
        else:
            yield from lines


def _of_entries(entries: Iterator[tuple[int, Any]], path: str) -> Iterator[Line]:
    """Architectures of JSON entries: texts, or objects with the key ``architecture``."""
    for number, entry in entries:
        if isinstance(entry, str):
            yield Line(number, entry.strip())
        else:
            yield from _of_column(iter([(number, entry)]), path)


def _of_column(rows: Iterator[tuple[int, Any]], path: str) -> Iterator[Line]:
    for number, row in rows:
        if not isinstance(row, dict) or COLUMN not in row:
            got = sorted(map(str, row)) if isinstance(row, dict) else f"{row!r:.80}"
            raise ConfigError(f"a column {COLUMN} in {path}", f"{got} at {number}", "name the column so")
        yield Line(number, str(row[COLUMN] or "").strip())
