"""Studies of a pipeline of one's own: its name, its budget, and no published row of another setting beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows.cli.app import app
from flows.studies import STUDIES, Comparison, entrants_of, prepared
from flows.studies.entrants.methods import LONG
from flows.studies.published import TABLE_2, TABLE_2_IMAGENET, TABLE_3
from flows.studies.show.tables import tables
from lapt.errors import ConfigError
from lapt.pipeline.config import Execution, Pipeline, load_pipeline

PIPELINE = """\
name: my-own
space: nas201
evaluator: {kind: table, table: invented}
source: {task: invented_source, archive: {strategy: top, size: 20}}
targets: [invented_b]
reasoner: {kind: frequency}
adaptation: {iterations: 1, top_r: 2}
search: {method: rea, population_size: 3, generations: 2, tournament_size: 2}
"""
OTHERS = [
    "evaluator.table=another",
    "evaluator={kind: training, data: digits}",
    "source.task=another",
    "targets=[another]",
    "search.population_size=6",
    "adaptation.iterations=2",
]


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(PIPELINE)
    return tmp_path


@pytest.mark.parametrize(
    ("preset", "table"), [("nas201", TABLE_2), ("nas201_imagenet", TABLE_2_IMAGENET), ("trans101", TABLE_3)]
)
@pytest.mark.parametrize("other", OTHERS)
def test_published_rows_stand_beside_their_own_setting_alone(preset: str, table: Any, other: str) -> None:
    assert table.stands_beside(load_pipeline(preset))
    assert table.stands_beside(load_pipeline(preset, ["search.method=gp", "reasoner.kind=frequency", "seed=7"]))
    assert not table.stands_beside(load_pipeline(preset, [other]))
    assert not table.stands_beside(load_pipeline("trans101" if preset == "nas201" else "nas201"))


def test_figures_of_a_task_stand_beside_that_task_and_mean_ranks_beside_all() -> None:
    assert TABLE_2.stands_beside(load_pipeline("nas201", ["targets=[cifar100]"]))
    assert not TABLE_3.stands_beside(load_pipeline("trans101", ["targets=[class_object, class_scene]"]))


def study(name: str, pipeline: Pipeline, tmp_path: Path, **more: Any) -> Comparison:
    execution = Execution(store=str(tmp_path), processes=1)
    found = prepared(name, pipeline, (), draws=1, seeds=1, execution=execution, own=False, **more)
    assert isinstance(found, Comparison)
    return found


@pytest.mark.parametrize("name", ["compare", "nas201", "trans101", "digits", "ablation"])
def test_a_study_of_another_pipeline_goes_by_its_name_without_published_rows(mine: Path, name: str) -> None:
    own = load_pipeline("mine.yaml")
    result = study(name, own, mine, methods=["lapt-rea", "rea"]).run()
    assert not any(row.published for row in result.rows)
    titles = [table.caption for table in tables(result) if table.caption]
    assert titles
    assert all("my-own" in title or name == "ablation" for title in titles)
    assert not any(title.startswith(f"{name}:") for title in titles)
    said = " ".join(result.notes)
    assert ("no published figures beside these" in said) == (STUDIES[name].published is not None)


def test_baselines_have_the_pipelines_own_budget_unless_another_is_named(mine: Path) -> None:
    own = load_pipeline("mine.yaml")
    for name in ("compare", "nas201", "digits"):
        assert {entrant.budget for entrant in study(name, own, mine).entrants} == {own.budget} == {9}
    longer = study("compare", own, mine, budget=40)
    assert {entrant.method: entrant.budget for entrant in longer.entrants}["rea"] == 40
    assert {entrant.method: entrant.budget for entrant in longer.entrants}["lapt-rea"] == 9
    preset = entrants_of("nas201", load_pipeline("nas201"), (), draws=1)
    assert {entrant.budget for entrant in preset if entrant.method == "rea"} == {LONG}
    with pytest.raises(ConfigError, match="at least the pipeline's own 9"):
        study("compare", own, mine, budget=8)
    with pytest.raises(ConfigError, match="--budget with compare"):
        study("ablation", own, mine, budget=40)


def test_a_pipelines_own_search_method_is_compared_alone_too(mine: Path) -> None:
    own = load_pipeline("mine.yaml", ["search.method=gp"])
    found = study("compare", own, mine)
    assert found.methods[:4] == ("lapt-gp", "gp", "rea", "random")
    assert {entrant.method for entrant in found.baselines.values()} == {"gp"}


def test_an_unknown_method_is_answered_with_the_nearest(mine: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        study("compare", load_pipeline("mine.yaml"), mine, methods=["reaa", "local"])
    said = str(refused.value)
    assert "did you mean rea" in said
    assert "--list-methods" in said
    assert len(said) < 200


def lapt(*arguments: str) -> None:
    app([*arguments], standalone_mode=False)


@pytest.mark.parametrize("named", [["compare", "mine.yaml"], ["mine.yaml"], ["compare", "--pipeline", "mine.yaml"]])
def test_the_name_of_a_file_suffices(mine: Path, named: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    lapt("study", *named, "--seeds", "1", "--methods", "rea,random", "--processes", "1", "--json", "--store", "store")
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert (result["study"], result["pipeline"], result["title"]) == ("compare", "my-own", "my-own")
    assert result["command"].startswith("lapt study ")
    assert "mine.yaml" in result["command"]
    assert "my-own, 1 seed: 0 of 2 jobs" in said.err  # no terminal: a line in place of a bar


def test_methods_are_listed_on_request(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lapt("study", "mine.yaml", "--list-methods", "--store", "store")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "lapt-rea"
    assert "gp  (when it is named)" in lines


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare"], "a pipeline to compare"),
        (["none.yaml"], "or a pipeline's file"),
        (["compare", "mine.yaml", "--pipeline", "nas201"], "one pipeline"),
        (["table4", "mine.yaml"], "--store and --json alone"),
    ],
)
def test_what_is_no_study_is_refused(mine: Path, arguments: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        lapt("study", *arguments, "--store", "store")
