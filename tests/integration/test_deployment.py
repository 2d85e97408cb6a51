"""prefect.yaml against a real server: the deployment exists, a worker runs it, its subflows read like Figure 1."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from lapt.testing import invented_table
from storage.sql import query
from storage.store import Store

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
WHOLE = "invented: invented_source to invented_a, invented_b in nas201, seed 0"
PREFECT = Path(sys.executable).with_name("prefect")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """A full Prefect server of its own, and the environment that points at it."""
    home = tmp_path_factory.mktemp("prefect")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "LAPT_"))}
    port = free_port()
    environment = {
        **clean,
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PATH": f"{PREFECT.parent}:{clean['PATH']}",
    }
    with open(home / "server.log", "w") as log:
        process = subprocess.Popen(
            [str(PREFECT), "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            env=environment, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            await_health(environment["PREFECT_API_URL"], home / "server.log")
            yield environment["PREFECT_API_URL"], environment
        finally:
            process.terminate()
            process.wait(timeout=30)


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_health(url: str, log: Path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.3)
    raise AssertionError(log.read_text()[-2000:])


def prefect(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [str(PREFECT), "--no-prompt", *arguments],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(url: str, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.post(f"{url}/{path}/filter", json=body, timeout=30).raise_for_status().json()
    return found


def test_the_declared_deployment_runs_on_a_worker(server: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    url, environment = server
    for pool in ("cpu", "gpu"):
        prefect(environment, "work-pool", "create", pool, "--type", "process")
    prefect(environment, "deploy", "--all")
    deployed = {(one["name"], one["work_pool_name"]): one for one in rows(url, "deployments", {})}
    assert set(deployed) == {
        ("pipeline", "cpu"), ("final-training", "cpu"), ("nightly", "cpu"), ("announced", "cpu"),
        ("cpu", "cpu"), ("gpu", "gpu"),
    }  # fmt: skip
    deployment = deployed["pipeline", "cpu"]
    assert [schedule["active"] for schedule in deployment["schedules"]] == [False]
    (automation,) = rows(url, "automations", {})
    assert automation["trigger"]["expect"] == ["lapt.benchmark.imported"]

    store = tmp_path / "store"
    declared = (ROOT / "lapt" / "presets" / "invented.yaml").read_text()

    parameters = {"pipeline": yaml.safe_load(declared), "execution": {"store": str(store)}}
    prefect(environment, "deployment", "run", "lapt/pipeline", "--params", json.dumps(parameters))
    prefect(environment, "worker", "start", "--pool", "cpu", "--type", "process", "--run-once")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        runs = rows(url, "flow_runs", {"sort": "START_TIME_DESC"})
        if any(run["name"] == WHOLE and run["state_type"] == "COMPLETED" for run in runs):
            break
        assert not any(run["state_type"] in ("FAILED", "CRASHED") for run in runs), runs
        time.sleep(1)
    names = {run["name"]: run for run in rows(url, "flow_runs", {})}
    assert set(names) == {
        WHOLE,
        "nas201: archive from invented_source",
        "nas201: adapt to invented_a",
        "nas201: adapt to invented_b",
    }
    assert all(run["state_type"] == "COMPLETED" for run in names.values())

    steps = [
        task["name"]
        for task in rows(
            url,
            "task_runs",
            {
                "flow_runs": {"id": {"any_": [names["nas201: adapt to invented_a"]["id"]]}},
                "sort": "EXPECTED_START_TIME_ASC",
            },
        )
    ]
    assert [step.split(":")[1].split()[0] for step in steps] == [
        "refine", "evaluate", "evaluate", "adapt", "refine", "evaluate", "adapt", "refine", "evaluate", "adapt",
    ]  # fmt: skip
    assert {"space:nas201", "target:invented_a"} <= set(names["nas201: adapt to invented_a"]["tags"])

    artifacts = {artifact["key"]: artifact for artifact in rows(url, "artifacts", {"sort": "UPDATED_DESC"})[::-1]}
    kinds = {key: artifact["type"] for key, artifact in artifacts.items()}
    assert kinds["invented-invented-a-leaderboard"] == "table"
    board = json.loads(artifacts["invented-invented-a-leaderboard"]["data"])
    values = [row["invented score"] for row in board]
    assert values == sorted(values, reverse=True)
    assert board[0]["architecture"].startswith("`|")
    assert kinds["invented-invented-a-progress"] == "progress"
    assert artifacts["invented-invented-a-progress"]["data"] == 100.0
    assert artifacts["invented-invented-a-progress"]["description"].startswith(
        "20 of 20 evaluations on invented_a, best"
    )
    assert kinds["invented-invented-a-cell"] == "image"
    kind, _, picture = artifacts["invented-invented-a-cell"]["data"].partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(picture).startswith(b"\x89PNG")
    assert kinds["invented-invented-a-principles"] == "markdown"
    assert (
        kinds["invented-invented-a-space"]
        == kinds["invented-targets"]
        == kinds["invented-invented-source-archive"]
        == "table"
    )

    runs = query(Store(store), "SELECT event, prefect_run_id FROM runs ORDER BY created_at").to_pylist()
    assert [row["event"] for row in runs] == ["started", "finished"]
    assert runs[0]["prefect_run_id"] == names[WHOLE]["id"]


def test_an_imported_benchmark_starts_the_deployment(server: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    """Behind the test above, which made the deployment; no worker runs what is scheduled here."""
    url, environment = server
    table = invented_table()
    columns = {"cell": list(table.architectures), "score": table.column("invented_a")}
    pq.write_table(pa.table(columns), tmp_path / "mine.parquet")
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nspace: nas201\narchitecture: cell\ntasks: {a: {validation: score, metric: score}}\n"
    )
    before = {run["id"] for run in rows(url, "flow_runs", {})}
    lapt = Path(sys.executable).with_name("lapt")
    done = subprocess.run(
        [str(lapt), "benchmark", "import", "table", str(tmp_path / "mine.parquet"),
         "--declare", str(tmp_path / "mine.yaml")],
        env={**environment, "LAPT_DATA": str(tmp_path / "data")},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 60
    started: list[dict[str, Any]] = []
    while not started and time.monotonic() < deadline:
        started = [run for run in rows(url, "flow_runs", {}) if run["id"] not in before]
        time.sleep(0.5)
    assert [run["state_type"] for run in started] == ["SCHEDULED"]
    assert started[0]["parameters"]["pipeline"]["name"] == "nas201"


def test_the_command_line_uses_a_server_that_is_configured(server: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    url, environment = server
    lapt = Path(sys.executable).with_name("lapt")
    before = len(rows(url, "flow_runs", {}))
    done = subprocess.run(
        [str(lapt), "run", "invented", "--store", str(tmp_path / "store")],
        env=environment, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(rows(url, "flow_runs", {})) == before + 4
    assert not (tmp_path / "store" / "prefect").exists()
