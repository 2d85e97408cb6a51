"""Tables on screens of any width."""

from __future__ import annotations

import pytest
from rich.table import Table

from flows.screen import console
from flows.screen.console import LOOK, print_table
from lapt.errors import Notice


def shown(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The words of each line of a table of two keys and four figures."""
    monkeypatch.setattr(console.out, "_width", width)
    table = Table(title="cells", **LOOK)
    for heading in ("target", "method", "validation", "test", "evaluations", "paid"):
        table.add_column(heading, no_wrap=True, justify="left" if heading in ("target", "method") else "right")
    table.add_row("cifar10", "rea", "91.61", "94.37", "1,258.5", "20")
    print_table(table, keys=2)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if line and "\u2500" not in line[0]]


def test_a_table_that_fits_is_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(80, monkeypatch, capsys) == [
        ["cells"],
        ["target", "method", "validation", "test", "evaluations", "paid"],
        ["cifar10", "rea", "91.61", "94.37", "1,258.5", "20"],
    ]


@pytest.mark.parametrize("width", range(30, 60))
def test_a_narrow_screen_loses_no_column_and_no_digit(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    title, *lines = shown(width, monkeypatch, capsys)
    assert title == ["cells"]
    heads, rows = lines[::2], lines[1::2]
    assert all(head[:2] == ["target", "method"] for head in heads)
    assert all(row[:2] == ["cifar10", "rea"] for row in rows)
    assert [word for head in heads for word in head[2:]] == ["validation", "test", "evaluations", "paid"]
    assert [word for row in rows for word in row[2:]] == ["91.61", "94.37", "1,258.5", "20"]


def test_a_warning_says_so_and_a_notice_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    for message in (UserWarning("little data"), Notice("read at 32 x 32 pixels"), Notice("read at 32 x 32 pixels")):
        console.warned(message, type(message), __file__, 1)
    assert capsys.readouterr().err.splitlines() == ["lapt: warning: little data", "lapt: read at 32 x 32 pixels"]
