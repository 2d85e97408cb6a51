"""A Prefect server for as long as a command runs: the configured one, or our own, which ends with this process."""

import http.client
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import FrameType

import httpx

from flows.server.database import Database, shared_folder, writable
from flows.server.owners import close_abandoned_runs, close_own_runs, file_lock, ownership, private_descriptor
from flows.server.settings import (
    api_named_in,
    apply_environment,
    connections_said,
    embedded_settings,
    server_environment,
)
from lapt.errors import LaptError

HOST = "127.0.0.1"
START_LIMIT_S = 180.0  # 10 s here, a minute on a machine that is busy
POLL_S = 0.03
STOP_LIMIT_S = 3.0
DRAIN_LIMIT_S = 15.0
LOG_LIMIT_BYTES = 1_000_000
PROGRAM = Path(__file__).with_name("process.py")


class ServerError(LaptError):
    """Our own server did not start to work."""


@contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    """Yield the address of an API that the flows inside use.

    It is the configured one where the environment, the active profile or ``prefect.toml`` names one. Otherwise a server
    of our own starts on a free port of the loopback interface, keeps its history in ``home`` and ends with this
    process, however this process ends. Runs of owners that were killed are marked as crashed first. Any number of
    processes may share ``home``, on a local disk: each has its own server, and all write one database.
    """
    apply_environment()
    address = configured_address()
    if address is not None:
        check_configured(address)
        yield address
        return
    with writable(home.expanduser().absolute()) as folder, _own_server(folder) as address:
        yield address


def configured_address() -> str | None:
    """The API in Prefect's settings, if any."""
    from prefect.settings import get_current_settings

    return get_current_settings().api.url or None


def check_configured(address: str) -> None:
    """Raises unless the server at ``address`` answers and accepts our credentials."""
    from prefect.client.orchestration import get_client

    named = api_named_in()
    try:
        with get_client(sync_client=True) as client:
            client.api_version()  # not its health, which it tells everybody
    except Exception as failure:  # whatever a connection does
        said = "" if isinstance(failure, httpx.HTTPError) else connections_said()  # no client could be made
        raise refusal(failure) or LaptError(
            expected=f"a Prefect server at {address}, which {named} says",
            got=f"{type(failure).__name__}: {failure}",
            remedy=f"correct or unset these connection settings: {said}"
            if said
            else f"start that server, or take PREFECT_API_URL out of {named}: an embedded one is used then",
        ) from failure


def refusal(error: BaseException) -> LaptError | None:
    """The remedy if a server does not accept our credentials (401), or forbids the request (403); else None."""
    if not isinstance(error, httpx.HTTPStatusError):
        return None
    asked = f"{error.request.method} {error.request.url.path}"
    if error.response.status_code == httpx.codes.UNAUTHORIZED:
        from prefect.settings import get_current_settings

        given = get_current_settings().api.auth_string is not None
        return LaptError(
            "a name and password that the Prefect server knows",
            f"401 to {asked} {'with the' if given else 'without a'} PREFECT_API_AUTH_STRING",
            "set PREFECT_API_AUTH_STRING to NAME:PASSWORD, the PREFECT_SERVER_API_AUTH_STRING of that server",
        )
    if error.response.status_code == httpx.codes.FORBIDDEN:
        return LaptError(
            "the right to do this on the Prefect server",
            f"403 to {asked}",
            "ask the operator of the server, or of the proxy in front of it, for that right",
        )
    return None


@contextmanager
def _own_server(home: Path) -> Iterator[str]:
    from prefect import tags

    owners = home / "owners"
    with _unwound_by_sigterm(), ownership(owners) as tag, _with_history(home, owners) as address:
        try:
            with tags(tag):
                yield address
        finally:
            _deliver_pending()
            close_own_runs(tag)


@contextmanager
def _with_history(home: Path, owners: Path) -> Iterator[str]:
    """A server over the database in ``home``; over a new database if the server does not start with that one."""
    database = Database(home, shared_folder(home))
    with ExitStack() as stack:
        try:
            address = stack.enter_context(_answering(database, owners))
        except (ServerError, httpx.HTTPError) as error:
            aside = database.set_aside()
            if aside is None:
                raise
            try:
                address = stack.enter_context(_answering(database, owners))
            except BaseException:
                database.put_back(aside)
                raise
            said = error.got if isinstance(error, ServerError) else str(error).splitlines()[0]
            warnings.warn(
                f"expected a history of runs that Prefect can use; got {said}; it is set aside as {aside} and a new "
                "one begins, no result was in it",
                stacklevel=2,
            )
        yield address


@contextmanager
def _answering(database: Database, owners: Path) -> Iterator[str]:
    with _server_process(database) as address, embedded_settings(address):
        close_abandoned_runs(owners)
        yield address


@contextmanager
def _unwound_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end this process the way Ctrl-C does: by an exception, so that everything open is closed.

    Prefect turns the signal into a crash of the flows, then sends it again to the handler it found.
    """
    owner = os.getpid()

    def unwind(number: int, frame: FrameType | None) -> None:
        if os.getpid() == owner:
            raise SystemExit(128 + number)
        os._exit(128 + number)  # a forked child has nothing of its own to close

    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _deliver_pending() -> None:
    """Deliver task states and log lines, which travel in background threads, while the server still runs."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    # They warn of every item that is still to go, which here is no more than the last moment's.
    for worker in (EventsWorker, APILogWorker):
        logging.getLogger(worker.__name__).setLevel(logging.ERROR)
        worker.drain_all(timeout=DRAIN_LIMIT_S)


@contextmanager
def _server_process(database: Database) -> Iterator[str]:
    read_end, write_end = os.pipe()
    # The child watches the read end: the kernel closes the write end with this process, whatever kills it.
    with private_descriptor(write_end), private_descriptor(read_end), _started(database, read_end) as port:
        yield f"http://{HOST}:{port}/api"


@contextmanager
def _started(database: Database, life_line: int) -> Iterator[int]:
    home = database.home
    log = home / "server.log"
    with ExitStack() as stack:
        with ExitStack() as starting:
            if not database.is_current():
                # One process at a time creates or migrates a database: the next one copies what the first has made.
                starting.enter_context(file_lock(database.shared / "start.lock"))
                database.copy_template()
            migrate = not database.is_current()
            fresh = not database.path.exists()
            listener = starting.enter_context(socket.socket())
            # Bound here and inherited: no port can be taken between the choice of it and its use.
            listener.bind((HOST, 0))
            port: int = listener.getsockname()[1]
            log_start = _rotate(log)
            environment = server_environment(home, database.shared, migrate=migrate)
            process = _spawn(home, log, listener.fileno(), life_line, environment)
            stack.callback(_stop, process)
            _await_ready(process, port, log, log_start)
            if fresh:
                database.keep_template()
        yield port


def _rotate(log: Path) -> int:
    """Set a long log aside; returns the place where new lines will begin."""
    size = log.stat().st_size if log.exists() else 0
    if size <= LOG_LIMIT_BYTES:
        return size
    log.replace(log.with_suffix(".log.1"))
    return 0


def _spawn(
    home: Path, log: Path, listener: int, life_line: int, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-P", str(PROGRAM), str(listener)],
            stdin=life_line,
            stdout=output,
            stderr=output,
            pass_fds=(listener,),
            cwd=home,
            env=environment,
            # Out of the terminal's process group: Ctrl-C must reach the flows, which then tell the server their end.
            start_new_session=True,
        )


def _await_ready(process: subprocess.Popen[bytes], port: int, log: Path, log_start: int) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if _is_ready(port):
            return
        if process.poll() is not None:
            got = f"an end with status {process.returncode}"
            break
        time.sleep(POLL_S)
    else:
        got = f"no answer within {START_LIMIT_S:.0f} s"
    raise ServerError(
        expected=f"an embedded Prefect server on port {port}",
        got=f"{got}: {_reason(log, log_start)}",
        remedy=f"read {log}, or start a server yourself (`prefect server start`) and set PREFECT_API_URL",
    )


def _reason(log: Path, log_start: int) -> str:
    """The last error in the server's own words; else its last line."""
    with log.open("rb") as file:
        file.seek(log_start)
        lines = file.read().decode(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if re.match(r"[\w.]+(Error|Exception)\b", line)]
    return (errors or said or ["nothing said"])[-1][:300]


def _is_ready(port: int) -> bool:
    # The standard library's client: it knows no proxy, whatever HTTP_PROXY says.
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    with closing(connection):
        try:
            connection.request("GET", "/api/health")
            return connection.getresponse().status == 200
        except OSError:
            return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
