"""Evaluations on workers: who runs them, and what is lost when machines, processes and servers go. Real ones."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from cluster import Cluster, cluster, end_group
from rehearsal import declared, engines, found, paid

from storage.sql.query import query
from storage.store import Store

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        assert made.lapt("deploy").returncode == 0
        yield made


def test_deploying_twice_makes_the_same_and_the_doctor_says_what_is_there(machines: Cluster) -> None:
    again = machines.lapt("deploy")
    assert again.returncode == 0, again.stderr
    assert "work pool gpu: there already" in again.stdout
    said = machines.lapt("doctor", "--json")
    assert said.returncode == 1
    findings = {one["what"]: one for one in json.loads(said.stdout)}
    assert findings["deployments"]["found"] == "all"
    assert findings["server"]["trouble"] is findings["clock"]["trouble"] is findings["store"]["trouble"] is None
    assert "lapt worker --pool gpu" in findings["pool gpu"]["trouble"]
    assert findings["pool drivers"]["trouble"] is None  # as long as nobody waits there
    assert findings["pool gpu"]["figures"] == {"live_workers": 0, "running": 0, "waiting": 0}


def test_a_server_of_an_earlier_version_is_brought_up_to_date(machines: Cluster) -> None:
    """Its drivers lie in the cpu pool, a run waits there, and nobody takes it."""
    deployments = {one["name"]: one for one in machines.rows("deployments")}
    pipeline = deployments["pipeline"]["id"]
    moved = {"work_pool_name": "cpu", "work_queue_name": "default"}
    httpx.patch(f"{machines.api}/deployments/{pipeline}", json=moved, timeout=30).raise_for_status()
    run = machines.post(f"deployments/{pipeline}/create_flow_run", {}).raise_for_status().json()["id"]
    findings = {one["what"]: one for one in json.loads(machines.lapt("doctor", "--json").stdout)}
    assert findings["deployments"]["found"] == "misplaced: lapt/pipeline (pool cpu)"
    assert findings["deployments"]["trouble"] == "lapt deploy"
    assert findings["pool cpu"]["figures"]["waiting"] == 1
    assert 0 < findings["pool cpu"]["figures"]["waiting_seconds"] < 60
    assert "0 live workers, 0 running, 1 waiting, the first for" in findings["pool cpu"]["found"]
    assert machines.lapt("deploy").returncode == 0
    assert {one["name"]: one["work_pool_name"] for one in machines.rows("deployments")}["pipeline"] == "drivers"
    cancelled = machines.post(f"flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})
    assert cancelled.json()["state"]["type"] == "CANCELLED"


def test_a_batch_of_one_pool_is_never_run_by_a_worker_of_another(machines: Cluster) -> None:
    """The gpu batch waits beside an idle cpu worker, and starts when a gpu worker comes."""
    machines.start_worker("cpu")
    machines.await_workers("cpu", 1)
    pipeline = declared(machines, "routed", 0.1, 12, iterations=2)
    store = machines.home / "routed"
    driver = machines.start_lapt("run", pipeline, "--pool", "gpu", "--store", str(store), "--json")
    said = "waiting for a worker of pool gpu (lapt worker --pool gpu)"
    machines.until(lambda: driver.poll() or [log for log in machines.rows("logs") if log["message"] == said])
    time.sleep(5)  # in which the cpu worker asks for work five times
    assert driver.poll() is None
    assert Store(store).read("scores").num_rows == 0
    worker = machines.start_worker("gpu")
    out, errors = driver.communicate(timeout=240)
    assert driver.returncode == 0, errors[-3000:]
    assert said in errors
    assert [log["message"] for log in machines.rows("logs")].count(said) == 1  # once a wait
    assert json.loads(out)["targets"][0]["paid_now"] == 12 - 4 + 4  # 4 + 2 x 4, once each
    assert set(paid(store)) == {1}
    batches = [run for run in machines.runs() if str(run["name"]).startswith("invented_")]
    assert {run["work_pool_name"] for run in batches} == {"gpu"}
    assert all(len(json.dumps(run["parameters"])) < 1000 for run in batches)
    end_group(worker, signal.SIGTERM)


def test_what_is_announced_is_adapted_to_and_a_study_runs_by_night(machines: Cluster) -> None:
    """Both at once, by the one worker for drivers: an event starts one, the other is started as its schedule would."""
    store = machines.home / "announced"
    assert machines.lapt("deploy", "--store", str(store)).returncode == 0
    machines.start_worker("drivers")
    parameters = {"name": "digits", "seeds": 2, "methods": ["lapt-rea"]}
    nightly = next(one["id"] for one in machines.rows("deployments") if one["name"] == "nightly")
    body = {"parameters": {**parameters, "execution": {"store": str(store)}}}
    machines.post(f"deployments/{nightly}/create_flow_run", body).raise_for_status()
    pipeline = declared(machines, "waiting", 0.01, 20)
    said = machines.lapt("announce", "invented_b", "--pipeline", pipeline)
    assert said.returncode == 0, said.stderr
    await_run(machines, "invented_b, announced")
    assert query(Store(store), "SELECT DISTINCT task FROM trials ORDER BY task").to_pylist() == [
        {"task": "invented_b"}, {"task": "invented_source"},
    ]  # fmt: skip

    # "Retry" in the UI sets this state: a worker runs it again, which replays from the store.
    before = Store(store).read("scores").num_rows
    (run,) = [run for run in machines.runs() if run["name"] == "invented_b, announced"]
    scheduled = {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}}
    assert machines.post(f"flow_runs/{run['id']}/set_state", scheduled).json()["status"] == "ACCEPT"
    await_run(machines, "invented_b, announced", count=2)
    assert Store(store).read("scores").num_rows == before

    await_run(machines, "study digits")
    rows = query(Store(store), "SELECT DISTINCT method, seeds FROM studies WHERE target = 'mean'").to_pylist()
    assert {row["method"] for row in rows} >= {"lapt-rea"}


def await_run(machines: Cluster, name: str, count: int = 1) -> None:
    """Until the run of that name has completed for that many times."""

    def completed() -> bool:
        states = [(run["state_type"], run["run_count"]) for run in machines.runs() if run["name"] == name]
        assert not {"FAILED", "CRASHED"} & {state for state, _ in states}
        return ("COMPLETED", count) in states

    machines.until(completed, 180)


def batches(machines: Cluster, store: Path) -> list[dict[str, Any]]:
    return [run for run in machines.runs() if run["parameters"].get("store") == str(store)]


def ended(driver: subprocess.Popen[str]) -> dict[str, object]:
    out, errors = driver.communicate(timeout=300)
    return found(subprocess.CompletedProcess((), driver.returncode, out, errors))


def test_two_drivers_share_scores_and_leave_each_others_batches_alone(machines: Cluster) -> None:
    """The same store, task and seed, one worker: what the small one asks for, the large one has under way."""
    small, large = declared(machines, "small", 0.5, 12), declared(machines, "large", 0.5, 30)
    store = machines.home / "shared"
    drivers = []
    for pipeline in (large, small):
        drivers.append(machines.start_lapt("run", pipeline, "--pool", "cpu", "--store", str(store), "--json"))
        machines.until(lambda: batches(machines, store))
    calm = declared(machines, "small_calm", 0.001, 12)
    alone = found(machines.lapt("run", calm, "--store", str(machines.home / "small_calm"), "--json"))
    assert ended(drivers[1]) == alone
    ended(drivers[0])
    assert {run["state_type"] for run in batches(machines, store)} == {"COMPLETED"}
    assert set(paid(store)) == {1}


@pytest.mark.parametrize("where", [("--pool", "cpu"), ()], ids=["on workers", "here"])
def test_a_cancelled_run_of_the_command_line_ends_and_goes_on_later(machines: Cluster, where: tuple[str, ...]) -> None:
    store = machines.home / f"cancelled{len(where)}"
    arguments = ("run", declared(machines, "cancelled", 0.5, 20), *where, "--store", str(store), "--json")
    driver = machines.start_lapt(*arguments)
    machines.until(lambda: driver.poll() or Store(store).read("scores").num_rows >= 2)
    (run,) = [run for run in machines.runs() if run["state_type"] == "RUNNING" and run["name"].startswith("rehearsal")]
    cancelling = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    assert machines.post(f"flow_runs/{run['id']}/set_state", cancelling).json()["status"] == "ACCEPT"
    began = time.monotonic()
    out, errors = driver.communicate(timeout=60)
    assert time.monotonic() - began < 20
    assert (driver.returncode, out) == (130, "")
    assert errors.splitlines()[-1] == (
        "lapt: cancelled from Prefect; what was finished is stored, and the same command goes on from there"
    )
    (run,) = [one for one in machines.runs() if one["id"] == run["id"]]
    assert run["state_type"] == "CANCELLED"
    machines.until(lambda: {one["state_type"] for one in batches(machines, store)} <= {"CANCELLED", "COMPLETED"}, 30)
    if where:
        found(machines.lapt(*arguments))
        assert set(paid(store)) == {1}


def test_ten_faults_in_random_order_change_nothing(machines: Cluster) -> None:
    """Runs and drivers are killed, the server goes away; the result is that of an undisturbed search, nothing is
    computed twice that was stored, and nothing is lost."""
    pipeline = declared(machines, "drilled", 1.0, 90)
    calm = declared(machines, "calm", 0.001, 90)
    undisturbed = found(machines.lapt("run", calm, "--store", str(machines.home / "calm"), "--json"))
    store = machines.home / "drilled"
    for number in range(2):
        machines.start_worker("cpu")
        machines.await_workers("cpu", number + 1)
    arguments = ("run", pipeline, "--pool", "cpu", "--store", str(store), "--json")
    driver = machines.start_lapt(*arguments)
    drills = ["run"] * 4 + ["driver"] * 3 + ["server"] * 2 + ["machine"]
    random.Random(2).shuffle(drills)  # the machine early: it takes 90 s to be known as lost
    done: list[str] = []
    for drill in drills:
        if not under_way(machines, driver):
            driver = again(machines, driver, arguments)
            if not under_way(machines, driver):
                break
        done.append(drill)
        if drill == "run":
            for process in engines(machines)[:1]:
                process.kill()
        elif drill == "driver":
            driver.send_signal(signal.SIGKILL)
            driver.communicate()
            driver = machines.start_lapt(*arguments)
        elif drill == "server":
            machines.stop_server()
            time.sleep(10)  # Prefect's workers end after some seconds of it
            machines.start_server()
        else:
            worker = next(w for w in machines.workers if w.poll() is None and psutil.Process(w.pid).children())
            for process in [*psutil.Process(worker.pid).children(recursive=True), psutil.Process(worker.pid)]:
                process.kill()
            worker.wait(30)
            machines.start_worker("cpu")
    out, errors = driver.communicate(timeout=500)
    if driver.returncode:
        last = machines.lapt(*arguments, timeout=500)
        out, errors = last.stdout, last.stderr
    print("drills:", done, "runs:", [(run["name"], run["state_name"]) for run in machines.runs()][:40])
    assert len(done) == len(drills), done
    target = json.loads(out)["targets"][0] if out else pytest.fail(errors[-3000:])
    assert {key: target[key] for key in undisturbed} == undisturbed
    assert set(paid(store)) == {1}
    trials = query(Store(store), "SELECT count(*) AS n FROM trials").to_pylist()
    assert trials == [{"n": 90 + int(str(undisturbed["evaluations"]))}]


def under_way(machines: Cluster, driver: subprocess.Popen[str]) -> bool:
    """A batch is being evaluated, and has been for a moment; False once the driver has ended."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        if driver.poll() is not None:
            return False
        if engines(machines):
            time.sleep(3)
            return bool(engines(machines)) or under_way(machines, driver)
        time.sleep(0.2)
    raise AssertionError("no batch was started")


def again(machines: Cluster, driver: subprocess.Popen[str], arguments: tuple[str, ...]) -> subprocess.Popen[str]:
    """A driver that the faults ended is started once more, as its user would; one that is done is left."""
    return machines.start_lapt(*arguments) if driver.returncode else driver
