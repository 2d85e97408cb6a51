"""A benchmark of one's own: stopped and gone on with, in parallel, and what the table then says."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from storage.sql.query import query
from storage.store import Store

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).with_name("small_plan.py")
CHEAP = ["evaluator.channels=4", "evaluator.cells=1", "evaluator.recipe.epochs=1", "evaluator.training_images=100"]
PLAN = [*CHEAP, "tasks=[jigsaw, classification]", "best=3", "sample=8", "seeds=3"]


def test_a_build_that_is_stopped_goes_on_and_the_table_holds_the_means(tmp_path: Path) -> None:
    table = tmp_path / "mine.parquet"
    options = ["--store", str(tmp_path / "store"), "--out", str(table), *(f"--set={key}" for key in PLAN)]
    command = [sys.executable, str(SCRIPT), *options]
    store = Store(str(tmp_path / "store"))

    def rows() -> int:
        return len(store.read("scores", ["key"])) if (tmp_path / "store" / "scores").is_dir() else 0

    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 240
    while rows() < 15 and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 130, said
    assert "what was finished is stored" in said
    stopped_at = rows()
    assert not table.exists()

    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    scores = query(store, "SELECT task, seed, identity, value, count(*) AS n FROM raw.scores GROUP BY ALL").to_pylist()
    assert all(row["n"] == 1 for row in scores)  # nothing was trained twice
    assert 24 + 2 * 2 * 8 <= len(scores) <= 24 + 2 * 2 * 11
    assert stopped_at < len(scores)

    found = pq.read_table(table)  # type: ignore[no-untyped-call]
    assert found.num_rows == 12
    for row in found.to_pylist():
        mine = [s["value"] for s in scores if s["task"] == "jigsaw" and s["identity"] == row["architecture"]]
        assert row["jigsaw/validation"] == pytest.approx(np.mean(mine), rel=1e-6)
    page = table.with_suffix(".md").read_text()
    assert "All 12 architectures of nas201" in page
    assert "| jigsaw, classification |" in page
