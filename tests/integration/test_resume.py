"""kill -9 at any point, then the same command: the same result, nothing paid twice, nothing left behind."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from storage.sql.query import query
from storage.store import Store

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).with_name("counted_run.py")


def start(store: Path, log: Path, seconds: float = 0.05) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(store), str(log), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def held_at(count: int, store: Path, log: Path) -> subprocess.Popen[str]:
    """A run that stands still with ``count`` scores paid for: however slow the machine, it is under way."""
    hold(log).write_text(str(count))
    process = start(store, log, 0.0)
    while len(lines(log)) < count and process.poll() is None:
        time.sleep(0.05)
    return process


def hold(log: Path) -> Path:
    return Path(f"{log}.hold")


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def comparable(result: dict[str, Any]) -> dict[str, Any]:
    """Without what tells attempts apart: where, how long, and how much was paid this time."""
    targets = [{k: v for k, v in t.items() if k not in ("seconds", "paid_now")} for t in result["targets"]]
    return {**result, "store": "", "targets": targets}


def left_behind(store: Path) -> list[str]:
    """Processes that still mention the store."""
    return [
        " ".join(p.info["cmdline"]) for p in psutil.process_iter(["cmdline"]) if str(store) in str(p.info["cmdline"])
    ]


def test_killed_at_five_random_points_a_run_ends_as_if_undisturbed(tmp_path: Path) -> None:
    undisturbed = finish(start(tmp_path / "whole", tmp_path / "whole.log"))
    total = len(lines(tmp_path / "whole.log"))
    assert total > 40  # the archive's, and more: what is not counted could not be lost
    store, log = tmp_path / "killed", tmp_path / "killed.log"
    rng = random.Random(5)
    # One kill in each fifth of the work, the first possibly before anything is scored, and a random moment more.
    for part in range(5):
        goal = int(total * (part + rng.random()) / 5)
        process = start(store, log)
        deadline = time.monotonic() + 120
        while len(lines(log)) < goal and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert len(lines(log)) < total + 5
    resumed = finish(start(store, log))

    assert comparable(resumed) == comparable(undisturbed)
    assert resumed["run_id"] == undisturbed["run_id"]

    # A kill can fall between a score and its storing: at most one computation a kill is lost, and none that was stored.
    computed = Counter(lines(log))
    assert set(computed) == set(lines(tmp_path / "whole.log"))
    assert sum(computed.values()) - len(computed) <= 5
    found = query(
        Store(store), "SELECT count(*) AS n, count(DISTINCT key) AS keys FROM scores WHERE split = 'validation'"
    )
    assert found.to_pylist() == [{"n": total, "keys": total}]
    trials = query(Store(store), "SELECT task, count(*) AS n, max(ordinal) AS last FROM trials GROUP BY task")
    assert all(row["n"] == row["last"] for row in trials.to_pylist())

    deadline = time.monotonic() + 10
    while left_behind(store) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left_behind(store) == []
    with sqlite3.connect(store / "prefect" / "prefect.db") as history:
        for table in ("flow_run", "task_run"):
            states = dict(history.execute(f"SELECT state_type, count(*) FROM {table} GROUP BY state_type"))
            assert set(states) <= {"COMPLETED", "CRASHED", "FAILED"}, (table, states)


def test_a_second_attempt_at_the_same_time_waits_and_pays_nothing(tmp_path: Path) -> None:
    store, log = tmp_path / "store", tmp_path / "log"
    first = held_at(1, store, log)
    second = start(store, tmp_path / "second.log")
    assert second.stderr is not None
    said = next(line for line in second.stderr if "waiting for" in line)
    assert f"process {first.pid}" in said
    hold(log).unlink()
    result = finish(first)
    assert comparable(finish(second)) == comparable(result)
    assert lines(tmp_path / "second.log") == []
    assert sum(target["evaluations"] for target in result["targets"]) == len(lines(log)) - 40  # 40 for the archive


def test_ctrl_c_leaves_the_run_resumable(tmp_path: Path) -> None:
    store, log = tmp_path / "store", tmp_path / "log"
    process = held_at(45, store, log)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    hold(log).unlink()
    paid = len(lines(log))
    events = query(Store(store), "SELECT event FROM runs ORDER BY created_at").to_pylist()
    assert [row["event"] for row in events] == ["started", "interrupted"]
    result = finish(start(store, log, 0.0))
    assert sum(target["paid_now"] for target in result["targets"]) == len(lines(log)) - paid
    assert len(lines(log)) <= 40 + sum(target["evaluations"] for target in result["targets"]) + 1
