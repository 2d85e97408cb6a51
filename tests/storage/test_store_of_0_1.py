"""A store that the first version wrote is read today: its tables, its principles, its runs, and what was paid for.

``store_of_0_1.zip`` holds it, beside what each run printed: the shipped table with ``patterns``, a language model's run
(a stand-in's replies), one that trains networks, one with supernets, and a study. No snapshots, no Prefect history.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from flows.build import Built, build
from flows.cli.app import app
from lapt.evaluators.training import TrainingEvaluator
from lapt.pipeline.config import Execution, Pipeline
from lapt.report.run import run_page
from storage.runs.evaluator import StoredEvaluator
from storage.runs.history import run_history
from storage.runs.record import finished_run, principles_by_id, stated_principles
from storage.sql.query import query
from storage.store import Store

HELD = Path(__file__).with_name("store_of_0_1.zip")
RUNS = {
    "digits_table": "7abf40881e83",
    "invented": "891739d49ac0",
    "tiny": "762114a88440",
    "tiny_supernet": "52c9d9a06940",
}
ROWS = {
    "scores": 41, "trials": 445, "runs": 10, "principles": 16, "subspaces": 12, "reasoner_calls": 10, "supernets": 2,
    "studies": 42, "study_jobs": 4, "evaluations": 445, "anytime": 445, "lineage": 445, "leaderboard": 437, "costs": 16,
}  # fmt: skip


@pytest.fixture
def earlier(tmp_path: Path) -> Store:
    with zipfile.ZipFile(HELD) as held:
        held.extractall(tmp_path)
    return Store(tmp_path / "store")


def printed(store: Store, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(store.address).parent / f"{run}.json").read_text())
    return found


def declared(store: Store, run: str) -> Pipeline:
    pipeline, _ = finished_run(store, RUNS[run])
    return pipeline


def built(store: Store, run: str) -> Built:
    return build(declared(store, run), Execution(store=store.address, replies="replay"))


def test_every_table_and_view_has_its_rows(earlier: Store) -> None:
    counts = {name: query(earlier, f"SELECT * FROM {name}").num_rows for name in ROWS}
    assert counts == ROWS
    for target in printed(earlier, "digits_table")["targets"]:
        of_target = f"WHERE run_id = '{RUNS['digits_table']}' AND task = '{target['task']}'"
        best = query(earlier, f"SELECT arg_max(incumbent_architecture, ordinal) AS best FROM anytime {of_target}")
        assert best.to_pylist() == [{"best": target["architecture"]}]


@pytest.mark.parametrize("run", RUNS)
def test_runs_keep_their_ids_and_what_they_found(earlier: Store, run: str) -> None:
    assert built(earlier, run).run_id == RUNS[run]
    pipeline, found = finished_run(earlier, RUNS[run])
    assert (pipeline.name, pipeline.adaptation.refuted) == (run, "keep")  # as that version did, without a key for it
    for target, first in zip(found.targets, printed(earlier, run)["targets"], strict=True):
        for one, before in zip((target, *target.controls), (first, *first["controls"]), strict=True):
            assert (one.architecture, one.validation, one.test) == tuple(
                before[name] for name in ("architecture", "validation", "test")
            )


def test_trained_scores_are_found_and_not_trained_again(earlier: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for trains in ("stream", "retrained"):
        monkeypatch.setattr(TrainingEvaluator, trains, lambda *_: pytest.fail("trained again"))
    tiny = built(earlier, "tiny")
    rows = query(earlier, f"SELECT task, architecture, value FROM trials WHERE starts_with(run_id, '{tiny.run_id}')")
    for task in ("jigsaw", "classification"):
        evaluator = tiny.evaluator(task)
        assert isinstance(evaluator, StoredEvaluator)
        values = {row["architecture"]: row["value"] for row in rows.to_pylist() if row["task"] == task}
        found = evaluator.evaluate([tiny.space.decode(text) for text in values])
        assert [one.value for one in found] == list(values.values())
        assert len(values) > 5
    evaluator = tiny.evaluator("classification")
    for target in printed(earlier, "tiny")["targets"]:
        for one in (target, *target["controls"]):
            assert evaluator.test(tiny.space.decode(one["architecture"])) == one["test"]


@pytest.mark.parametrize("run", RUNS)
def test_principles_and_pages_are_read(earlier: Store, run: str) -> None:
    stated = [row for row in stated_principles(earlier) if row["run_id"] == RUNS[run]]
    assert stated
    for row in stated:
        assert principles_by_id(earlier, row["principles_id"]).id == row["principles_id"]
        shown = CliRunner().invoke(app, ["principles", "show", row["principles_id"], "--store", earlier.address])
        assert shown.exit_code == 0, shown.output
    page = run_page(run_history(earlier, RUNS[run])).replace("<wbr>", "")
    for target in printed(earlier, run)["targets"]:
        assert target["architecture"] in page


def test_a_study_is_read(earlier: Store, tmp_path: Path) -> None:
    (study,) = query(earlier, "SELECT DISTINCT study_id FROM studies").column(0).to_pylist()
    out = tmp_path / "study.html"
    done = CliRunner().invoke(app, ["report", study, "--store", earlier.address, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "lapt-rea" in out.read_text()


def test_trained_networks_are_exported(earlier: Store, tmp_path: Path) -> None:
    """The first version did not say which trainings were a run's: score and seconds tell."""
    (target,) = printed(earlier, "tiny")["targets"]
    for words, one in ([], target), (["--control", "random"], target["controls"][0]):
        out = tmp_path / "net.py"
        command = ["export", RUNS["tiny"], *words, "--store", earlier.address, "--out", str(out)]
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
        told = torch.load(out.with_suffix(".pt"), weights_only=True)["config"]["export"]
        assert told["test"] == one["test"]
        assert told["classes"] == [str(digit) for digit in range(10)]
        assert told["image_size"] == [8, 8]
