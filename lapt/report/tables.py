"""A table as data, and its printer for Markdown.

The other printers are ``flows.screen.console.print_table``, ``tasks.artifacts.table``, and the macro ``table`` of the
pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from lapt.pipeline.wording import code, literal


@dataclass(frozen=True)
class Column:
    """The heading of a column and the kind of its cells.

    ``number``: a figure, set to the right. ``code``: an architecture; as the last column, a page sets it below the
    others. ``least``: characters to which a narrow screen may fold the column, of a number the words of its heading;
    without it, it is not folded.
    """

    name: str
    number: bool = False
    code: bool = False
    least: int | None = None


class Row(NamedTuple):
    """The cells of a row. ``ours``: of LAPT; a page sets it in bold."""

    cells: tuple[str, ...]
    ours: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of text under columns. A cell may have several lines."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str = ""

    @classmethod
    def of(cls, columns: Iterable[Any], rows: Iterable[Sequence[str]], caption: str = "") -> Self:
        """A table of these columns and cells. A name alone stands for a column of text."""
        found = tuple(Column(column) if isinstance(column, str) else column for column in columns)
        table = cls(found, tuple(Row(tuple(cells)) for cells in rows), caption)
        assert all(len(row.cells) == len(found) for row in table.rows)
        return table

    def chosen(self, places: Sequence[int]) -> Self:
        """The table with the columns at these places."""
        rows = tuple(row._replace(cells=tuple(row.cells[at] for at in places)) for row in self.rows)
        return replace(self, columns=tuple(self.columns[at] for at in places), rows=rows)

    def without(self, *names: str) -> Self:
        """The table without the columns of these names."""
        return self.chosen([at for at, column in enumerate(self.columns) if column.name not in names])

    def marked(self, ours: Callable[[Sequence[str]], bool]) -> Self:
        """The table with the mark ``ours`` on the rows for whose cells ``ours`` is true."""
        return replace(self, rows=tuple(row._replace(ours=ours(row.cells)) for row in self.rows))


def numbers(*names: str) -> list[Column]:
    """Columns of numbers."""
    return [Column(name, number=True) for name in names]


def number(value: float) -> str:
    """A number with a comma each three digits, or as a power of ten where it is longer than twelve."""
    return f"{value:,}" if value < 1e12 else f"{float(value):.2g}"


def text(value: object) -> str:
    """Any value as a cell: figures with six digits, a list with a line for each item."""
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def markdown(table: Table) -> list[str]:
    """The lines of a table in Markdown, without its caption."""
    names = [literal(column.name) for column in table.columns]
    rule = ["---:" if column.number else "---" for column in table.columns]
    rows = [[_in_a_row(*cell) for cell in zip(table.columns, row.cells, strict=True)] for row in table.rows]
    return [f"| {' | '.join(line)} |" for line in (names, rule, *rows)]


def _in_a_row(column: Column, cell: str) -> str:
    said = as_markdown(column, cell)
    return said.replace("|", r"\|") if column.code else said


def as_markdown(column: Column, cell: str) -> str:
    """A cell as Markdown, which stands outside of a table."""
    return code(cell) if column.code and cell else literal(cell)
