"""An installed package offers a search method by an entry point: found, validated, run; its faults stay its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

METHOD = """
from pydantic import Field
from lapt.search.methods.model_free import RandomSearch

class Favourite(RandomSearch):
    class Parameters(RandomSearch.Parameters):
        operator: str
        patience: int = Field(20, ge=1)

    def propose(self):
        drawn = [self.space.sample(self.rng) for _ in range(self.parameters.patience)]
        return max(drawn, key=lambda architecture: architecture.operators.count(self.parameters.operator))

nothing = 42
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with a package as pip would leave it."""
    (tmp_path / "favourite.py").write_text(METHOD)
    info = tmp_path / "favourite-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: favourite\nVersion: 1.0\n")
    return tmp_path


def python(installed: Path, entries: str, code: str) -> str:
    (installed / "favourite-1.0.dist-info" / "entry_points.txt").write_text(f"[lapt.searchers]\n{entries}\n")
    path = os.pathsep.join([str(installed), str(Path(__file__).parents[3])])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    return done.stdout + done.stderr


def test_it_is_found_validated_and_run(installed: Path) -> None:
    code = """
import pickle
from lapt.pipeline.config import load_pipeline
from lapt.errors import ConfigError
from lapt.evaluators import TableEvaluator
from lapt.reasoning import Frequency
from lapt.search import SEARCHERS
from lapt.spaces import BUILTIN
from lapt.pipeline.steps import Steps
from lapt.testing import invented_table
from lapt.testing.searchers import check_searcher

given = ["search.method=favourite", "search.operator=nor_conv_3x3"]
pipeline = load_pipeline("invented", given)
print(pipeline.search.parameters, pickle.loads(pickle.dumps(pipeline)) == pipeline)
steps = Steps(pipeline, BUILTIN["nas201"], Frequency(max_operators=2))
evaluator = TableEvaluator(invented_table(), BUILTIN["nas201"], "invented_a")
found = steps.search(steps.searcher(BUILTIN["nas201"], evaluator, 1), evaluator.evaluate, (), 1)
print(min(evaluation.architecture.operators.count("nor_conv_3x3") for evaluation in found) >= 2)
check_searcher(SEARCHERS["favourite"], operator="nor_conv_3x3")
wrong_parameters = [*given, "search.patience=0"], [*given, "search.patients=3"]
for wrong in (["search.method=favourite"], *wrong_parameters, ["search.method=x"]):
    try:
        load_pipeline("invented", wrong)
    except ConfigError as error:
        print(error)
"""
    said = python(installed, "favourite = favourite:Favourite", code).splitlines()
    assert said[:2] == ["{'operator': 'nor_conv_3x3', 'patience': 20} True", "True"]
    assert "the key search.operator" in said[2]
    assert "greater than or equal to 1" in said[3]
    assert "'operator', 'patience'" in said[4]
    assert "'favourite'" in said[5]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (
            "broken = favourite:nothing",
            "a subclass of lapt.search.Searcher behind the method broken of favourite; got 42",
        ),
        ("broken = favourites:Favourite", "No module named 'favourites'"),
    ],
)
def test_a_broken_one_is_left_out_with_a_warning(installed: Path, entries: str, words: str) -> None:
    said = python(
        installed,
        entries,
        "from lapt.pipeline.config import load_pipeline as load; print(load('nas201').search.method)",
    )
    assert words in said
    assert said.startswith("rea")


def test_own_names_cannot_be_taken(installed: Path) -> None:
    said = python(
        installed,
        "rea = favourite:Favourite",
        "from lapt.search import SEARCHERS; print(SEARCHERS['rea'], len(SEARCHERS))",
    )
    assert "RegularizedEvolution" in said
