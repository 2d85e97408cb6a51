"""Scores of a list: whatever file it is in, each architecture once, and what is none by its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.cli.app import app
from flows.scoring import Unscored
from lapt.errors import ConfigError
from lapt.spaces import BUILTIN
from lapt.testing import invented_table
from storage.store import Store
from storage.upkeep.listed import Line, listed

CELLS = [BUILTIN["nas201"].encode(cell) for cell in list(BUILTIN["nas201"].members())[::5_000]]
"""Four."""


def lapt(*arguments: str) -> None:
    app([*arguments], standalone_mode=False)


def written(folder: Path, suffix: str, cells: list[str]) -> Path:
    """A list in one of the forms that are read."""
    path = folder / f"list{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.table({"architecture": cells, "note": ["x"] * len(cells)}), path)
    elif suffix == ".csv":
        path.write_text("note,architecture\n" + "".join(f'"a, b","{cell}"\n' for cell in cells))
    elif suffix == ".json":
        path.write_text(json.dumps([{"architecture": cell} for cell in cells]))
    elif suffix == ".texts.json":
        path.write_text(json.dumps(cells))
    elif suffix == ".jsonl":
        path.write_text("".join(json.dumps({"architecture": cell}) + "\n" for cell in cells))
    else:
        path.write_text("\ufeff" + "\n\n".join(cells) + "\r\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".json", ".texts.json", ".jsonl", ".parquet", ""])
def test_a_list_is_read_from(tmp_path: Path, suffix: str) -> None:
    assert [line.text for line in listed(str(written(tmp_path, suffix, CELLS)))] == CELLS


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\none\n\n two \n")
    assert listed(str(tmp_path / "a.txt")) == [Line(2, "one"), Line(4, "two")]
    (tmp_path / "a.csv").write_text('architecture,note\none,"two\nlines"\ntwo,\n')
    assert listed(str(tmp_path / "a.csv")) == [Line(3, "one"), Line(4, "two")]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", "", "architectures in"),
        ("a.csv", "cell\nx\n", "a column architecture"),
        ("a.json", "{", "a list of architectures"),
        ("a.json", "[1]", "a column architecture"),
        ("a.parquet", "no parquet", "a list of architectures"),
        ("a.txt", None, "a list of architectures"),
    ],
)
def test_what_is_no_list_is_named(tmp_path: Path, name: str, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=words):
        listed(str(tmp_path / name))


def scores(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_each_architecture_is_scored_once_and_what_is_none_is_named_by_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.txt").write_text("\n".join([CELLS[0], "nonsense", CELLS[1], CELLS[0]]))
    with pytest.raises(Unscored, match=r"line 2 .'nonsense'"):
        lapt("score", "invented", str(tmp_path / "list.txt"), "--json", "--store", str(tmp_path / "store"))
    said = scores(capsys)
    table = invented_table()
    expected = [
        (line, cell, task, table.column(task)[table.rows[cell]])
        for task in ("invented_a", "invented_b")
        for line, cell in ((1, CELLS[0]), (3, CELLS[1]))
    ]
    assert [(row["line"], row["architecture"], row["task"], row["value"]) for row in said["scores"]] == expected
    assert (said["repeated"], [one["line"] for one in said["unknown"]]) == (1, [2])


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json"])
def test_what_is_written_can_be_scored_again(tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, where = tmp_path / f"out{suffix}", ("--store", str(tmp_path / "store"))
    lapt("score", "invented", str(written(tmp_path, ".txt", CELLS)), "--task", "invented_a", "--out", str(out), *where)
    assert capsys.readouterr().out == ""
    lapt("score", "invented", str(out), "--task", "invented_source", "--json", *where)
    said = scores(capsys)
    assert [row["architecture"] for row in said["scores"]] == CELLS
    assert {row["task"] for row in said["scores"]} == {"invented_source"}


APART = [
    "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
    "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|",
]
"""Two that compute different functions."""
TRAINED = """\
name: trained
space: nas201
evaluator: {kind: training, data: digits, channels: 4, training_images: 60, recipe: {epochs: 1, batch_size: 30}}
source: {task: rotation, archive: {strategy: random, samples: 2, size: 1}}
targets: [classification]
"""


@pytest.mark.integration
def test_what_is_trained_is_stored_and_not_trained_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trained.yaml").write_text(TRAINED)
    arguments = ["score", str(tmp_path / "trained.yaml"), str(written(tmp_path, ".txt", APART)), "--json"]
    arguments += ["--store", str(tmp_path / "store"), "--processes", "1", "--device", "cpu"]
    lapt(*arguments)
    first = scores(capsys)["scores"]
    assert [row["origin"] for row in first] == ["computed", "computed"]
    assert Store(tmp_path / "store").read("scores").num_rows == 2
    lapt(*arguments)
    again = scores(capsys)["scores"]
    assert [row["origin"] for row in again] == ["store", "store"]
    assert [row["value"] for row in again] == [row["value"] for row in first]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--task", "none"], "a task of table invented"),
        (["--out", "scores.xls"], "ends in one of .csv, .parquet, .json"),
        (["--set", "evaluator={kind: supernet, data: digits}"], "whose scores are those of one search"),
    ],
)
def test_what_cannot_be_scored_is_refused(tmp_path: Path, arguments: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        lapt("score", "invented", str(written(tmp_path, ".txt", CELLS)), *arguments, "--store", str(tmp_path / "store"))
