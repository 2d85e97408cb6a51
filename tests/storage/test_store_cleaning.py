"""Sizes of a store, removal of runs, and leftover files: locally and on S3."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from lapt.errors import ConfigError, StoreError
from lapt.evaluation import Evaluation, Metric
from lapt.evaluators.supernet import Finished
from lapt.pipeline.config import load_pipeline
from lapt.pipeline.results import RunResult
from lapt.spaces import BUILTIN
from storage.runs.checkpoints import StoredCheckpoint, StoredSupernets
from storage.runs.record import RunRecord, StartedBy
from storage.sql.query import query, snapshot
from storage.store import Store
from storage.upkeep.compaction import compact
from storage.upkeep.usage import OF_RUNS, delete, leftovers, removable, remove, usage

ONE, TWO = "0123456789ab", "ba9876543210"
DAYS = timedelta(days=30)
CELLS = list(BUILTIN["nas201"].members())[:5]


def a_run(store: Store, run_id: str) -> None:
    """A finished run with a control: five trials each, two scores that it shares with others, its files."""
    space, record, pipeline = BUILTIN["nas201"], RunRecord(store, run_id), load_pipeline("invented")
    evaluations = [
        Evaluation(cell, space.encode(cell), float(n), Metric("m"), key=f"k{n}") for n, cell in enumerate(CELLS)
    ]
    for number in range(2):
        store.append("scores", [{"key": f"k{number}", "status": "ok", "value": float(number), "task": "a"}])
    with record.attempt(pipeline):
        record.trials(space, evaluations, task="a", iteration=1, first=1)
        record.beside("random").trials(space, evaluations, task="a", iteration=1, first=1)
        store.append("reasoner_calls", [{"run_id": run_id, "call_key": "c", "reply": "{}", "valid": True}])
        record.finished(pipeline, StartedBy(), RunResult(run_id=run_id, pipeline="p", store=store.address, targets=()))
    record.report("# found")
    snapshot(store, run_id)


def rows_of(store: Store, run_id: str) -> int:
    return sum(
        query(store, f"SELECT 1 FROM {dataset} WHERE starts_with(run_id, '{run_id}')").num_rows for dataset in OF_RUNS
    )


def aged(store: Store, name: str, days: float) -> None:
    path = Path(store.address) / name
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


# --- usage ---------------------------------------------------------------------------------------------------
def test_usage_counts_every_file_once(store: Store) -> None:
    a_run(store, ONE)
    a_run(store, TWO)
    store.put_blob(b"x" * 1000)
    found = usage(store)
    files = [path for path in Path(store.address).rglob("*") if path.is_file()]
    assert (found.files, found.bytes) == (len(files), sum(path.stat().st_size for path in files))
    assert sum(folder.bytes for folder in found.folders) == found.bytes
    assert {folder.name: folder.bytes for folder in found.folders}["blobs"] == 1000
    assert {run.run_id for run in found.runs} == {ONE, TWO}
    (one,) = (run for run in found.runs if run.run_id == ONE)
    assert one.rows == {"trials": 10, "runs": 2, "reasoner_calls": 1}
    beside = found.bytes - sum(run.bytes for run in found.runs)
    shared = {folder.name: folder.bytes for folder in found.folders if folder.name in ("scores", "blobs", "locks")}
    assert beside == pytest.approx(sum(shared.values()), abs=2), "rows are shared out whole"


def test_usage_prints_one_json_document(store: Store) -> None:
    a_run(store, ONE)
    done = CliRunner().invoke(app, ["store", "usage", "--store", store.address, "--json"])
    document = json.loads(done.stdout)
    assert document["runs"][0]["run_id"] == ONE
    assert {"name", "holds", "files", "bytes"} == set(document["folders"][0])
    shown = CliRunner().invoke(app, ["store", "usage", "--store", store.address])
    assert "snapshots of runs" in shown.stdout


# --- rm ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("compacted", [False, True])
def test_a_run_is_taken_out_with_its_controls_and_all_else_stays(store: Store, compacted: bool) -> None:
    a_run(store, ONE)
    a_run(store, TWO)
    if compacted:
        compact(store, grace_seconds=0)
    scores = store.read("scores")
    kept = {
        dataset: query(store, f"SELECT * FROM {dataset} WHERE starts_with(run_id, '{TWO}') ORDER BY ALL")
        for dataset in OF_RUNS
    }
    remove(store, removable(store, ONE[:3]))
    assert rows_of(store, ONE) == 0
    assert store.read("scores") == scores
    for dataset, rows in kept.items():
        assert query(store, f"SELECT * FROM {dataset} ORDER BY ALL") == rows, dataset
    assert {path.name for path in (Path(store.address) / "duckdb").iterdir()} == {f"{TWO}.duckdb"}
    assert {path.name for path in (Path(store.address) / "reports").iterdir()} == {f"{TWO}.md"}
    compact(store, grace_seconds=0)
    assert rows_of(Store(store.address), ONE) == 0
    assert rows_of(store, TWO) == 13
    with pytest.raises(StoreError, match="the id of one run"):
        removable(store, ONE)


def test_the_last_run_leaves_a_store_that_can_be_written_and_read(store: Store) -> None:
    a_run(store, ONE)
    remove(store, removable(store, ONE))
    compact(store, grace_seconds=0)
    assert rows_of(store, ONE) == 0
    a_run(store, ONE)
    assert rows_of(store, ONE) == 13


def test_nothing_goes_without_being_told_to(store: Store) -> None:
    a_run(store, ONE)
    shown = CliRunner().invoke(app, ["store", "rm", ONE[:5], "--store", store.address])
    assert shown.exit_code == 0, shown.output
    said = " ".join(shown.stdout.split())
    assert f"duckdb/{ONE}.duckdb" in said
    assert "1 replies of a language model" in said
    assert "Nothing is deleted yet" in said
    assert rows_of(store, ONE) == 13
    done = CliRunner().invoke(app, ["store", "rm", ONE[:5], "--store", store.address, "--delete"])
    assert done.exit_code == 0, done.output
    assert rows_of(store, ONE) == 0


def test_a_run_under_way_is_not_taken_out(store: Store) -> None:
    a_run(store, ONE)
    with RunRecord(store, ONE).attempt(load_pipeline("invented")), pytest.raises(StoreError, match="no other attempt"):
        remove(store, removable(store, ONE))
    assert rows_of(store, ONE) == 14


@pytest.mark.integration
def test_writers_and_readers_go_on_while_runs_are_taken_out(store: Store) -> None:
    for number in range(6):
        a_run(store, f"{number:012x}")
    written, stop = list[int](), threading.Event()

    def write() -> None:
        while not stop.is_set():
            Store(store.address).append("trials", [{"run_id": TWO, "task": "t", "ordinal": len(written)}])
            written.append(len(written))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(6):
            remove(store, removable(store, f"{number:012x}"))
            least = len(written)
            read = query(store, f"SELECT count(*) AS n FROM trials WHERE run_id = '{TWO}'").column(0)[0].as_py()
            assert read >= least
    finally:
        stop.set()
        writer.join()
    assert query(store, "SELECT DISTINCT run_id FROM trials").to_pylist() == [{"run_id": TWO}]
    assert query(store, "SELECT count(*) AS n FROM trials").to_pylist() == [{"n": len(written)}]


# --- gc ------------------------------------------------------------------------------------------------------
def with_leftovers(store: Store) -> dict[str, str]:
    """Files that may go once they are old -> why; beside them as many of each kind that are needed."""
    a_run(store, ONE)
    weights, supernet, nobodys = store.put_blob(b"weights"), b"supernet", store.put_blob(b"a batch of last month")
    store.append("scores", [{"key": "final", "status": "ok", "split": "test", "weights": weights}])
    store.append("scores", [{"key": "in vain", "status": "failed", "split": "test"}])
    StoredSupernets(store).finish("trained", Finished("d", 1.0, 0.5, 9, 100), supernet)
    for key in ("final", "trained", "in vain", "under way"):
        checkpoint = StoredCheckpoint(store, key)
        checkpoint.save(b"state")
        checkpoint.tell(1, 2, 0.5)
    for name in (f"duckdb/{TWO}.duckdb", f"reports/{TWO}.md", "duckdb/everything.duckdb", "reports/study-abc.json"):
        store.files.write(name, b"of a run that is gone, or of no run")
    (Path(store.address) / "trials" / ".writing-1").write_bytes(b"half")
    (Path(store.address) / "prefect").mkdir()
    (Path(store.address) / "prefect" / ".writing-2").write_bytes(b"not ours")
    return {
        "trials/.writing-1": "left by a writer that was killed",
        f"blobs/{nobodys}": "nothing refers to it",
        **dict.fromkeys(
            (f"checkpoints/{key}{end}" for key in ("final", "trained") for end in ("", ".json")),
            "its training is finished",
        ),
        f"duckdb/{TWO}.duckdb": "its run is gone",
        f"reports/{TWO}.md": "its run is gone",
    }


def everything(store: Store) -> set[str]:
    return {str(path.relative_to(store.address)) for path in Path(store.address).rglob("*") if path.is_file()}


def test_what_is_old_and_nobody_needs_may_go_and_nothing_else(store: Store) -> None:
    expected = with_leftovers(store)
    before = everything(store)
    assert leftovers(store, DAYS) == []
    for name in before:
        aged(store, name, 31)
    found = leftovers(store, DAYS)
    assert {one.file.name: one.why for one in found} == expected
    assert everything(store) == before, "nothing was deleted"
    assert delete(store, found) == sum(one.file.bytes for one in found)
    assert everything(store) == before - set(expected)
    assert leftovers(store, DAYS) == []
    assert store.get_blob(hashlib.sha256(b"weights").hexdigest()) == b"weights"


def test_nothing_young_goes(store: Store) -> None:
    expected = with_leftovers(store)
    for name in everything(store):
        aged(store, name, 0.9)
    assert leftovers(store, timedelta(hours=24)) == []
    for name in expected:
        aged(store, name, 1.1)
    assert {one.file.name for one in leftovers(store, timedelta(hours=24))} == set(expected)
    with pytest.raises(ConfigError, match="an age of 24h or more; got 23h"):
        leftovers(store, timedelta(hours=23))


def test_what_is_written_again_meanwhile_stays(store: Store) -> None:
    name = f"blobs/{store.put_blob(b'trained twice')}"
    aged(store, name, 31)
    found = leftovers(store, DAYS)
    assert [one.file.name for one in found] == [name]
    store.put_blob(b"trained twice")
    assert delete(store, found) == 0
    assert store.files.exists(name)
    assert leftovers(store, DAYS) == [], "it is young again"


def test_no_blob_goes_while_a_score_cannot_be_read(store: Store) -> None:
    store.append("scores", [{"key": "k", "status": "ok", "weights": store.put_blob(b"w")}])
    (broken,) = (Path(store.address) / "scores").iterdir()
    broken.write_bytes(broken.read_bytes()[:-3])
    with pytest.raises(StoreError, match=f"every score to be read.*{broken.name}"):
        leftovers(store, DAYS)


@pytest.mark.parametrize(("said", "found"), [("30d", 30.0), ("36h", 1.5), ("2w", 14.0), (" 1 d", 1.0)])
def test_ages(store: Store, said: str, found: float) -> None:
    store.put_blob(b"x")
    name = f"blobs/{hashlib.sha256(b'x').hexdigest()}"
    for age, count in ((found - 0.1, 0), (found + 0.1, 1)):
        aged(store, name, age)
        done = CliRunner().invoke(app, ["store", "gc", "--older-than", said, "--store", store.address, "--json"])
        assert len(json.loads(done.stdout)["files"]) == count


@pytest.mark.parametrize("said", ["", "30", "d", "-1d", "1.5d", "1y", "999999999999999999d", "٣d"])
def test_what_is_no_age_is_wrong_use(store: Store, said: str) -> None:
    a_run(store, ONE)
    done = CliRunner().invoke(app, ["store", "gc", "--older-than", said, "--store", store.address])
    assert isinstance(done.exception, ConfigError)


@pytest.mark.parametrize("command", [["usage"], ["rm", "a"], ["gc"]])
def test_a_store_that_is_not_there_is_said(tmp_path: Path, command: list[str]) -> None:
    done = CliRunner().invoke(app, ["store", *command, "--store", str(tmp_path / "none")])
    assert isinstance(done.exception, StoreError)
    assert not (tmp_path / "none").exists()


# --- costs ---------------------------------------------------------------------------------------------------
def test_costs_are_counted_by_user_and_team(store: Store) -> None:
    space, pipeline = BUILTIN["nas201"], load_pipeline("invented")
    when = datetime(2030, 1, 1, tzinfo=UTC)

    def paid(run_id: str, seconds: float, **by: Any) -> None:
        record = RunRecord(store, run_id)
        with record.attempt(pipeline, StartedBy(**by)):
            for one in (record, record.beside("source_ranking")):
                made = Evaluation(CELLS[0], "i", 1.0, Metric("m"), cost_seconds=seconds)
                one.trials(space, [made], task="a", iteration=1, first=1)

    paid("a1", 10.0, user="ada", team="vision")
    paid("a1", 99.0, user="bob", team="audio")  # a later attempt, which paid for nothing
    paid("b2", 20.0, user="bob", team="vision")
    paid("c3", 40.0, user="bob")
    store.append("runs", [{"run_id": "a1", "event": "started", "created_at": when}])
    by_team = query(store, "SELECT team, sum(seconds_paid_now) AS paid FROM costs GROUP BY team ORDER BY team")
    assert by_team.to_pylist() == [{"team": "vision", "paid": 60.0}, {"team": None, "paid": 80.0}]
    by_user = query(store, "SELECT user, sum(seconds_paid_now) AS paid FROM costs GROUP BY user ORDER BY user")
    assert by_user.to_pylist() == [{"user": "ada", "paid": 20.0}, {"user": "bob", "paid": 120.0}]
    compact(store, grace_seconds=0)
    assert query(store, "SELECT team, sum(seconds_paid_now) AS paid FROM costs GROUP BY 1 ORDER BY 1") == by_team
