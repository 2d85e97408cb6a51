"""A Prefect server of one's own, on Postgres where there is one, and workers: real processes, on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def postgres(stack: ExitStack) -> Iterator[str | None]:
    """Address of a new database; None where Postgres is not installed. It does not run as root: then as nobody."""
    if shutil.which("initdb") is None or shutil.which("postgres") is None:
        print("no Postgres here: the server's database is SQLite")
        yield None
        return
    user = {"user": "nobody"} if os.getuid() == 0 else {}
    data, port = Path(stack.enter_context(tempfile.TemporaryDirectory())), free_port()  # where nobody may go
    if user:
        shutil.chown(data, "nobody")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": data}
    subprocess.run(["initdb", "-D", str(data), "-A", "trust", "-U", "lapt", "-N"], check=True, **user, **quiet)
    process = subprocess.Popen(
        ["postgres", "-D", str(data), "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", "", "-F"],
        **user, **quiet,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(["pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False).returncode:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.2)
        yield f"postgresql+asyncpg://lapt@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


@dataclass
class Cluster:
    """``environment``: of every process that talks to the server."""

    home: Path
    environment: dict[str, str]
    port: int
    database: dict[str, str]
    server: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def api(self) -> str:
        return self.environment["PREFECT_API_URL"]

    def start_server(self) -> None:
        with open(self.home / "server.log", "ab") as log:
            self.server = subprocess.Popen(
                [str(BIN / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(self.port)],
                env={**self.environment, **self.database}, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.api}/health", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            assert self.server.poll() is None, (self.home / "server.log").read_text()[-2000:]
            time.sleep(0.3)
        raise AssertionError((self.home / "server.log").read_text()[-2000:])

    def stop_server(self) -> None:
        assert self.server is not None
        self.server.terminate()
        self.server.wait(30)

    def lapt(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(BIN / "lapt"), *arguments],
            env=self.environment, cwd=self.home, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def start_lapt(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(BIN / "lapt"), *arguments],
            env=self.environment, cwd=self.home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def start_worker(self, pool: str, number: int = 1, **environment: str) -> subprocess.Popen[bytes]:
        count = [] if pool == "drivers" else ["--count", str(number)]
        with open(self.home / f"worker-{len(self.workers)}.log", "ab") as log:
            worker = subprocess.Popen(
                [str(BIN / "lapt"), "worker", "--pool", pool, *count],
                env={**self.environment, **environment}, cwd=self.home, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self.workers.append(worker)
        return worker

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        name, _, word = self.environment.get("PREFECT_API_AUTH_STRING", "").partition(":")
        return httpx.post(f"{self.api}/{path}", json=body, auth=(name, word) if name else None, timeout=30)

    def rows(self, path: str, **filters: Any) -> list[dict[str, Any]]:
        return list(self.post(f"{path}/filter", filters).raise_for_status().json())

    def live(self, pool: str) -> int:
        return sum(worker["status"] == "ONLINE" for worker in self.rows(f"work_pools/{pool}/workers"))

    def await_workers(self, pool: str, count: int) -> None:
        self.until(lambda: self.live(pool) >= count)

    def until(self, asked: Callable[[], T], seconds: float = 120) -> T:
        """The first answer that is true."""
        deadline = time.monotonic() + seconds
        while not (answer := asked()):
            assert time.monotonic() < deadline, [(run["name"], run["state_name"]) for run in self.runs()][:9]
            time.sleep(0.4)  # each answer costs the server a hundredth of a second or two
        return answer

    def runs(self) -> list[dict[str, Any]]:
        """Flow runs, the latest first."""
        return self.rows("flow_runs", sort="START_TIME_DESC")


def end_group(process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
    """A process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    process.wait(30)


@contextmanager
def cluster(home: Path, **settings: str) -> Iterator[Cluster]:
    """``settings``: environment variables of all its processes, beside its own."""
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "LAPT_"))}
    environment = {
        **clean,
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PATH": f"{BIN}:{clean['PATH']}",
        "LAPT_ALLOW_STORES": "*",
        **settings,
    }
    with ExitStack() as stack:
        address = stack.enter_context(postgres(stack))
        database = {} if address is None else {"PREFECT_SERVER_DATABASE_CONNECTION_URL": address}
        made = Cluster(home, environment, port, database)
        made.start_server()
        try:
            yield made
        finally:
            for worker in made.workers:
                end_group(worker)
            made.stop_server()
