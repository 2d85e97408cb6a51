"""kill -9 in the training of a supernet; the same command goes on from the last epoch to the same result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

TRAINS = """
import hashlib, sys
import torch
from lapt.spaces import BUILTIN
from lapt.training import Recipe
from lapt.training.data import split
from lapt.training.sources import load_images
from lapt.training.supernet import TrainedSupernet
from lapt.training.tasks import make_task
from storage.checkpoints import StoredCheckpoint
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
