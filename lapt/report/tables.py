"""A table as data, and as Markdown. The other printers: ``flows.screen.console``, ``tasks.artifacts``, and the macro
``table`` of the pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from lapt.pipeline.wording import code, literal


@dataclass(frozen=True)
class Column:
    """``number``: set to the right; ``code``: an architecture, on a page in a line below the others where it is the
    last column; ``least``: characters that a narrow screen leaves it, None if it is not to be folded."""

    name: str
    number: bool = False
    code: bool = False
    least: int | None = None


class Row(NamedTuple):
    """``ours``: LAPT's own, which a page sets in bold."""

    cells: tuple[str, ...]
    ours: bool = False


@dataclass(frozen=True)
class Table:
    """Text for each column of each row. A cell may have several lines."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str = ""

    @classmethod
    def of(cls, columns: Iterable[Column | str], rows: Iterable[Sequence[str]], caption: str = "") -> Self:
        """A column that is given by its name alone has text."""
        found = tuple(Column(column) if isinstance(column, str) else column for column in columns)
        table = cls(found, tuple(Row(tuple(cells)) for cells in rows), caption)
        assert all(len(row.cells) == len(found) for row in table.rows)
        return table

    def chosen(self, places: Sequence[int]) -> Self:
        """The columns at these places."""
        rows = tuple(row._replace(cells=tuple(row.cells[at] for at in places)) for row in self.rows)
        return replace(self, columns=tuple(self.columns[at] for at in places), rows=rows)

    def without(self, *names: str) -> Self:
        """The other columns."""
        return self.chosen([at for at, column in enumerate(self.columns) if column.name not in names])

    def marked(self, ours: Callable[[Sequence[str]], bool]) -> Self:
        """``ours``: whether these cells are a row of LAPT."""
        return replace(self, rows=tuple(row._replace(ours=ours(row.cells)) for row in self.rows))


def numbers(*names: str) -> list[Column]:
    """Columns of numbers."""
    return [Column(name, number=True) for name in names]


def number(value: float) -> str:
    """With a comma each three digits; a whole space's size in powers of ten where it is beyond reading."""
    return f"{value:,}" if value < 1e12 else f"{float(value):.2g}"


def text(value: object) -> str:
    """Any value: figures with six digits, a list in as many lines."""
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def markdown(table: Table) -> list[str]:
    """Its lines. The caption is left to the heading above it."""
    names = [literal(column.name) for column in table.columns]
    rule = ["---:" if column.number else "---" for column in table.columns]
    rows = [[_in_a_row(*cell) for cell in zip(table.columns, row.cells, strict=True)] for row in table.rows]
    return [f"| {' | '.join(line)} |" for line in (names, rule, *rows)]


def _in_a_row(column: Column, cell: str) -> str:
    said = as_markdown(column, cell)
    return said.replace("|", r"\|") if column.code else said


def as_markdown(column: Column, cell: str) -> str:
    """A cell outside of a table."""
    return code(cell) if column.code and cell else literal(cell)
