"""The demo as a user runs it: interrupted, taken up again, and read."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.sql.query import query
from storage.store import Store

pytestmark = pytest.mark.integration

LAPT = str(Path(sys.executable).with_name("lapt"))


def keys(store: Path) -> list[str]:
    if not (store / "scores").is_dir():
        return []
    rows = Store(store).read("scores", ["key", "split"]).to_pylist()
    return sorted(row["key"] for row in rows)


def test_an_interrupted_demo_goes_on_without_retraining(tmp_path: Path) -> None:
    store = tmp_path / "store"
    first = subprocess.Popen([LAPT, "demo", "--store", str(store)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 400  # 20 s, and the first start of Prefect on a machine that is slow and busy
    while len(keys(store)) < 10 and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.5)
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=60)
    assert first.returncode == 130, err.decode()
    paid = keys(store)
    assert 10 <= len(paid) < 100

    done = subprocess.run(
        [LAPT, "demo", "--json", "--store", str(store)], capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    every = keys(store)
    assert len(every) == len(set(every))  # nothing was trained twice
    assert set(paid) <= set(every)
    assert "adapting to autoencoding" in done.stderr

    for target in result["targets"]:
        assert [control["method"] for control in target["controls"]] == ["random", "source_ranking"]
        for found in (target, *target["controls"]):
            assert found["evaluations"] == 20
            assert found["test"] > 0
    counted = query(Store(store), "SELECT task, split, count(*) AS n FROM scores GROUP BY ALL").to_pylist()
    counts = {(row["task"], row["split"]): row["n"] for row in counted}
    assert ("jigsaw", "validation") not in counts  # its scores are in the table that comes with the package
    assert 20 <= counts["classification", "validation"] <= 60  # what several asked for was trained once
    page = (store / "reports" / f"{result['run_id']}.md").read_text()
    assert "Principles learned from digits jigsaw" in page
    assert "1: " in page  # what each iteration did
    assert all(target["architecture"] in page for target in result["targets"])
