"""What is printed on: standard output and error, and tables that lose no digit on a narrow screen."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from lapt.errors import Notice
from lapt.pipeline.wording import visible
from storage.addresses import DEFAULT_STORE


class _Console(Console):
    """Prints text as it is: task names, statements and SQL values are other people's. No markup, no emoji, no command
    to the terminal."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(visible(text), **how)


out = _Console()
err = _Console(stderr=True)

SAID_SECONDS = 30
"""Between two lines on how far something is, where there are no bars."""
LOOK: dict[str, Any] = {"box": box.SIMPLE_HEAD, "title_justify": "left", "pad_edge": False, "collapse_padding": True}
"""Of a table."""


def print_table(table: Table, keys: int = 1) -> None:
    """In parts, one below the other, where it is wider than the screen; each begins with the first ``keys`` columns."""
    for part in _parts(table, keys, out.width):
        out.print(part)


def _parts(table: Table, keys: int, width: int) -> Iterator[Table]:
    # LOOK puts two characters between columns and one at each side.
    taken = sum(_width(column) + 2 for column in table.columns[:keys])
    if taken + sum(_width(column) + 2 for column in table.columns[keys:]) <= width:
        yield table
        return
    groups: list[list[Column]] = [[]]
    left = width - taken
    for column in table.columns[keys:]:
        if groups[-1] and _width(column) + 2 > left:
            groups.append([])
            left = width - taken
        groups[-1].append(column)
        left -= _width(column) + 2
    for number, group in enumerate(groups):
        yield _of(table.title if number == 0 else None, [*table.columns[:keys], *group])


def _width(column: Column) -> int:
    """Characters that it needs at least."""
    lines = [line for text in (column.header, *column.cells) for line in visible(str(text)).split("\n")]
    return max(map(cell_len, lines)) if column.no_wrap else column.min_width or max(map(cell_len, lines))


def _of(title: Any, columns: list[Column]) -> Table:
    part = Table(title=title, **LOOK)
    for column in columns:
        part.add_column(
            column.header,
            justify=column.justify,
            no_wrap=column.no_wrap,
            overflow=column.overflow,
            min_width=column.min_width,
        )
    for cells in zip(*(column.cells for column in columns), strict=True):
        part.add_row(*cells)
    return part


def say(text: str) -> None:
    """A line of what a command found or did, however long, on standard output."""
    out.print(text, soft_wrap=True)


def complain(text: object) -> None:
    """One line beside that, on standard error: a failure, a warning."""
    err.print(f"lapt: {text}", soft_wrap=True)


@cache
def _said(text: str) -> None:
    complain(text)


def warned(message: Warning | str, *_: object) -> None:
    """A warning as one line, once in a process: every step of a run would say it again."""
    _said(str(message) if isinstance(message, Notice) else f"warning: {message}")


def command(*words: str, store: str | None = None) -> str:
    """``lapt`` with these words as it can be typed: by its name if the shell finds it, else as it was typed; with the
    option for that store where it is not the one that is read anyway."""
    named = "lapt" if shutil.which("lapt") else sys.argv[0]
    chosen = [] if store is None or store == _default_store() else ["--store", store]
    return " ".join(map(_quoted, [named, *words, *chosen]))


def _quoted(word: str) -> str:
    """For a shell; an SQL statement, which has quotes of its own, so that it can be read."""
    return f'"{word}"' if "'" in word and not set(word) & set('"$`\\!') else shlex.quote(word)


def _default_store() -> str | None:
    from storage.store import Store

    try:
        return Store(DEFAULT_STORE).address
    except FileNotFoundError:  # the working folder was deleted while the command ran
        return None
