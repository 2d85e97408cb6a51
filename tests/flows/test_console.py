"""Tables on screens of any width."""

from __future__ import annotations

import pytest

from flows.screen import console
from flows.screen.console import print_table
from lapt.errors import Notice
from lapt.report.tables import Column, Table, numbers

CELLS = Table.of(
    ["target", "method", *numbers("validation", "test", "evaluations", "paid")],
    [("cifar10", "rea", "91.61", "94.37", "1,258.5", "20")],
    "cells",
)


def printed(
    table: Table, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keys: int = 1
) -> list[str]:
    """The lines of a table, without the rule and what is empty."""
    monkeypatch.setattr(console.out, "_width", width)
    print_table(table, keys)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    return [line.rstrip() for line in lines if line.strip() and "\u2500" not in line]


def shown(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The words of each line of a table of two keys and four figures."""
    return [line.split() for line in printed(CELLS, width, monkeypatch, capsys, keys=2)]


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


def test_headings_of_numbers_are_broken_before_a_table_is_split(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table.of(["variant", *numbers("class_scene", "rank at 20")], [("full", "2.0", "1,624.0")])
    assert printed(table, 35, monkeypatch, capsys) == [
        " variant  class_scene  rank at 20",
        " full             2.0     1,624.0",
    ]
    assert printed(table, 30, monkeypatch, capsys) == [
        "          class_  rank at",
        " variant   scene       20",
        " full        2.0  1,624.0",
    ]
    assert printed(table, 20, monkeypatch, capsys) == [
        "          class_",
        " variant   scene",
        " full        2.0",
        "          rank at",
        " variant       20",
        " full     1,624.0",
    ]


def test_what_may_be_folded_is_folded_before_a_heading_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table.of([Column("who", least=9), *numbers("rank at 20")], [("lapt-rea, patterns", "2.0")])
    lines = [line.split() for line in printed(table, 23, monkeypatch, capsys)]
    assert lines == [["who", "rank", "at", "20"], ["lapt-rea,", "2.0"], ["patterns"]]


def test_a_long_word_of_a_heading_is_hyphenated_where_the_column_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = ["from", *(Column(name, number=True, least=9) for name in ("segmentsemantic", "class_object"))]
    table = Table.of(columns, [("jigsaw", "-1.25", "+0.50")])
    assert printed(table, 39, monkeypatch, capsys) == [
        " from    segmentsemantic  class_object",
        " jigsaw            -1.25         +0.50",
    ]
    assert printed(table, 30, monkeypatch, capsys) == [
        "         segments-  class_",
        " from      emantic  object",
        " jigsaw      -1.25   +0.50",
    ]


def test_no_character_is_lost_where_a_column_is_wider_than_the_screen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(Table.of(["id"], [("0123456789",)]), 8, monkeypatch, capsys)
    assert "".join("".join(lines).split()) == "id0123456789"


def test_what_the_first_of_two_keys_says_again_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table.of(["target", "method"], [("a", "rea"), ("a", "random"), ("b", "rea")])
    assert [line.split() for line in printed(table, 80, monkeypatch, capsys, keys=2)[1:]] == [
        ["a", "rea"],
        ["random"],
        ["b", "rea"],
    ]
    assert [line.split() for line in printed(table, 80, monkeypatch, capsys)[2:]] == [["a", "random"], ["b", "rea"]]


def test_a_warning_says_so_and_a_notice_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    for message in (UserWarning("little data"), Notice("read at 32 x 32 pixels"), Notice("read at 32 x 32 pixels")):
        console.warned(message, type(message), __file__, 1)
    assert capsys.readouterr().err.splitlines() == ["lapt: warning: little data", "lapt: read at 32 x 32 pixels"]
