"""The embedded server and its owners, with real processes: what survives what, and what the history says afterwards."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.server.address import prefect_server
from flows.server.database import shared_folder
from flows.server.settings import apply_environment, server_environment
from lapt.errors import LaptError

pytestmark = pytest.mark.integration

# A command in small: a root flow with a subflow and a task. With "hang" it stays in a task until somebody ends it, and
# leaves a forked child behind that outlives it.
COMMAND = """
import multiprocessing, signal, sys, time
from pathlib import Path
from flows.server.settings import apply_environment
apply_environment()
from prefect import flow, task
from flows.server.address import prefect_server

home, run, hang = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "hang"

def outlive(ready):
    # A child that was signalled in the middle of its fork (one in forty) went on: Python drops what a handler raises in
    # the hooks that run there. At its exit it then waited for threads of Prefect's that a fork does not copy, and its
    # parent at its own for the child. So nobody signals before it is ready, and a signal ends it at once.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    ready.set()
    time.sleep(60)

@task
def evaluate():
    if hang:
        context = multiprocessing.get_context("fork")
        ready = context.Event()
        child = context.Process(target=outlive, args=(ready,), daemon=True)
        child.start()
        ready.wait()
        print("child", child.pid, flush=True)
        time.sleep(60)

@flow(flow_run_name=run + "-target")
def adapt_to_target():
    evaluate()

@flow(flow_run_name=run)
def lapt():
    adapt_to_target()

with prefect_server(home) as address:
    print("address", address, flush=True)
    lapt()
"""


class Command:
    """A process that owns a server: its lines as they come, and the server's process."""

    def __init__(self, script: Path, home: Path, run: str, mode: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        # Bytecode of the first start serves every later one, as it does where Python may write beside its sources.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment |= {
            "PYTHONPYCACHEPREFIX": str(shared_folder(home) / "bytecode"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(home), run, mode],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def line(self, key: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            name, _, value = line.strip().partition(" ")
            if name == key:
                return value
        raise AssertionError(f"no line {key!r}; stderr: {self.process.stderr and self.process.stderr.read()}")

    def server(self) -> psutil.Process:
        return server_of(self.process.pid)

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


def server_of(owner: int) -> psutil.Process:
    (server,) = [
        child
        for child in psutil.Process(owner).children()
        if any("server/process.py" in word for word in child.cmdline())
    ]
    return server


def seconds_until_gone(process: psutil.Process, limit_s: float = 10.0) -> float:
    start = time.monotonic()
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() - start < limit_s, f"{process} lives on"
        time.sleep(0.02)
    return time.monotonic() - start


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, Path]]:
    """A home whose very first start was by two processes at once; this one keeps its server for all tests."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield from _stage(tmp_path_factory.mktemp("prefect"))


def _stage(folder: Path) -> Iterator[tuple[Path, str, Path]]:
    home, script = folder / "home", folder / "command.py"
    home.mkdir()
    script.write_text(COMMAND, encoding="utf-8")
    beside = Command(script, home, "beside", "work")
    try:
        with prefect_server(home) as address:
            output, errors = beside.process.communicate(timeout=240)
            assert (beside.process.returncode, errors) == (0, ""), output
            yield home, address, script
    finally:
        beside.close()
    assert list((home / "owners").iterdir()) == []


@pytest.fixture
def command(stage: tuple[Path, str, Path]) -> Iterator[Any]:
    home, _, script = stage
    with ExitStack() as stack:

        def start(run: str, mode: str) -> Command:
            started = Command(script, home, run, mode)
            stack.callback(started.close)
            return started

        yield start


def get(address: str, **headers: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=10) as reply:
        return bytes(reply.read())


def history(run: str) -> dict[str, tuple[str, str, list[str]]]:
    """State, message and tags by name: of the runs of the command ``run``, its task included, that have a state."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName, TaskRunFilter, TaskRunFilterName

    names = [run, f"{run}-target"]
    flow_filter = FlowRunFilter(name=FlowRunFilterName(any_=names))
    with get_client(sync_client=True) as client:
        runs: list[Any] = client.read_flow_runs(flow_run_filter=flow_filter)
        runs += client.read_task_runs(
            flow_run_filter=flow_filter, task_run_filter=TaskRunFilter(name=TaskRunFilterName(like_="evaluate"))
        )
    return {
        item.name.split("-")[0] if item.name.startswith("evaluate") else item.name: (
            item.state.type.value,
            item.state.message or "",
            item.tags,
        )
        for item in runs
        if item.state is not None  # of a task that has just begun, for a moment
    }


def states(run: str) -> set[str]:
    found = history(run)
    assert len(found) == 3, found
    return {state for state, _, _ in found.values()}


def test_flows_inside_have_a_history_that_names_their_owner(stage: tuple[Path, str, Path]) -> None:
    found = history("beside")
    assert {state for state, _, _ in found.values()} == {"COMPLETED"}
    tags = [tuple(tags) for _, _, tags in found.values()]
    assert len(tags) == 3
    assert len(set(tags)) == 1
    assert tags[0][0].startswith("owner:")


def test_killed_command_takes_its_server_along_and_the_next_one_closes_its_runs_alone(
    stage: tuple[Path, str, Path], command: Any
) -> None:
    from prefect import flow

    victim = command("victim", "hang")
    orphan = psutil.Process(int(victim.line("child")))
    server = victim.server()
    while len(history("victim")) < 3:  # a task is in the history a tenth of a second after it began
        time.sleep(0.05)
    victim.process.kill()

    @flow(flow_run_name="elder")
    def elder() -> set[str]:
        assert command("heir", "work").process.wait(240) == 0
        return {state for state, _, _ in history("elder").values()}

    try:
        assert seconds_until_gone(server) < 3.0
        assert orphan.is_running()
        assert states("victim") <= {"RUNNING", "PENDING"}
        assert elder() == {"RUNNING"}
    finally:
        orphan.kill()
    found = history("victim")
    assert {state for state, _, _ in found.values()} == {"CRASHED"}
    assert all("run the same command again to resume" in message for _, message, _ in found.values())
    assert states("heir") == {"COMPLETED"}
    assert [state for state, _, _ in history("elder").values()] == ["COMPLETED"]


def test_interrupted_commands_say_so_themselves(stage: tuple[Path, str, Path], command: Any) -> None:
    endings = {signal.SIGINT: -signal.SIGINT, signal.SIGTERM: 128 + signal.SIGTERM}
    interrupted = {ending: command(ending.name.lower(), "hang") for ending in endings}
    for ending, one in interrupted.items():
        one.line("child")
        server = one.server()
        os.killpg(one.process.pid, ending)
        assert one.process.wait(60) == endings[ending]  # one second, or never
        assert not server.is_running()
        assert states(ending.name.lower()) == {"CRASHED"}
    assert len(list((stage[0] / "owners").iterdir())) == 1  # our own


def test_server_listens_on_loopback_alone(stage: tuple[Path, str, Path]) -> None:
    listening = [c.laddr.ip for c in server_of(os.getpid()).net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert listening == ["127.0.0.1"]


def test_server_and_its_pages_report_to_nobody(stage: tuple[Path, str, Path]) -> None:
    from prefect.analytics import is_telemetry_enabled

    settings = json.loads(get(f"{stage[1]}/admin/settings"))
    assert settings["server"]["analytics_enabled"] is False  # what the pages ask before they load their tracker
    assert settings["server"]["ui"]["show_promotional_content"] is False
    assert server_of(os.getpid()).environ()["DO_NOT_TRACK"] == "1"
    assert not is_telemetry_enabled()


def test_server_serves_the_pages_from_its_own_files(stage: tuple[Path, str, Path]) -> None:
    root = stage[1].removesuffix("/api")
    page = get(f"{root}/", accept="text/html").decode()
    assert "<title>Prefect Server</title>" in page
    sources = [part.split('"')[0] for part in page.split('src="')[1:]]
    assert sources
    assert all(source.startswith("/") and get(root + source) for source in sources)
    assert json.loads(get(f"{root}/ui-settings"))["api_url"] == "/api"


def test_configured_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    unreachable = temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"})
    with unreachable, pytest.raises(LaptError) as caught, prefect_server(tmp_path):
        pass
    assert "http://127.0.0.1:9/api" in caught.value.expected
    assert "ConnectError" in caught.value.got
    assert "PREFECT_API_URL" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_configured_server_is_used_and_left_alone(stage: tuple[Path, str, Path], tmp_path: Path) -> None:
    with prefect_server(tmp_path) as address:
        assert address == stage[1]
    assert list(tmp_path.iterdir()) == []
    assert get(f"{address}/health") == b"true"


def test_second_home_starts_from_the_first_ones_empty_database(stage: tuple[Path, str, Path], tmp_path: Path) -> None:
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    home = tmp_path / "odd ?%# name"
    with temporary_settings({PREFECT_API_URL: None}), prefect_server(home), get_client(sync_client=True) as client:
        (server,) = [child for child in psutil.Process().children() if Path(child.cwd()) == home]
        assert server.environ()["PREFECT_SERVER_DATABASE_MIGRATE_ON_START"] == "false"
        assert client.read_flow_runs() == []


def test_server_that_cannot_start_shows_its_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('the disk is full')", encoding="utf-8")
    monkeypatch.setattr("flows.server.address.PROGRAM", broken)
    failure = pytest.raises(LaptError, match="the disk is full")
    with temporary_settings({PREFECT_API_URL: None}), failure as caught, prefect_server(tmp_path / "home"):
        pass
    assert "server.log" in caught.value.remedy
    assert list((tmp_path / "home" / "owners").iterdir()) == []


def test_a_users_own_settings_win_in_this_process_and_stay_out_of_the_servers() -> None:
    mine = {"DO_NOT_TRACK": "0", "PREFECT_LOGGING_LEVEL": "DEBUG", "PREFECT_SERVER_DATABASE_CONNECTION_URL": "other"}
    chosen = dict(mine)
    apply_environment(chosen)
    assert chosen.items() > mine.items()
    assert "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL" not in chosen
    quiet: dict[str, str] = {}
    apply_environment(quiet)
    assert quiet["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] == "WARNING"
    server = server_environment(Path("/home"), Path("/shared"), migrate=True, inherited=mine)
    assert server["PREFECT_SERVER_DATABASE_CONNECTION_URL"] == "sqlite+aiosqlite:///prefect.db"
    assert server["DO_NOT_TRACK"] == "1"
