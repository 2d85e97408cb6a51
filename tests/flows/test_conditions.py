"""Conditions on the command line: the schema, sentences with their figures, and faults in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from flows.cli.app import app

CONDITIONS = """
- all:
  - choice: {layer: 0->3, operators: [skip_connect]}
  - path: {operators: [nor_conv_3x3], at_least: 2}
- {count: {operators: [none], at_most: 0, live: false}}
"""


def test_the_schema_is_one_json_document() -> None:
    done = CliRunner().invoke(app, ["principles", "schema"])
    assert set(json.loads(done.stdout)["$defs"]) >= {"Choice", "CountOf", "Path", "AtLeast"}


def test_conditions_are_said_with_their_base_rates_and_their_support(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(CONDITIONS)
    arguments = ["principles", "judge", str(tmp_path / "mine.yaml")]
    first, second = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert second["base_rate"] == pytest.approx(0.8**6)
    assert (first["support"], first["lift"], first["of"]) == (None, None, 0)
    assert first["condition"]["all"][1] == {"path": {"operators": ["nor_conv_3x3"], "at_least": 2}}
    shown = CliRunner().invoke(app, [*arguments, "--table", "invented", "--task", "invented_source"]).stdout
    said = " ".join(shown.split())
    assert "0->3 is skip_connect and a path leads from the input to the output" in said
    assert "of the best 50 on invented_source, 26% of nas201" in said


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [
        ("[{count: {at_least: 3, at_most: 2}}]", [], "at_least (3) is larger than at_most (2)"),
        ("{like: this}", [], "one key among choice"),
        ("{choice: {layer: 0->9, operators: [none]}}", [], "in condition 1 of"),
        ("{count: {operators: [avg_pool_3x3], at_most: 0}}", ["--space", "trans101"], "an operator of trans101"),
        ("{count: {at_least: 1}}", ["--task", "cifar10"], "--table and --task together"),
        ("{count: {at_least: 1", [], "correct that line"),
    ],
)
def test_a_fault_is_one_line(text: str, more: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    done = CliRunner().invoke(app, ["principles", "judge", str(tmp_path / "mine.yaml"), *more])
    assert done.exception is not None
    assert said in str(done.exception)


# --- principles for another space ------------------------------------------------------------------------------------
PRINCIPLES = """
version: 1
space: nas201
principles:
- {condition: {path: {operators: [nor_conv_3x3], at_least: 2}}, weight: 2, adviser: textbook}
- {condition: {count: {operators: [avg_pool_3x3], at_least: 1}}, weight: -1, statement: No pooling.}
"""
BLOCKS = """
name: blocks
encoding: "{s1}-{s2}"
layers:
- {name: s1, operators: &blocks [conv3, attention, skip]}
- {name: s2, operators: *blocks}
"""


def test_principles_are_carried_and_what_stays_behind_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(PRINCIPLES)
    (tmp_path / "blocks.yaml").write_text(BLOCKS)
    arguments = ["principles", "carry", str(tmp_path / "mine.yaml"), "--to"]
    done = CliRunner().invoke(app, [*arguments, str(tmp_path / "blocks.yaml")])
    assert done.exit_code == 0, done.stderr
    carried = yaml.safe_load(done.stdout)
    (one,) = carried["principles"]
    assert carried["space"] == "blocks"
    assert one["condition"] == {"path": {"operators": ["conv3"], "at_least": 2}}
    assert (one["weight"], one["adviser"]) == (2.0, "textbook")
    assert "left behind: No pooling. blocks has no pooling (avg_pool_3x3)" in done.stderr
    assert "attention of blocks has no role" in done.stderr


def test_carried_principles_are_a_file_that_goes_on_to_another_space(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(PRINCIPLES)
    there, back = tmp_path / "darts.yaml", tmp_path / "back.yaml"
    for file, space, output in ((tmp_path / "mine.yaml", "darts", there), (there, "nas201", back)):
        done = CliRunner().invoke(app, ["principles", "carry", str(file), "--to", space, "--output", str(output)])
        assert done.exit_code == 0, done.stderr
        assert "wrote 2 principles" in done.stdout
    found = [one["condition"] for one in yaml.safe_load(back.read_text())["principles"]]
    assert found == [one["condition"] for one in yaml.safe_load(PRINCIPLES)["principles"]]
