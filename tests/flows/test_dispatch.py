"""Dispatch to workers: the work sent, and a worker's part."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from prefect.client.schemas.objects import StateType
from prefect.logging import disable_run_logger

from flows.batches import evaluate_batch_here
from flows.deployments.deploying import ZOMBIE_SECONDS
from flows.evaluators import stored_evaluator
from flows.server.settings import apply_environment
from flows.workers.batch import Batch
from flows.workers.pools import REFUSED
from flows.workers.processes import cores_of, visible_devices, worker_environment
from lapt import __version__
from lapt.errors import ConfigError
from lapt.pipeline.config import Execution, load_pipeline
from lapt.spaces import space_named
from storage.store import Store

SPACE = space_named("nas201")
CELLS = [SPACE.encode(cell) for cell, _ in zip(SPACE.members(), range(4), strict=False)]
PIPELINE = load_pipeline("invented", ["evaluator.seconds=0.001"])


def test_cuda_visible_devices_is_respected() -> None:
    assert visible_devices({"CUDA_VISIBLE_DEVICES": "2,3"}) == ["2", "3"]
    assert visible_devices({"CUDA_VISIBLE_DEVICES": ""}) == [None]
    mine = worker_environment("3", "/store", {"CUDA_VISIBLE_DEVICES": "2,3", "PREFECT_WORKER_QUERY_SECONDS": "7"})
    assert (mine["CUDA_VISIBLE_DEVICES"], mine["PREFECT_WORKER_QUERY_SECONDS"]) == ("3", "7")
    assert mine["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    assert "CUDA_VISIBLE_DEVICES" not in worker_environment(None, "/store", {})


@pytest.mark.parametrize("cores", [1, 2, 5, 8])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_workers_without_a_gpu_share_the_cores(cores: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = set(range(3, 3 + cores))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: mine)
    shares = [cores_of(number, count) for number in range(count)]
    assert all(shares)
    assert set().union(*shares) == mine
    assert sum(map(len, shares)) == max(cores, count)  # no core has two workers while another has none


def test_every_process_says_that_it_lives_before_the_watch_takes_it_for_lost() -> None:
    command_line: dict[str, str] = {}
    apply_environment(command_line)
    for environment in (command_line, worker_environment(None, "/store", {})):
        assert 2 * int(environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]) < ZOMBIE_SECONDS


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


def refusal(store: Store, digest: str) -> str:
    """A worker's message if it does not evaluate."""
    with disable_run_logger():
        state = evaluate_batch_here.fn(store.address, digest, "label")
    assert state is not None
    assert (state.name, state.type) == (REFUSED, StateType.FAILED)
    assert store.read("scores").num_rows == 0
    return str(state.message)


def test_a_worker_with_other_data_refuses(tmp_path: Path) -> None:
    store = Store(tmp_path)
    batch = Batch(pipeline=PIPELINE, task="invented_a", architectures=tuple(CELLS), fingerprint="table:of:another")
    assert re.search("others on this worker.*LAPT_DATA", refusal(store, batch.kept(store)))


def changed(batch: Batch, **keys: str | None) -> bytes:
    said = json.loads(batch.model_dump_json()) | keys
    return json.dumps({key: value for key, value in said.items() if value is not None}).encode()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"version": "7.0.0"}, f"driver 7.0.0, worker {__version__}; install the same version on both"),
        ({"version": "7.0.0", "pipeline": "of another shape"}, f"driver 7.0.0, worker {__version__};"),
        ({"version": None}, f"driver before 0.2, worker {__version__};"),
        ({"priority": "high"}, "priority; remove or rename it"),
        ({"pipeline": "none"}, "pipeline"),
    ],
)
def test_a_worker_refuses_what_another_version_wrote_before_any_work(
    tmp_path: Path, keys: dict[str, str | None], said: str
) -> None:
    store = Store(tmp_path)
    batch = Batch(pipeline=PIPELINE, task="invented_a", architectures=tuple(CELLS))
    assert said in refusal(store, store.put_blob(changed(batch, **keys)))


def test_a_worker_refuses_what_it_has_no_data_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPT_DATA", str(tmp_path / "none"))
    store = Store(tmp_path / "store")
    pipeline = load_pipeline("nas201", ["evaluator.seconds=0.001"])
    batch = Batch(pipeline=pipeline, task="cifar10", architectures=tuple(CELLS))
    assert "nasbench201" in refusal(store, batch.kept(store))


def test_look_ups_are_no_work_for_others(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="an evaluator that trains, for workers; got table"):
        stored_evaluator(load_pipeline("invented"), Execution(store=str(tmp_path)), "invented_a")


def test_without_a_server_there_are_no_workers(tmp_path: Path) -> None:
    from flows.build import build

    assert "PREFECT_API_URL" not in os.environ
    with pytest.raises(ConfigError, match="a Prefect server that knows workers of the pool gpu"):
        build(PIPELINE, Execution(store=str(tmp_path), dispatch="deployment"))
