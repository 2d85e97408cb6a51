"""Runs with limits, by the real command line: they end with their best so far, and go on from there without."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shared_server

from storage.sql.query import query
from storage.store import Store

pytestmark = pytest.mark.integration

TRAINED = """
name: trained
space: nas201
evaluator:
  {kind: training, data: digits, channels: 1, cells: 1, training_images: 120, validation_share: 0.25,
   recipe: {epochs: 1, batch_size: 32}, final_epochs: 1}
source: {task: jigsaw, archive: {strategy: random, samples: 3, size: 2}}
targets: [classification, autoencoding]
reasoner: {kind: frequency, max_operators: 3}
adaptation: {iterations: 2, top_r: 3}
search: {method: rea, population_size: 3, generations: 1, tournament_size: 2}
controls: [random]
"""
Lapt = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def lapt(tmp_path: Path) -> Lapt:
    (tmp_path / "trained.yaml").write_text(TRAINED)
    environment = shared_server.environment() | {"LAPT_STORE": str(tmp_path / "store"), "LAPT_TEAM": "vision"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("lapt")), *words]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=240, check=False, cwd=tmp_path
        )

    return run


def found(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def asked(result: dict[str, Any]) -> list[tuple[int, list[int]]]:
    """Evaluations of each target, and of its controls."""
    return [(one["evaluations"], [c["evaluations"] for c in one["controls"]]) for one in result["targets"]]


def without_time(result: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (one["task"], one["architecture"], one["validation"], one["test"], one["evaluations"], one["stopped"])
        for target in result["targets"]
        for one in (target, *({**control, "stopped": None} for control in target["controls"]))
    ]


def test_evaluations_are_limited_and_the_run_goes_on(lapt: Lapt, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    limited = found(lapt("run", "digits_table", "--json", "--max-evaluations", "8"))
    assert asked(limited) == [(8, []), (0, [])]
    assert limited["targets"][0]["architecture"]
    assert limited["targets"][0]["stopped"] == limited["stopped"]
    assert "at most 8 evaluations of this run" in limited["stopped"]
    assert not (tmp_path / "store" / "duckdb").exists(), "a snapshot is written once, when all is there"
    events = 'SELECT event, "user" IS NOT NULL AS known, team FROM runs ORDER BY created_at'
    assert [tuple(row.values()) for row in query(store, events).to_pylist()] == [
        ("started", True, "vision"),
        ("stopped", True, "vision"),
    ]
    run_id = limited["run_id"]
    page = (tmp_path / "store" / "reports" / f"{run_id}.md").read_text()
    assert "The run ended early: expected at most 8 evaluations of this run" in page
    report = lapt("report", run_id, "--out", "page.html")
    assert report.returncode == 0, report.stderr
    assert "The run ended early" in (tmp_path / "page.html").read_text()

    # 40 for the targets; a control has the same budget of 20 or is left out.
    more = found(lapt("run", "digits_table", "--json", "--max-evaluations", "65", "--no-snapshot"))
    assert asked(more) == [(20, [20]), (20, [])]
    assert more["run_id"] == run_id
    assert "got 60 and 20 more to ask for" in more["stopped"]

    whole = found(lapt("run", "digits_table", "--json", "--no-snapshot"))
    assert (whole["run_id"], whole["stopped"]) == (run_id, None)
    assert asked(whole) == [(20, [20, 20])] * 2
    assert not (tmp_path / "store" / "duckdb").exists()
    fresh = found(lapt("run", "digits_table", "--json", "--store", str(tmp_path / "other")))
    assert without_time(fresh) == without_time(whole)
    (snapshot,) = (tmp_path / "other" / "duckdb").iterdir()
    assert snapshot.stat().st_size < 600_000


def test_device_seconds_are_those_of_trainings_paid_for_now(lapt: Lapt, tmp_path: Path) -> None:
    trained = ("run", "trained.yaml", "--processes", "1", "--json")
    failed = lapt(*trained, "--max-device-seconds", "0.001")
    assert failed.returncode == 1
    assert "3 evaluations of jigsaw, from which the run learns; got " in failed.stderr
    assert "Traceback" not in failed.stderr
    one = found(lapt(*trained, "--max-evaluations", "1"))
    assert asked(one) == [(1, []), (0, [])]
    assert one["targets"][0]["final"] is not None, "a final training is no evaluation"
    scores = "SELECT count(*) AS n FROM scores WHERE task = 'classification'"
    limited = found(lapt(*trained, "--max-device-seconds", "0.001"))
    assert "at most 0.001 device seconds of this run" in limited["stopped"]
    assert limited["targets"][0]["evaluations"] == 2
    assert limited["targets"][0]["final"] is None
    assert query(Store(tmp_path / "store"), scores).to_pylist() == [{"n": 3}]  # the first, its test, and one more
    whole = found(lapt(*trained))
    assert whole["stopped"] is None
    assert {target["final"] is not None for target in whole["targets"]} == {True}
    # All of it is paid for: the limit holds nothing back.
    again = found(lapt(*trained, "--max-device-seconds", "0.001"))
    assert again["stopped"] is None
    assert without_time(again) == without_time(whole)


def test_seconds_end_a_run_in_time(lapt: Lapt, tmp_path: Path) -> None:
    slow = ("--set", "evaluator.seconds=0.5", "--set", "source.archive={strategy: random, samples: 2, size: 2}")
    began = time.monotonic()
    limited = found(lapt("run", "invented", *slow, "--max-seconds", "4", "--json"))
    assert time.monotonic() - began < 30
    assert "at most 4 seconds of this run" in limited["stopped"]
    first = limited["targets"][0]
    assert 0 < first["evaluations"] < 20
    rows = query(Store(tmp_path / "store"), "SELECT count(*) AS n FROM trials WHERE task = 'invented_a'").to_pylist()
    assert rows == [{"n": first["evaluations"]}]
    shown = lapt("run", "invented", *slow, "--max-seconds", "8")
    assert shown.returncode == 0, shown.stderr
    assert "The run ended early: expected at most 8 seconds of this run" in " ".join(shown.stdout.split())


@pytest.mark.parametrize(
    "words",
    [("--max-evaluations", "0"), ("--max-seconds", "0"), ("--max-device-seconds", "-1"), ("--max-seconds", "x")],
)
def test_what_is_no_limit_is_wrong_use(lapt: Lapt, words: tuple[str, str]) -> None:
    assert lapt("run", "invented", *words).returncode == 2
