"""kill -9 in the training of a supernet, alone and in a run; the same command goes on to the same result."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import shared_server

from storage.sql.query import query
from storage.store import Store

pytestmark = pytest.mark.integration

TRAINS = """
import hashlib, sys
import torch
from lapt.spaces import BUILTIN
from lapt.training import Recipe
from lapt.data.images import split
from lapt.data.sources import load_images
from lapt.training.supernet import TrainedSupernet
from lapt.training.tasks import make_task
from storage.runs.checkpoints import StoredCheckpoint
from storage.store import Store

data = split(load_images("digits").train, 0.25, 0)
space = BUILTIN["darts"].restrict(operators={"normal.2a": ["sep_conv_3x3", "skip_connect"]})
made = TrainedSupernet(space, make_task("classification", data[0]), Recipe(epochs=5), seed=0, channels=4, cells=1)
checkpoint = StoredCheckpoint(Store(sys.argv[1]), "supernet")
found = made.train(*data, device="cpu", on_epoch=lambda n, loss: print("epoch", n, flush=True), checkpoint=checkpoint)
weights = b"".join(v.numpy().tobytes() for v in made.network.state_dict().values() if isinstance(v, torch.Tensor))
print(found.losses, found.value, hashlib.sha256(weights).hexdigest())
"""


def command(store: Path) -> list[str]:
    return [sys.executable, "-c", TRAINS, str(store)]


def test_a_killed_supernet_goes_on_from_the_last_epoch_to_the_same_result(tmp_path: Path) -> None:
    whole = subprocess.run(command(tmp_path / "one"), capture_output=True, text=True, timeout=300, check=True).stdout
    assert whole.splitlines()[:5] == [f"epoch {n}" for n in range(1, 6)]
    store = tmp_path / "other"
    killed = subprocess.Popen(command(store), stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    for line in killed.stdout:
        if line.strip() == "epoch 2":
            time.sleep(0.1)  # somewhere in the third
            os.kill(killed.pid, signal.SIGKILL)
            break
    assert killed.wait(60) == -signal.SIGKILL
    again = subprocess.run(command(store), capture_output=True, text=True, timeout=300, check=True).stdout
    done = [line for line in again.splitlines() if line.startswith("epoch")]
    assert len(done) < 4
    assert done[-1] == "epoch 5"
    assert again.splitlines()[-1] == whole.splitlines()[-1]


SHARED = """
name: shared
space: darts
evaluator:
  kind: supernet
  data: {easy: digits, hard: digits_hard}
  channels: 2
  cells: 1
  training_images: 200
  calibration_images: 32
  recipe: {epochs: 6, batch_size: 50}
  final: {channels: 2, cells: 1, recipe: {epochs: 2, auxiliary: 0.4, drop_path: 0.1}}
source: {task: hard, archive: {strategy: random, samples: 16, size: 8}}
targets: [easy]
reasoner: {kind: patterns, breadth: 1.0e-6, growth: 3}
adaptation: {iterations: 2, top_r: 4}
search: {method: rea, population_size: 4, generations: 1, tournament_size: 2, mutation_probability: 0.5}
seed: 0
"""


def run_of(declared: Path, store: Path) -> list[str]:
    return [
        str(Path(sys.executable).with_name("lapt")),
        "run",
        str(declared),
        "--store",
        str(store),
        "--processes",
        "1",
        "--json",
    ]


def test_a_run_that_was_killed_in_a_supernets_training_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    declared = tmp_path / "shared.yaml"
    declared.write_text(SHARED)
    environment = shared_server.environment()
    one = subprocess.run(
        run_of(declared, tmp_path / "one"), capture_output=True, text=True, env=environment, timeout=500, check=True
    )
    store = Store(tmp_path / "other")
    killed = subprocess.Popen(
        run_of(declared, tmp_path / "other"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    deadline = time.monotonic() + 300
    while not (store.files.names("supernets_by_key") and store.files.names("checkpoints")):  # in the second supernet
        assert time.monotonic() < deadline
        assert killed.poll() is None
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait(60)
    again = subprocess.run(
        run_of(declared, tmp_path / "other"), capture_output=True, text=True, env=environment, timeout=500, check=True
    )
    results = [json.loads(done.stdout) for done in (one, again)]
    found, resumed = (result["targets"][0] for result in results)
    same = ("architecture", "validation", "test", "evaluations", "space_size")
    assert {key: found[key] for key in same} == {key: resumed[key] for key in same}
    assert found["final"]["parameters"] > 0
    assert found["device_seconds"] > 0

    supernets = query(store, "SELECT task, iteration, fingerprint, epochs FROM supernets ORDER BY task, iteration")
    rows = supernets.to_pylist()
    assert [(row["task"], row["iteration"], row["epochs"]) for row in rows] == [
        ("easy", 1, 6), ("easy", 2, 6), ("hard", 0, 6),
    ]  # fmt: skip
    assert len({row["fingerprint"] for row in rows}) == 3
    trials = query(
        store, "SELECT iteration, architecture, fingerprint FROM trials WHERE task = 'easy' ORDER BY ordinal"
    )
    of = {g: [row for row in trials.to_pylist() if row["iteration"] == g] for g in (1, 2)}
    assert {row["fingerprint"] for row in of[2]} == {rows[1]["fingerprint"]}
    again_scored = {row["architecture"] for row in of[1]} & {row["architecture"] for row in of[2]}
    assert len(of[1]) == 8
    assert len(of[2]) == 4 + len(again_scored)  # those of the best four that the new space has, then its own search
    assert found["evaluations"] == len(of[1]) + len(of[2])
