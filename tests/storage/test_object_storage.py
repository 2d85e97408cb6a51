"""A store on S3: moto's server, in a process of its own, by the usual environment."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from lapt.errors import StoreError
from lapt.evaluators.supernet import Finished
from lapt.spaces import BUILTIN
from lapt.testing import invented_table
from storage.runs.checkpoints import StoredCheckpoint, StoredSupernets
from storage.runs.evaluator import StoredEvaluator
from storage.sql.query import query
from storage.store import Store
from storage.upkeep.compaction import compact
from storage.upkeep.usage import YOUNGEST, delete, leftovers, removable, remove, usage

SECRET = "not-to-be-seen"
WRITERS, ROWS = 8, 12


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Address of the server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx.get(address, timeout=2)
            break
        except httpx.HTTPError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    yield address
    server.kill()
    server.wait()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    name = "b" + str(abs(hash(request.node.name)))
    for key, value in {
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": s3,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(key, value)
    httpx.put(f"{s3}/{name}", timeout=10).raise_for_status()
    return f"s3://{name}/some/store"


def test_rows_blobs_and_sql(bucket: str) -> None:
    store = Store(bucket)
    assert not store.exists()
    with pytest.raises(StoreError, match="nothing there"):
        query(store, "SELECT 1")
    store.check_writable()
    for ordinal in range(3):
        store.append("trials", [{"run_id": "r", "task": "t", "ordinal": ordinal, "value": float(ordinal)}])
    assert store.exists()
    assert query(store, "SELECT sum(value) AS total FROM trials").to_pylist() == [{"total": 3.0}]
    content = os.urandom(12_000_000)  # more than one part
    assert Store(bucket).get_blob(store.put_blob(content)) == content
    with pytest.raises(StoreError, match="none"):
        store.get_blob("0" * 64)


def test_what_was_paid_for_is_read_again_by_another_process(bucket: str) -> None:
    from lapt.evaluators import TableEvaluator
    from lapt.evaluators.table import Rehearsal

    space = BUILTIN["nas201"]
    inner = Rehearsal(TableEvaluator(invented_table(), space, "invented_a"), 0.001)
    cells = list(space.members())[:4]
    first = StoredEvaluator(inner, Store(bucket), space, seed=0).evaluate(cells)
    again = StoredEvaluator(inner, Store(bucket), space, seed=0).evaluate(cells)
    assert [one.value for one in again] == [one.value for one in first]
    assert ({one.origin for one in first}, {one.origin for one in again}) == ({"computed"}, {"store"})


def test_checkpoints_and_supernets(bucket: str) -> None:
    store = Store(bucket)
    checkpoint = StoredCheckpoint(store, "key")
    assert (checkpoint.load(), checkpoint.told()) == (None, None)
    checkpoint.save(b"one")
    checkpoint.save(b"two")
    checkpoint.tell(2, 9, 0.5)
    assert (StoredCheckpoint(Store(bucket), "key").load(), checkpoint.told()) == (b"two", (2, 9, 0.5))
    supernets = StoredSupernets(store)
    assert supernets.finished("key") is None
    kept = supernets.finish("key", Finished("d", 1.0, 0.5, 9, 100), b"weights")
    assert supernets.finished("key") == kept
    assert supernets.weights(kept) == b"weights"
    assert checkpoint.load() is None


@pytest.mark.integration
def test_eight_processes_append_at_once_while_another_compacts_and_nothing_is_lost(bucket: str) -> None:
    appends = (
        "import sys; from storage.store import Store\n"
        "store = Store(sys.argv[1])\n"
        f"for n in range({ROWS}):\n"
        "    store.append('trials', [{'run_id': sys.argv[2], 'task': 't', 'ordinal': n}])\n"
    )
    root = Path(__file__).parents[2]
    writers = [
        subprocess.Popen([sys.executable, "-c", appends, bucket, f"writer {number}"], cwd=root)
        for number in range(WRITERS)
    ]
    store = Store(bucket)
    while any(writer.poll() is None for writer in writers):
        if store.exists():
            compact(store, datasets=["trials"])
        time.sleep(0.2)
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    compact(store, grace_seconds=0, datasets=["trials"])
    counted = query(store, "SELECT run_id, count(DISTINCT ordinal) AS n, count(*) AS rows FROM trials GROUP BY run_id")
    assert {(row["n"], row["rows"]) for row in counted.to_pylist()} == {(ROWS, ROWS)}
    assert counted.num_rows == WRITERS


def test_usage_and_what_may_go(bucket: str) -> None:
    store, run = Store(bucket), "0123456789ab"
    for row in (
        {"run_id": run, "event": "started"},
        {"run_id": run, "event": "finished"},
        {"run_id": "b", "event": "x"},
    ):
        store.append("runs", [row])
    for run_id in (run, f"{run}-random", "b"):
        store.append("trials", [{"run_id": run_id, "task": "t", "ordinal": 1}])
    store.files.write(f"duckdb/{run}.duckdb", bytes(5000))
    needed, nobodys = store.put_blob(b"needed"), store.put_blob(b"nobody's")
    store.append("scores", [{"key": "k", "status": "ok", "weights": needed}])
    found = usage(store)
    assert {folder.name: folder.files for folder in found.folders} == {
        "runs": 3, "trials": 3, "duckdb": 1, "blobs": 2, "scores": 1,
    }  # fmt: skip
    assert found.runs[0].run_id == run
    assert found.runs[0].bytes > 5000
    remove(store, removable(store, run))
    compact(store, grace_seconds=0)
    rows = "SELECT run_id FROM trials UNION ALL SELECT run_id FROM runs"
    assert query(Store(bucket), rows).to_pylist() == [{"run_id": "b"}] * 2
    assert not store.files.exists(f"duckdb/{run}.duckdb")
    assert leftovers(store, YOUNGEST) == []
    old = [replace(file, modified=file.modified - 2 * YOUNGEST) for file in store.files.listing()]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store.files, "listing", lambda name="": [file for file in old if name in ("", file.name)])
        gone = leftovers(store, YOUNGEST)
        assert [(one.file.name, one.why) for one in gone] == [(f"blobs/{nobodys}", "nothing refers to it")]
        assert delete(store, gone) == len(b"nobody's")
    assert store.files.names("blobs") == [needed]


def test_a_run_that_was_just_started_is_not_taken_out(bucket: str) -> None:
    store = Store(bucket)
    store.append("runs", [{"run_id": "ab", "event": "started"}])
    with pytest.raises(StoreError, match="run ab to be over; got one that was started"):
        remove(store, removable(store, "ab"))
    day_before_yesterday = datetime.now(UTC) - timedelta(days=2)
    store.append("runs", [{"run_id": "cd", "event": "started", "created_at": day_before_yesterday}])
    remove(store, removable(store, "cd"))
    assert query(store, "SELECT run_id FROM runs").to_pylist() == [{"run_id": "ab"}]


@pytest.mark.integration
def test_no_credential_is_said(bucket: str, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(bucket)
    assert SECRET not in repr(store)
    assert SECRET not in store.address
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.rpartition(":")[0] + ":1")
    with pytest.raises(StoreError) as raised:
        Store("s3://nobody/there").append("trials", [{"run_id": "r"}])
    assert SECRET not in str(raised.value)
    assert "credentials" in str(raised.value)
