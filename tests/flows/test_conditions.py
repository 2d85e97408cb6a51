"""Conditions on the command line: the schema, sentences with their figures, and faults in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
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
