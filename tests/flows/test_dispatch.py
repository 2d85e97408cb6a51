"""What goes to workers, and what a worker does with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from flows.batches import Batch, evaluate_batch_here
from flows.dispatch import batch_size
from flows.evaluators import stored_evaluator
from flows.workers import visible_devices, worker_environment
from lapt.config import Execution, load_pipeline
from lapt.errors import ConfigError, LaptError
from lapt.spaces import space_named
from storage.store import Store

SPACE = space_named("nas201")
CELLS = [SPACE.encode(cell) for cell, _ in zip(SPACE.members(), range(4), strict=False)]
PIPELINE = load_pipeline("invented", ["evaluator.seconds=0.001"])


@pytest.mark.parametrize(
    ("todo", "workers", "cost", "size"),
    [
        (40, 2, None, 20),  # a share each, while nobody knows what one costs
        (200, 2, None, 32),
        (40, 1, 2.0, 30),  # a minute's work
        (40, 2, 2.0, 20),  # less, before a worker idles
        (5, 8, 600.0, 1),
        (100, 1, 0.0, 100),
    ],
)
def test_a_batch_is_a_minutes_work_or_a_share(todo: int, workers: int, cost: float | None, size: int) -> None:
    assert batch_size(todo, workers, cost) == size
    assert batch_size(todo, workers, cost, struck=True) == 1


def test_cuda_visible_devices_is_respected() -> None:
    assert visible_devices({"CUDA_VISIBLE_DEVICES": "2,3"}) == ["2", "3"]
    assert visible_devices({"CUDA_VISIBLE_DEVICES": ""}) == [None]
    mine = worker_environment("3", "/store", {"CUDA_VISIBLE_DEVICES": "2,3", "PREFECT_WORKER_QUERY_SECONDS": "7"})
    assert (mine["CUDA_VISIBLE_DEVICES"], mine["PREFECT_WORKER_QUERY_SECONDS"]) == ("3", "7")
    assert mine["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    assert "CUDA_VISIBLE_DEVICES" not in worker_environment(None, "/store", {})


def test_a_worker_evaluates_what_the_store_lacks_and_returns_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    here = stored_evaluator(PIPELINE, Execution(store=store.address), "invented_a")
    batch = Batch(pipeline=PIPELINE, task="invented_a", architectures=tuple(CELLS), fingerprint=here.fingerprint)
    assert here.evaluate([SPACE.decode(CELLS[0])])[0].origin == "computed"
    with disable_run_logger():
        assert evaluate_batch_here.fn(store.address, batch.kept(store), "label") is None
    rows = Store(tmp_path).read("scores").to_pylist()
    assert sorted(row["identity"] for row in rows) == sorted(CELLS)  # the first was not evaluated again
    assert Batch.read(store, batch.kept(store)) == batch


def test_a_worker_with_other_data_refuses(tmp_path: Path) -> None:
    store = Store(tmp_path)
    batch = Batch(pipeline=PIPELINE, task="invented_a", architectures=tuple(CELLS), fingerprint="table:of:another")
    with disable_run_logger(), pytest.raises(LaptError, match=r"others on this worker.*LAPT_DATA"):
        evaluate_batch_here.fn(store.address, batch.kept(store), "label")
    assert store.read("scores").num_rows == 0


def test_look_ups_are_no_work_for_others(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="an evaluator whose scores are work; got table"):
        stored_evaluator(load_pipeline("invented"), Execution(store=str(tmp_path)), "invented_a")


def test_without_a_server_there_are_no_workers(tmp_path: Path) -> None:
    from flows.build import build

    assert "PREFECT_API_URL" not in os.environ
    with pytest.raises(ConfigError, match="a Prefect server that knows workers of the pool gpu"):
        build(PIPELINE, Execution(store=str(tmp_path), dispatch="deployment"))
