"""Standard output and error, and the printer of tables, which loses no digit on a narrow screen."""

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
    """Console that prints text literally, without markup, emoji or commands to the terminal.

    Task names, statements and values of SQL are other people's text.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(visible(text), **how)


out = _Console()
err = _Console(stderr=True)

SAID_SECONDS = 30
"""Time between two lines of progress, where there are no bars."""
GAP = 2
"""Spaces between two columns. The two sides together have as many."""


def print_table(table: Table, keys: int = 1) -> None:
    """Print a table, in several parts below each other where it is wider than the screen.

    Each part begins with the first ``keys`` columns. Where two or more keys name a row, the first of them is left out
    if the row above has the same.
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
    """Whether the screen is wide enough for all columns. Those that may be folded count with their least width."""
    return sum(_widths(table)) <= out.width


def _widths(table: Table) -> list[int]:
    widest = [max(map(_width, _texts(table, at))) for at in range(len(table.columns))]
    return [min(width, _least(column) or width) + GAP for width, column in zip(widest, table.columns, strict=True)]


def _least(column: Column) -> int | None:
    """Characters to which its cells may be folded, None for no fold. Of a number only the heading may be broken."""
    return None if column.number else column.least


def _texts(table: Table, at: int) -> list[str]:
    return [table.columns[at].name, *(row.cells[at] for row in table.rows)]


def _width(text: str) -> int:
    return max(map(cell_len, visible(text).split("\n")))


def _broken(table: Table, at: int) -> Column:
    """The column, with a number's heading in lines no longer than its cells or a word. ``a_b`` is two words.

    A word that is longer than the column's least width is hyphenated.
    """
    column, (name, *cells) = table.columns[at], _texts(table, at)
    words = " ".join(_hyphenated(word, column.least) for word in name.replace("_", "_ ").split())
    if not column.number or not words.split():
        return column
    lines = wrap(words, max(1, *map(_width, (*words.split(), *cells))), break_long_words=False, break_on_hyphens=False)
    return replace(column, name="\n".join(lines).replace("_ ", "_"))


def _hyphenated(word: str, most: int | None) -> str:
    """The word in equal parts of at most so many characters, with a hyphen and a space between two."""
    if most is None or len(word) <= most:
        return word
    parts = -(-len(word) // (most - 1))
    return "- ".join(wrap(word, -(-len(word) // parts), break_on_hyphens=False))


def _drawn(table: Table, keys: int) -> Drawn:
    whole = fits(table)
    drawn = Drawn(title=table.caption, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False, collapse_padding=True)
    for column, width in zip(table.columns, _widths(table), strict=True):
        drawn.add_column(
            column.name,
            justify="right" if column.number else "left",
            overflow="fold",
            no_wrap=whole and _least(column) is None,
            min_width=width - GAP if whole else None,
        )
    above = None
    for row in table.rows:
        first, *others = row.cells
        drawn.add_row("" if keys > 1 and first == above else first, *others)
        above = first
    return drawn


def say(text: str) -> None:
    """Print one line of any length on standard output: a result of the command."""
    out.print(text, soft_wrap=True)


def complain(text: object) -> None:
    """Print one line on standard error: a failure or a warning."""
    err.print(f"lapt: {text}", soft_wrap=True)


@cache
def _said(text: str) -> None:
    complain(text)


def warned(message: Warning | str, *_: object) -> None:
    """Print a warning as one line. The same warning is printed once in a process."""
    _said(str(message) if isinstance(message, Notice) else f"warning: {message}")


def command(*words: str, store: str | None = None) -> str:
    """A command line that can be typed as it stands: ``lapt``, by name if the shell finds it, and these words.

    ``--store`` is added where ``store`` is not the default.
    """
    named = "lapt" if shutil.which("lapt") else sys.argv[0]
    chosen = [] if store is None or store == _default_store() else ["--store", store]
    return " ".join(map(_quoted, [named, *words, *chosen]))


def _quoted(word: str) -> str:
    """The word quoted for a shell. An SQL statement, which has single quotes, gets double ones."""
    return f'"{word}"' if "'" in word and not set(word) & set('"$`\\!') else shlex.quote(word)


def _default_store() -> str | None:
    from storage.store import Store

    try:
        return Store(DEFAULT_STORE).address
    except FileNotFoundError:  # the working folder was deleted while the command ran
        return None
