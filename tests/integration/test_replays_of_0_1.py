"""Runs of the first version, typed again today: the same ids and results, nothing computed and nothing asked anew."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import shared_server
import yaml

from storage.runs.record import finished_run
from storage.sql.query import query
from storage.store import Store

pytestmark = pytest.mark.integration

HELD = Path(__file__).parents[1] / "storage" / "store_of_0_1.zip"
STAYS = ("scores", "trials", "subspaces", "supernets")
STATED = "SELECT principles_id, reasoner, task, iteration, step, statements FROM principles ORDER BY ALL"


def comparable(result: dict[str, Any]) -> dict[str, Any]:
    """Without wall time, what was paid now, and keys that the first version did not have."""
    kept = {"task", "method", "architecture", "validation", "test", "evaluations", "repeats", "space_size", "final"}
    found = [[target, *target["controls"]] for target in result["targets"]]
    targets = [[{k: v for k, v in one.items() if k in kept} for one in ones] for ones in found]
    for one in (one for ones in targets for one in ones if one.get("final")):
        one["final"] = {k: v for k, v in one["final"].items() if k != "tested_on"}
    return {"run_id": result["run_id"], "targets": targets}


def test_runs_of_the_first_version_are_replayed(tmp_path: Path) -> None:
    with zipfile.ZipFile(HELD) as held:
        held.extractall(tmp_path)
    store = Store(tmp_path / "store")
    before = {name: query(store, f"SELECT * FROM {name} ORDER BY ALL") for name in STAYS}
    stated = query(store, STATED).to_pylist()
    for run in ("digits_table", "invented", "tiny", "tiny_supernet"):
        first = json.loads((tmp_path / f"{run}.json").read_text())
        pipeline, _ = finished_run(store, first["run_id"])
        (tmp_path / f"{run}.yaml").write_text(yaml.safe_dump(pipeline.model_dump(mode="json")))
        command = [str(Path(sys.executable).with_name("lapt")), "run", f"{run}.yaml", "--json", "--replay"]
        done = subprocess.run(
            [*command, "--store", store.address],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            cwd=tmp_path,
            env=shared_server.environment(),
        )
        assert done.returncode == 0, done.stderr
        again = json.loads(done.stdout)
        assert comparable(again) == comparable(first)
        assert {one["paid_now"] for target in again["targets"] for one in (target, *target["controls"])} == {0}
    assert {name: query(store, f"SELECT * FROM {name} ORDER BY ALL") for name in STAYS} == before
    now = query(store, STATED).to_pylist()
    assert all(row in now for row in stated)
    # Since then patterns says what it learned in other words; what it searches is the same.
    assert {row["reasoner"] for row in now if row not in stated} <= {"patterns"}
    origins = store.read("reasoner_calls", ["origin"]).column(0).to_pylist()
    assert (origins.count("model"), origins.count("store")) == (10, 10)
    assert len(list((tmp_path / "store" / "blobs").iterdir())) == 5
