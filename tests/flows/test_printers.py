"""One table in the terminal, on a page, as Markdown and as an artifact."""

from __future__ import annotations

import re
from typing import Any

import pytest

from flows.screen import console
from lapt.pipeline.results import ControlResult, RunResult, TargetResult
from lapt.report.pages import page
from lapt.report.run_tables import results
from lapt.report.tables import Column, Table, markdown, numbers, text
from tasks import artifacts

TABLE = Table.of(
    ["task", *numbers("score"), Column("architecture", code=True)],
    [("a|b <i>*", "1,234.5", "|x~0|+|y~1|"), ("\x1b[2J", "-7", "`")],
    "best",
).marked(lambda cells: cells[1] == "-7")


def in_terminal(table: Table, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(console.out, "_width", 100)
    with console.out.capture() as captured:
        console.print_table(table)
    return [line.rstrip() for line in captured.get().splitlines() if line.strip() and "\u2500" not in line]


def on_page(table: Table) -> str:
    said = dict.fromkeys(("title", "command", "study_id", "versions"), "x")
    return page("study", about=[], groups=[[table]], figures=[], remarks=[], **said)


def as_artifact(table: Table, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    made: list[Any] = []
    monkeypatch.setattr(artifacts, "create_table_artifact", lambda rows, **_: made.extend(rows))
    artifacts.table(table, "said", "key")
    return made


def test_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_terminal(TABLE, monkeypatch) == [
        "best",
        " task        score  architecture",
        " a|b <i>*  1,234.5  |x~0|+|y~1|",
        " \\x1b[2J        -7  `",
    ]


def test_a_page() -> None:
    found = on_page(TABLE)
    assert "<caption>best</caption>" in found
    assert '<th scope="col">task</th><th scope="col" class="number">score</th></tr>' in found
    assert '<tr class="above"><td>a|b &lt;i&gt;*</td><td class="number">1,234.5</td></tr>' in found
    assert '<tr><td colspan="2"><code>|x~0|+<wbr>|y~1|</code></td></tr>' in found
    assert '<tr class="ours"><td>\\x1b[2J</td><td class="number">-7</td></tr>' in found


def test_markdown() -> None:
    assert markdown(TABLE) == [
        "| task | score | architecture |",
        "| --- | ---: | --- |",
        r"| a\|b \<i>\* | 1,234.5 | `\|x~0\|+\|y~1\|` |",
        r"| \\x1b\[2J | \-7 | `` ` `` |",
    ]


def test_an_artifact(monkeypatch: pytest.MonkeyPatch) -> None:
    assert as_artifact(TABLE, monkeypatch) == [
        {"task": r"a\|b \<i>\*", "score": "1,234.5", "architecture": "`|x~0|+|y~1|`"},
        {"task": r"\\x1b\[2J", "score": r"\-7", "architecture": "`` ` ``"},
    ]


def test_columns_and_rows_that_are_chosen() -> None:
    assert TABLE.without("score").columns == (Column("task"), Column("architecture", code=True))
    assert [row.cells for row in TABLE.chosen([1, 0]).rows] == [("1,234.5", "a|b <i>*"), ("-7", "\x1b[2J")]
    assert [row.ours for row in TABLE.without("score", "task").rows] == [False, True]
    with pytest.raises(AssertionError):
        Table.of(["a", "b"], [("one",)])


def test_values_as_text() -> None:
    assert [text(value) for value in (None, 1.23456789, 12, ["a", 1], "b")] == ["", "1.23457", "12", "a\n1", "b"]


@pytest.mark.parametrize("failed", [0, 3])
def test_what_a_run_found_is_the_same_in_each(failed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    common = {"task": "t", "metric": "accuracy", "unit": "%", "paid_now": 0, "seconds": 1.0}
    control = ControlResult.model_validate(
        {**common, "architecture": None, "validation": None, "evaluations": 20, "method": "random", "failed": failed}
    )
    target = TargetResult.model_validate(
        {**common, "architecture": "|x~0|", "validation": 91.607, "test": 94.0, "evaluations": 1200, "repeats": 0}
        | {"space_size": 9, "controls": (control,)}
    )
    found = results(RunResult(run_id="r", pipeline="p", store="s", targets=(target,)), "lapt-rea")
    counts = (["0"], ["3"]) if failed else ([], [])
    cells = [
        ["t", "lapt-rea", "91.61 %", "94 %", "1,200", *counts[0], "0", "|x~0|"],
        ["t", "random", "-", "-", "20", *counts[1], "0", "-"],
    ]
    assert [list(row.cells) for row in found.rows] == cells
    assert [row.ours for row in found.rows] == [True, False]
    assert [re.split("  +", line.strip()) for line in in_terminal(found, monkeypatch)[1:]] == cells
    assert [re.sub(r"[\\`]", "", line) for line in markdown(found)[2:]] == [f"| {' | '.join(row)} |" for row in cells]
    rows = [[re.sub(r"[\\`]", "", cell) for cell in row.values()] for row in as_artifact(found, monkeypatch)]
    assert rows == cells
    drawn = re.findall(r"<td[^>]*>(?:<code>)?([^<]*)<", on_page(found))
    assert drawn == [cell for row in cells for cell in row]
