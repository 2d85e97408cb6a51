"""DuckDB files that any client opens."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from lapt.errors import StoreError
from storage.sql.query import export, snapshot
from storage.sql.views import VIEWS
from storage.store import Store


@pytest.fixture
def two_runs(store: Store) -> Store:
    for run, value in (("one", 80.0), ("two", 90.0)):
        trial = {
            "run_id": run,
            "space": "toy",
            "task": "t",
            "ordinal": 1,
            "architecture": "a'b",
            "identity": "a'b",
            "value": value,
            "metric": "accuracy",
            "higher_is_better": True,
            "status": "ok",
            "score_key": run,
        }
        score = {"space": "toy", "identity": "a'b", "task": "t", "fingerprint": run, "seed": 0, "status": "ok"}
        store.append("trials", [trial])
        store.append("runs", [{"run_id": run, "event": "started"}])
        store.append("scores", [{**score, "key": run, "split": "validation", "value": value}])
        store.append("scores", [{**score, "key": run + "-test", "split": "test", "value": value + 1}])
    return store


def answer(path: str | Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_a_snapshot_holds_one_run_and_opens_in_plain_duckdb(two_runs: Store) -> None:
    path = snapshot(two_runs, "one")
    assert path == f"{two_runs.address}/duckdb/one.duckdb"
    assert answer(path, "SELECT run_id, rank, value FROM leaderboard") == [("one", 1, 80.0)]
    assert answer(path, "SELECT key FROM scores ORDER BY key") == [("one",), ("one-test",)]
    assert {name for (name,) in answer(path, "SELECT table_name FROM duckdb_tables()")} == set(VIEWS)
    assert [p.name for p in (Path(two_runs.address) / "duckdb").iterdir()] == ["one.duckdb"]


def test_a_snapshot_is_written_once(two_runs: Store) -> None:
    path = Path(snapshot(two_runs, "two"))
    content = path.read_bytes()
    two_runs.append("trials", [{"run_id": "two", "task": "t", "ordinal": 2}])
    assert snapshot(two_runs, "two") == str(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("run_id", ["three", "../one", "", "a b"])
def test_a_run_that_is_not_there(two_runs: Store, run_id: str) -> None:
    with pytest.raises(StoreError, match="view runs"):
        snapshot(two_runs, run_id)
    assert not (Path(two_runs.address) / "duckdb").exists()


def test_an_export_holds_everything_and_replaces_an_older_one(two_runs: Store, tmp_path: Path) -> None:
    path = tmp_path / "it's" / "all.duckdb"
    export(two_runs, path)
    two_runs.append("runs", [{"run_id": "three", "event": "started"}])
    assert export(two_runs, path) == path
    assert answer(path, "SELECT count(*) FROM trials") == [(2,)]
    assert answer(path, "SELECT count(*) FROM runs") == [(3,)]


def test_an_export_onto_a_folder_is_refused(two_runs: Store, tmp_path: Path) -> None:
    (tmp_path / "all.duckdb").mkdir()
    with pytest.raises(StoreError, match=r"all\.duckdb"):
        export(two_runs, tmp_path / "all.duckdb")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.duckdb", "store"]


def test_a_store_that_is_not_there_is_not_exported(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="got nothing there"):
        export(store, tmp_path / "all.duckdb")
    assert not (tmp_path / "all.duckdb").exists()
