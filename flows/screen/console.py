"""What is printed on: standard output and error, and tables that lose no digit on a narrow screen."""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import replace
from functools import cache
from textwrap import wrap
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Drawn
from rich.text import Text

from lapt.errors import Notice
from lapt.pipeline.wording import visible
from lapt.report.tables import Column, Table
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
GAP = 2
"""Characters between two columns, and at the sides together."""


def print_table(table: Table, keys: int = 1) -> None:
    """In parts, one below the other, where it is wider than the screen; each begins with the first ``keys`` columns.

    Several keys name a row together: what the first of them has in common with the row above is said once.
    """
    if not fits(table):
        table = replace(table, columns=tuple(_broken(table, at) for at in range(len(table.columns))))
    widths = _widths(table)
    room, left = out.width - sum(widths[:keys]), 0
    parts: list[list[int]] = []
    for at in range(keys, len(widths)):
        if not parts or widths[at] > left:
            parts.append([*range(keys)])
            left = room
        parts[-1].append(at)
        left -= widths[at]
    for part in parts or [[*range(keys)]]:
        out.print(_drawn(table.chosen(part), keys))
        table = replace(table, caption="")


def fits(table: Table) -> bool:
    """Whether the screen is wide enough, with what may be folded as narrow as may be."""
    return sum(_widths(table)) <= out.width


def _widths(table: Table) -> list[int]:
    widest = [max(map(_width, _texts(table, at))) for at in range(len(table.columns))]
    return [min(width, column.least or width) + GAP for width, column in zip(widest, table.columns, strict=True)]


def _texts(table: Table, at: int) -> list[str]:
    return [table.columns[at].name, *(row.cells[at] for row in table.rows)]


def _width(text: str) -> int:
    return max(map(cell_len, visible(text).split("\n")))


def _broken(table: Table, at: int) -> Column:
    """With a number's heading in lines no longer than what stands below it; ``a_b`` may be two."""
    column, (name, *cells) = table.columns[at], _texts(table, at)
    words = name.replace("_", "_ ")
    if not column.number or not words.split():
        return column
    lines = wrap(words, max(1, *map(_width, (*words.split(), *cells))), break_long_words=False, break_on_hyphens=False)
    return replace(column, name="\n".join(lines).replace("_ ", "_"))


def _drawn(table: Table, keys: int) -> Drawn:
    whole = fits(table)
    drawn = Drawn(title=table.caption, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False, collapse_padding=True)
    for column, width in zip(table.columns, _widths(table), strict=True):
        drawn.add_column(
            column.name,
            justify="right" if column.number else "left",
            overflow="fold",
            no_wrap=whole and column.least is None,
            min_width=width - GAP if whole else None,
        )
    above = None
    for row in table.rows:
        first, *others = row.cells
        drawn.add_row("" if keys > 1 and first == above else first, *others)
        above = first
    return drawn


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
