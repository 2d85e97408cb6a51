"""Evaluations on workers: who runs them, and what is lost when machines, processes and servers go. Real ones."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest
from cluster import BIN, Cluster, cluster, end_group
from rehearsal import declared, engines, found, paid

from storage.sql import query
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


def test_a_batch_of_one_pool_is_never_run_by_a_worker_of_another(machines: Cluster) -> None:
    """The gpu batch waits beside an idle cpu worker, and starts when a gpu worker comes."""
    machines.start_worker("cpu")
    machines.await_workers("cpu", 1)
    pipeline = declared(machines, "routed", 0.1, 12)
    store = machines.home / "routed"
    driver = machines.start_lapt("run", pipeline, "--pool", "gpu", "--store", str(store), "--json")
    time.sleep(15)
    assert driver.poll() is None
    assert Store(store).read("scores").num_rows == 0
    worker = machines.start_worker("gpu")
    out, errors = driver.communicate(timeout=240)
    assert driver.returncode == 0, errors[-3000:]
    assert "waiting for a worker of pool gpu (lapt worker --pool gpu)" in errors
    assert json.loads(out)["targets"][0]["paid_now"] == 12 - 4 + 4  # 4 + 2 x 4, once each
    assert set(paid(store)) == {1}
    batches = [run for run in machines.runs() if str(run["name"]).startswith("invented_")]
    assert {run["work_pool_name"] for run in batches} == {"gpu"}
    assert all(len(json.dumps(run["parameters"])) < 1000 for run in batches)
    end_group(worker, signal.SIGTERM)


def test_what_is_announced_is_adapted_to_and_a_study_runs_by_night(machines: Cluster) -> None:
    """Both by a cpu worker: an event starts one, the other is started here as its schedule would."""
    store = machines.home / "announced"
    assert machines.lapt("deploy", "--store", str(store)).returncode == 0
    if not machines.live("cpu"):
        machines.start_worker("cpu")
        machines.await_workers("cpu", 1)
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
    answer = httpx.post(f"{machines.api}/flow_runs/{run['id']}/set_state", json=scheduled, timeout=30)
    assert answer.json()["status"] == "ACCEPT"
    await_run(machines, "invented_b, announced", count=2)
    assert Store(store).read("scores").num_rows == before

    parameters = {"name": "digits", "seeds": 2, "methods": ["lapt-rea"], "execution": {"store": str(store)}}
    prefect = str(BIN / "prefect")
    done = subprocess.run(
        [prefect, "--no-prompt", "deployment", "run", "study/nightly", "--params", json.dumps(parameters)],
        env=machines.environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    await_run(machines, "study digits")
    rows = query(Store(store), "SELECT DISTINCT method, seeds FROM studies WHERE target = 'mean'").to_pylist()
    assert {row["method"] for row in rows} >= {"lapt-rea"}


def await_run(machines: Cluster, name: str, count: int = 1) -> None:
    """Until the run of that name has completed for that many times."""
    deadline = time.monotonic() + 180
    while True:
        states = [(run["state_type"], run["run_count"]) for run in machines.runs() if run["name"] == name]
        assert not {"FAILED", "CRASHED"} & {state for state, _ in states}
        if ("COMPLETED", count) in states:
            return
        assert time.monotonic() < deadline, [(run["name"], run["state_type"]) for run in machines.runs()][:9]
        time.sleep(0.5)


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
    random.Random(0).shuffle(drills)
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
            time.sleep(20)
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
