"""prefect.yaml against a real server: by Prefect's own command from a checkout, and by ``lapt deploy``. A worker runs
every deployment, subflows read like Figure 1, and a run brings no code of its own."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from cluster import BIN, ROOT, Cluster, cluster

from flows.deployments.deploying import POOLS
from flows.workers.batch import Batch
from lapt.pipeline.config import load_pipeline
from lapt.testing import invented_table
from storage.sql.query import query
from storage.store import Store

pytestmark = pytest.mark.integration

WHOLE = "invented: invented_source to invented_a, invented_b in nas201, seed 0"
PASSWORD = "lapt:a word"
READS = re.compile(r"^POST /api/[a-z_/{}]+/(filter|count|paginate|history|lateness)$")


def blocks(language: str) -> list[str]:
    """The code blocks of that language in the pages of docs/."""
    pages = "".join(page.read_text() for page in sorted((ROOT / "docs").glob("*.md")))
    return re.findall(rf"```{language}\n(.*?)```", pages, re.DOTALL)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server that asks for a password. Its workers may use the store in its folder, and run no builders."""
    home = tmp_path_factory.mktemp("deployed")
    with cluster(
        home,
        PREFECT_SERVER_API_AUTH_STRING=PASSWORD,
        PREFECT_API_AUTH_STRING=PASSWORD,
        LAPT_STORE=str(home / "store"),
        LAPT_ALLOW_STORES="",
    ) as made:
        yield made


def prefect(machines: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "prefect"), "--no-prompt", *arguments],
        env=machines.environment, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip


def worked(machines: Cluster, pool: str, *, runs: int) -> dict[str, dict[str, Any]]:
    """The flow runs of the server by name, once a worker has ended so many of those of a pool."""
    done = prefect(machines, "worker", "start", "--pool", pool, "--type", "process", "--run-once")
    assert done.returncode == 0, done.stdout + done.stderr
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = machines.rows("flow_runs", work_pools={"name": {"any_": [pool]}}, sort="START_TIME_ASC")
        if sum(run["end_time"] is not None for run in found) == runs:
            return {run["name"]: run for run in machines.rows("flow_runs")}
        time.sleep(0.5)
    raise AssertionError([(run["name"], run["state"]) for run in machines.runs()])


def by_hand(machines: Cluster, deployed: str, **said: Any) -> str:
    """A run by the route that checks no job variables; its id."""
    deployment = next(one for one in machines.rows("deployments") if one["name"] == deployed)
    body = {
        "flow_id": deployment["flow_id"], "deployment_id": deployment["id"],
        "work_pool_name": deployment["work_pool_name"], "state": {"type": "SCHEDULED"}, **said,
    }  # fmt: skip
    return str(machines.post("flow_runs/", body).raise_for_status().json()["id"])


def payload(folder: Path) -> dict[str, Any]:
    """Job variables that leave a file behind where a worker lets them."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"open({str(folder / 'by_environment')!r}, 'w')")
    return {"command": f"touch {folder / 'by_command'}", "env": {"PYTHONPATH": str(folder)}}


def test_the_declared_deployment_runs_on_a_worker(machines: Cluster, tmp_path: Path) -> None:
    """By Prefect's own commands. Its own pools let a run bring a command: so the next test can fail."""
    for pool in POOLS:
        assert prefect(machines, "work-pool", "create", pool, "--type", "process").returncode == 0
    done = prefect(machines, "deploy", "--all")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {(one["name"], one["work_pool_name"]) for one in machines.rows("deployments")} == {
        *((name, "drivers") for name in ("pipeline", "final-training", "nightly", "announced")),
        ("cpu", "cpu"), ("gpu", "gpu"),
    }  # fmt: skip
    assert {one["name"]: one["trigger"]["expect"] for one in machines.rows("automations")} == {
        "run-when-a-benchmark-is-imported": ["lapt.benchmark.imported"],
        "lapt: announced data": ["lapt.data.announced"],
    }

    store = machines.home / "store"
    declared = (ROOT / "lapt" / "presets" / "invented.yaml").read_text()
    parameters = {"pipeline": yaml.safe_load(declared), "execution": {"store": str(store)}}
    done = prefect(machines, "deployment", "run", "lapt/pipeline", "--params", json.dumps(parameters))
    assert done.returncode == 0, done.stdout + done.stderr
    theirs = payload(tmp_path / "theirs")
    by_hand(machines, "pipeline", name="with a command", job_variables=theirs)
    names = worked(machines, "drivers", runs=1)
    assert (tmp_path / "theirs" / "by_command").exists()
    del names["with a command"]
    assert set(names) == {
        WHOLE,
        "nas201: archive from invented_source",
        "nas201: adapt to invented_a",
        "nas201: adapt to invented_b",
    }
    assert all(run["state_type"] == "COMPLETED" for run in names.values())

    steps = [
        task["name"]
        for task in machines.rows(
            "task_runs",
            flow_runs={"id": {"any_": [names["nas201: adapt to invented_a"]["id"]]}},
            sort="EXPECTED_START_TIME_ASC",
        )
    ]
    assert [step.split(":")[1].split()[0] for step in steps] == [
        "refine", "evaluate", "evaluate", "adapt", "refine", "evaluate", "adapt", "refine", "evaluate", "adapt",
    ]  # fmt: skip
    assert {"space:nas201", "target:invented_a"} <= set(names["nas201: adapt to invented_a"]["tags"])

    artifacts = {artifact["key"]: artifact for artifact in machines.rows("artifacts", sort="UPDATED_DESC")[::-1]}
    kinds = {key: artifact["type"] for key, artifact in artifacts.items()}
    assert kinds["invented-invented-a-leaderboard"] == "table"
    board = json.loads(artifacts["invented-invented-a-leaderboard"]["data"])
    values = [float(row["invented score"]) for row in board]
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


def test_lapt_deploy_makes_the_same_and_closes_its_pools(machines: Cluster, tmp_path: Path) -> None:
    before = {one["name"]: one for one in machines.rows("deployments")}
    started = {one["name"]: one["trigger"]["expect"] for one in machines.rows("automations")}
    switched_on = before["nightly"]["schedules"][0]
    httpx.patch(
        f"{machines.api}/deployments/{before['nightly']['id']}/schedules/{switched_on['id']}",
        json={"active": True}, auth=tuple(PASSWORD.split(":")),
    ).raise_for_status()  # fmt: skip
    done = machines.lapt("deploy")
    assert done.returncode == 0, done.stderr
    assert "work pool gpu: its base job template is replaced" in done.stdout
    after = {one["name"]: one for one in machines.rows("deployments")}
    assert {one["name"]: one["trigger"]["expect"] for one in machines.rows("automations")} == {
        **started, "lapt: lost runs": ANY,
    }  # fmt: skip
    for name, made in after.items():
        same = ("id", "description", "work_pool_name", "tags", "enforce_parameter_schema")
        assert {key: made[key] for key in same} == {key: before[name][key] for key in same}
        assert made["parameters"].keys() == before[name]["parameters"].keys()
    assert after["pipeline"]["parameters"]["execution"] == {"store": str(machines.home / "store")}
    crons = {name: [(s["schedule"]["cron"], s["active"]) for s in made["schedules"]] for name, made in after.items()}
    assert (crons["pipeline"], crons["nightly"]) == ([("0 3 * * *", False)], [("0 2 * * *", True)])

    theirs = payload(tmp_path / "theirs")
    for asked in ({"job_variables": theirs}, {"parameters": {"pipeline": {"name": "no pipeline"}}}):
        answer = machines.post(f"deployments/{after['pipeline']['id']}/create_flow_run", asked)
        assert answer.status_code in (409, 422), answer.text
    assert "work pool gpu: there already" in machines.lapt("deploy").stdout


def test_every_deployment_runs_and_none_with_what_a_run_brings(machines: Cluster, tmp_path: Path) -> None:
    """Behind the tests above, whose finished run is the one to be trained from scratch."""
    store = Store(machines.home / "store")
    (finished,) = query(store, "SELECT run_id FROM runs WHERE event = 'finished'").to_pylist()
    execution = {"store": store.address}
    invented = load_pipeline("invented", ["evaluator.seconds=0.001"]).model_dump(mode="json")
    batch = Batch(pipeline=invented, task="invented_a", architectures=invented_table().architectures[:3])
    elsewhere = Store(tmp_path / "elsewhere")
    asked = {
        "pipeline": {"pipeline": invented, "execution": execution},
        "final-training": {"run": finished["run_id"], "execution": execution},
        "nightly": {"name": "digits", "seeds": 2, "methods": ["random"], "execution": execution},
        "announced": {"task": "invented_b", "pipeline": "invented", "execution": execution},
        "cpu": {"store": store.address, "batch": batch.kept(store), "label": "three"},
    }
    theirs = payload(tmp_path / "theirs")
    ids = [by_hand(machines, name, parameters=parameters, job_variables=theirs) for name, parameters in asked.items()]
    refused = {"store": elsewhere.address, "batch": batch.kept(elsewhere), "label": "in a store of their own"}
    on_gpu = [by_hand(machines, "gpu", parameters=one) for one in (asked["cpu"], refused)]
    worked(machines, "drivers", runs=1 + len(ids) - 1)
    worked(machines, "cpu", runs=1)
    worked(machines, "gpu", runs=2)
    states = {run["id"]: run["state"] for run in machines.rows("flow_runs")}
    said = {name: states[id]["message"] for name, id in zip(asked, ids, strict=True)}
    assert "a run that trains what it found" in said.pop("final-training")  # a table's run does not: no worker's fault
    assert said == dict.fromkeys(said), "none has anything to say but what it did"
    assert {states[id]["type"] for id in ids} == {"COMPLETED", "FAILED"}
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["sitecustomize.py"]
    assert [states[id]["type"] for id in on_gpu] == ["COMPLETED", "FAILED"]
    assert "LAPT_ALLOW_STORES" in states[on_gpu[1]]["message"]
    assert not elsewhere.read("scores").num_rows
    assert query(store, "SELECT DISTINCT study FROM studies").to_pylist() == [{"study": "digits"}]


def test_a_pool_of_another_kind_is_not_for_lapts_workers(machines: Cluster) -> None:
    done = machines.lapt("deploy", "--pool", "cluster", "--type", "kubernetes", "--image", "registry.example/lapt:2")
    assert done.returncode == 0, done.stderr
    assert (
        "What now?  prefect worker start --pool cluster --type kubernetes --limit 1; lapt run PIPELINE --pool cluster"
        in done.stdout
    )
    (pool,) = [one for one in machines.rows("work_pools") if one["name"] == "cluster"]
    assert pool["type"] == "kubernetes"
    assert "registry.example/lapt:2" in json.dumps(pool["base_job_template"]["job_configuration"])
    assert [one["work_pool_name"] for one in machines.rows("deployments") if one["name"] == "cluster"] == ["cluster"]
    for arguments, words in {
        ("worker", "--pool", "cluster"): "prefect worker start --pool cluster --type kubernetes --limit 1",
        ("worker", "--pool", "clustre"): "did you mean cluster?",
        ("deploy", "--pool", "cluster"): "of type process, or none yet; got one of type kubernetes",
        ("deploy", "--pool", "other", "--type", "kubernets"): "a type of work pool among",
    }.items():
        refused = machines.lapt(*arguments)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused.stderr
        assert words in refused.stderr


def test_an_operators_command_wraps_every_run(machines: Cluster, tmp_path: Path) -> None:
    """As for Slurm, docs/pools.md: with a stand-in for srun, which notes what it is asked for."""
    template = json.loads(next(text for text in blocks("json") if "srun" in text))
    assert (
        template["job_configuration"]["command"]
        == "srun --gres=gpu:1 --time=2:00:00 --chdir=/tmp python -m prefect.engine"
    )
    (tmp_path / "slurm.json").write_text(json.dumps(template))
    (tmp_path / "srun").write_text(f'#!/bin/sh\necho "$1 $2 $3" > {tmp_path}/asked\nshift 3\nexec "$@"\n')
    (tmp_path / "srun").chmod(0o755)
    done = machines.lapt("deploy", "--pool", "slurm", "--job-template", str(tmp_path / "slurm.json"))
    assert done.returncode == 0, done.stderr
    assert "What now?  lapt worker --pool slurm; lapt run PIPELINE --pool slurm" in done.stdout
    store = Store(machines.home / "store")
    invented = load_pipeline("invented", ["evaluator.seconds=0.001"])
    batch = Batch(pipeline=invented, task="invented_b", architectures=invented_table().architectures[:2])
    before = store.read("scores").num_rows
    by_hand(machines, "slurm", parameters={"store": store.address, "batch": batch.kept(store), "label": "wrapped"})
    machines.environment["PATH"] = f"{tmp_path}:{machines.environment['PATH']}"
    run = worked(machines, "slurm", runs=1)["wrapped"]
    assert run["state_type"] == "COMPLETED"
    assert (tmp_path / "asked").read_text() == "--gres=gpu:1 --time=2:00:00 --chdir=/tmp\n"
    assert store.read("scores").num_rows == before + 2


def test_the_documented_proxy_lets_people_start_runs_and_change_nothing_else(machines: Cluster) -> None:
    """docs/access.md: the lines of its map against every route that the server has."""
    (text,) = [text for text in blocks("nginx") if "map " in text]
    lets = [re.compile(line) for line in re.findall(r'^\s*"~(.+)"\s+1;$', text, re.MULTILINE)]
    assert len(lets) == 4
    paths = httpx.get(f"{machines.api}/openapi.json", auth=tuple(PASSWORD.split(":")), timeout=60).json()["paths"]
    routes = [f"{method.upper()} /api{path}" for path, methods in paths.items() for method in methods]
    some = {route: re.sub("{.*?}", "01234567-89ab-cdef", route) for route in routes}
    open_to_them = {route for route in routes if any(one.search(some[route]) for one in lets)}
    acting = {route for route in open_to_them if not route.startswith("GET ") and not READS.search(route)}
    assert acting == {"POST /api/deployments/{id}/create_flow_run", "POST /api/flow_runs/{id}/set_state"}
    assert not [route for route in open_to_them if re.search("block|variables|automations|admin/s", route)]
    assert {"POST /api/flow_runs/filter", "GET /api/artifacts/{id}", "POST /api/logs/filter"} <= open_to_them


def test_who_is_nobody_to_the_server_is_told_what_to_set(machines: Cluster) -> None:
    for arguments, word in {
        ("doctor",): None,
        ("run", "invented", "--pool", "cpu"): None,
        ("deploy",): "lapt:another word",
        ("worker",): "lapt:another word",
    }.items():
        environment = {k: v for k, v in machines.environment.items() if k != "PREFECT_API_AUTH_STRING"}
        environment |= {} if word is None else {"PREFECT_API_AUTH_STRING": word}
        done = subprocess.run(
            [str(BIN / "lapt"), *arguments], env=environment, cwd=machines.home,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == 1, said
        assert f"{'without a' if word is None else 'with the'} PREFECT_API_AUTH_STRING" in " ".join(said.split())
        assert "PREFECT_SERVER_API_AUTH_STRING" in said
        assert "Traceback" not in said


def test_an_imported_benchmark_starts_the_deployment(machines: Cluster, tmp_path: Path) -> None:
    """Behind the tests above, which made the deployment; no worker runs what is scheduled here."""
    table = invented_table()
    columns = {"cell": list(table.architectures), "score": table.column("invented_a")}
    pq.write_table(pa.table(columns), tmp_path / "mine.parquet")
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nspace: nas201\narchitecture: cell\ntasks: {a: {validation: score, metric: score}}\n"
    )
    before = {run["id"] for run in machines.rows("flow_runs")}
    machines.environment["LAPT_DATA"] = str(tmp_path / "data")
    done = machines.lapt(
        "benchmark", "import", "table", str(tmp_path / "mine.parquet"), "--declare", str(tmp_path / "mine.yaml")
    )
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 60
    started: list[dict[str, Any]] = []
    while not started and time.monotonic() < deadline:
        started = [run for run in machines.rows("flow_runs") if run["id"] not in before]
        time.sleep(0.5)
    assert [run["state_type"] for run in started] == ["SCHEDULED"]
    assert started[0]["parameters"]["pipeline"]["name"] == "nas201"


def test_the_command_line_uses_a_server_that_is_configured(machines: Cluster) -> None:
    before = len(machines.rows("flow_runs"))
    done = machines.lapt("run", "invented", "--store", str(machines.home / "here"))
    assert done.returncode == 0, done.stderr
    assert len(machines.rows("flow_runs")) == before + 4
    assert not (machines.home / "here" / "prefect").exists()
