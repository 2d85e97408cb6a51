"""Disks that fill up, a store that goes away, a worker that stands still: a run on workers ends as an undisturbed one,
and supernets are a worker's to train."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from cluster import Cluster, cluster
from rehearsal import declared, engines, found, paid

from flows.workers.batch import Batch
from storage.sql.query import query
from storage.store import Store

T = TypeVar("T")

pytestmark = pytest.mark.integration

SAMPLES, SECONDS = 16, 0.5


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """With two workers."""
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        assert made.lapt("deploy").returncode == 0
        made.start_worker("cpu", 2)
        made.await_workers("cpu", 2)
        yield made


@pytest.fixture(scope="module")
def undisturbed(machines: Cluster) -> dict[str, object]:
    calm = declared(machines, "calm", 0.001, SAMPLES)
    return found(machines.lapt("run", calm, "--store", str(machines.home / "calm"), "--json"))


def batches(machines: Cluster, store: Path) -> list[dict[str, Any]]:
    """Flow runs that a store was handed to."""
    return [run for run in machines.runs() if run["parameters"].get("store") == str(store)]


class Drill:
    """A run on the workers in a store of its own."""

    def __init__(self, machines: Cluster, store: Path) -> None:
        self.machines, self.store = machines, store
        pipeline = declared(machines, "drilled", SECONDS, SAMPLES)
        self.arguments = ("run", pipeline, "--pool", "cpu", "--store", str(store), "--json")
        self.driver = machines.start_lapt(*self.arguments)
        self.seen: dict[int, int] = {}

    def until(self, asked: Callable[[], T], pause: float = 0.2) -> T:
        """The first answer that is true."""
        deadline = time.monotonic() + 120
        while not (answer := asked()):
            assert time.monotonic() < deadline
            assert self.driver.poll() is None, self.driver.communicate()
            time.sleep(pause)
        return answer

    def under_way(self) -> bool:
        """Some scores are stored, others on their way."""
        return len(self.scores()) >= 2 and bool(engines(self.machines))

    def scores(self) -> list[Path]:
        return list(self.store.glob("scores/[!.]*"))

    def failures(self) -> list[str]:
        """The messages of failed batches."""
        return [run["state"]["message"] for run in batches(self.machines, self.store) if run["state_type"] == "FAILED"]

    def progress(self, engine: psutil.Process) -> tuple[int, int]:
        """(scores stored, scores asked) of the batch that this process of a flow run computes; zeros if it is of the
        drill before."""
        mine = engine.environ()["PREFECT__FLOW_RUN_ID"]
        digests = [run["parameters"]["batch"] for run in batches(self.machines, self.store) if run["id"] == mine]
        if not digests:
            return 0, 0
        asked = set(Batch.read(Store(self.store), digests[0]).architectures)
        stored = set(Store(self.store).read("scores", ["identity"]).column(0).to_pylist())
        return len(asked & stored), len(asked)

    def has_just_stored(self) -> psutil.Process | None:
        """A process that stored a score since the last call, and now computes the next one of its batch."""
        for engine in engines(self.machines):
            done, asked = self.progress(engine)
            before, self.seen[engine.pid] = self.seen.get(engine.pid, done), done
            if before < done < asked:
                return engine
        return None

    def ended(self) -> tuple[dict[str, object], str]:
        """(what was found, what the driver said). Once each, and all of it, was paid for and recorded."""
        out, errors = self.driver.communicate(timeout=300)
        result = found(subprocess.CompletedProcess((), self.driver.returncode, out, errors))
        assert set(paid(self.store)) == {1}
        (trials,) = query(Store(self.store), "SELECT count(*) AS n FROM trials").to_pylist()
        assert trials["n"] == SAMPLES + int(str(result["evaluations"]))
        return result, errors


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk of 16 megabytes: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """A file that takes all the room there is."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):  # that there is no room
        while True:
            file.write(bytes(4096))
    return ballast


def test_a_disk_that_was_full_for_a_while_changes_nothing(machines: Cluster, undisturbed: dict[str, object]) -> None:
    disk = machines.home / "disk"
    with small_disk(disk):
        drill = Drill(machines, disk / "store")
        drill.until(drill.under_way)
        ballast = fill(disk)
        drill.until(drill.failures)
        time.sleep(5)
        assert all("No space left on device; free space there" in said for said in drill.failures())
        assert len(drill.failures()) <= 2  # of the two batches: nobody tries again in vain
        ballast.unlink()
        result, said = drill.ended()
        assert result == undisturbed
        assert "waiting for the store" in said


def test_a_store_that_was_gone_for_a_while_changes_nothing(machines: Cluster, undisturbed: dict[str, object]) -> None:
    store, away = machines.home / "store", machines.home / "away"
    drill = Drill(machines, store)
    drill.until(drill.under_way)
    os.rename(store, away)
    drill.until(drill.failures)
    time.sleep(5)
    assert not store.exists()  # a second one in its place would hold what the first then lacks
    assert len(drill.failures()) <= 2
    os.rename(away, store)
    result, said = drill.ended()
    assert result == undisturbed
    assert "waiting for the store" in said


SUPERNETS = """
name: supernets
space: nas201
evaluator:
  kind: supernet
  data: {easy: digits, hard: digits_hard}
  channels: 2
  cells: 1
  training_images: 200
  calibration_images: 64
  recipe: {epochs: 2, batch_size: 50}
  final: {channels: 2, cells: 1, recipe: {epochs: 1}}
source: {task: hard, archive: {strategy: random, samples: 8, size: 4}}
targets: [easy]
reasoner: {kind: patterns, breadth: 0.001, growth: 3}
adaptation: {iterations: 2, top_r: 1}
search: {method: random, population_size: 1, generations: 1, ask_size: 2}
controls: [plain_cnn]
seed: 0
"""


def test_supernets_their_scores_and_final_trainings_are_the_workers(machines: Cluster) -> None:
    """As in one process: the same weights, the same scores, the same network."""
    pipeline = machines.home / "supernets.yaml"
    pipeline.write_text(SUPERNETS)
    stores = [machines.home / "supernets_here", machines.home / "supernets_there"]
    here = machines.start_lapt("run", str(pipeline), "--store", str(stores[0]), "--json")
    there = machines.lapt("run", str(pipeline), "--pool", "cpu", "--store", str(stores[1]), "--json", timeout=900)
    out, errors = here.communicate(timeout=300)
    assert found(there) == found(subprocess.CompletedProcess((), here.returncode, out, errors))
    targets = [json.loads(said)["targets"][0] for said in (out, there.stdout)]
    assert targets[1]["final"]["parameters"] > 0
    hand_made = [(target["controls"][0]["method"], target["controls"][0]["test"]) for target in targets]
    assert hand_made[0] == hand_made[1]
    assert hand_made[0][1] is not None
    sql = "SELECT task, iteration, fingerprint FROM supernets ORDER BY task, iteration"
    mine, theirs = (query(Store(store), sql).to_pylist() for store in stores)
    assert [(row["task"], row["iteration"]) for row in theirs] == [("easy", 1), ("easy", 2), ("hard", 0)]
    assert mine == theirs
    assert len(Store(stores[1]).files.names("supernets_by_key")) == 3  # and none that nobody scores with
    assert set(paid(stores[1])) == {1}
    names = [run["name"] for run in batches(machines, stores[1])]
    assert names.count("easy: supernet") == 2
    assert names.count("hard: supernet") == 1
    assert names.count("easy: final training") == 2  # of what was found, and of the control


def test_a_worker_that_stood_still_stores_nothing_again(machines: Cluster, undisturbed: dict[str, object]) -> None:
    drill = Drill(machines, machines.home / "slow")
    engine = drill.until(drill.has_just_stored, pause=0.02)  # else it may be about to store the next
    assert engine is not None
    stopped = [engine, *engine.parents()[:2]]  # the flow run, Prefect's worker, LAPT's
    assert stopped[-1].pid in {worker.pid for worker in machines.workers}
    for process in stopped:
        process.suspend()
    result, _ = drill.ended()
    assert result == undisturbed
    count = len(drill.scores())
    for process in stopped:
        process.resume()
    deadline = time.monotonic() + 60
    while engine.is_running():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert len(drill.scores()) == count
    replay = machines.lapt(*drill.arguments)
    assert found(replay) == undisturbed
    assert json.loads(replay.stdout)["targets"][0]["paid_now"] == 0
