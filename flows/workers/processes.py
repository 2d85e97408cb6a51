"""Workers of a pool on this machine: one process and one flow run at a time per device, or one worker for all
drivers."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from flows.server.settings import DEFAULTS
from lapt import __version__
from lapt.base.packages import ours_first

DRIVERS = "drivers"
"""The pool of searches, which mostly wait for other pools."""
END_SECONDS = 30.0
POLL_SECONDS = 0.5
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 60.0
"""Seconds between two starts of a worker: the first pause, and the longest."""


def visible_devices(environment: Mapping[str, str] = os.environ) -> list[str | None]:
    """The CUDA devices that get a worker, as in ``CUDA_VISIBLE_DEVICES``; [None] without any.

    The variable is respected: "2,3" means two workers, "" one worker without a GPU.
    """
    said = environment.get("CUDA_VISIBLE_DEVICES")
    if said is not None:
        return [one.strip() for one in said.split(",") if one.strip()] or [None]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())] or [None]


def worker_environment(device: str | None, store: str, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a worker; its flow runs inherit it. ``store``: the address that they may use."""
    mine = {
        **DEFAULTS,
        "PREFECT_WORKER_QUERY_SECONDS": "1",  # a batch waits half of it; Prefect's own 10 s doubled what one costs
        **environment,
        **ours_first(environment),
        "LAPT_STORE": store,
    }
    return mine if device is None else {**mine, "CUDA_VISIBLE_DEVICES": device}


def cores_of(number: int, count: int) -> set[int]:
    """Cores of worker ``number`` of ``count`` on this machine: all are shared out, and each worker has one at least."""
    cores = sorted(os.sched_getaffinity(0))
    return set(cores[number::count]) or {cores[number % len(cores)]}


def run_workers(pool: str, devices: Sequence[str | None], store: str) -> int:
    """Run one worker per device, until Ctrl-C or SIGTERM, which are passed on.

    ``store``: the one that their runs may use. A worker of drivers takes all runs that the pool's own limit allows.

    Prefect's worker ends when its server is silent for some seconds. It is started again, after longer and longer
    pauses.

    Workers without a GPU share the cores: else each of them would start a process for every core.
    """
    count = len(devices)
    workers = [
        _Worker(pool, worker_name(n), device, store, cores_of(n, count) if device is None and count > 1 else None)
        for n, device in enumerate(devices)
    ]
    stopping = threading.Event()

    def stop(number: int, frame: object) -> None:
        stopping.set()

    before = signal.signal(signal.SIGTERM, stop)
    try:
        while not stopping.wait(POLL_SECONDS):
            for worker in workers:
                worker.keep_up()
    finally:
        signal.signal(signal.SIGTERM, before)
        for worker in workers:
            worker.end(ask=stopping.is_set())  # the terminal's Ctrl-C reached it too
    return 0


def worker_name(number: int) -> str:
    """Name of this process's worker of that number, with the version that ``version_of`` reads."""
    return f"lapt {__version__} on {socket.gethostname()}, process {os.getpid()}, worker {number}"


def version_of(name: str) -> str | None:
    """The version of LAPT in a worker's name; None if another command named it."""
    found = re.match(r"lapt (\S+) on ", name)
    return found and found[1]


class _Worker:
    """A process of Prefect's worker, started again if it ends by itself. ``cores``: those that it and its flow runs may
    use; all if None."""

    def __init__(self, pool: str, name: str, device: str | None, store: str, cores: set[int] | None = None) -> None:
        self._command = [
            sys.executable, "-m", "prefect", "worker", "start",
            "--pool", pool, "--type", "process", "--name", name,
            # None for drivers: with a limit above 1, Prefect's worker ends, and all its runs with it, when a run is
            # retried whose process has not gone yet ("this borrower is already holding one of ... tokens").
            *(() if pool == DRIVERS else ("--limit", "1")),
        ]  # fmt: skip
        self._environment = worker_environment(device, store)
        self._cores = cores
        self._pause = FIRST_PAUSE_SECONDS
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(self._command, env=self._environment)
        if self._cores is not None:
            with suppress(ProcessLookupError):  # it ended at once: keep_up says so
                os.sched_setaffinity(self._process.pid, self._cores)  # its flow runs inherit it
        self._since = time.monotonic()

    def keep_up(self) -> None:
        status = self._process.poll()
        if status is None:
            return
        ran = time.monotonic() - self._since
        if ran < self._pause:
            return  # its pause has not passed
        print(f"lapt: the worker ended with status {status} after {ran:.0f} s; it is started again", file=sys.stderr)
        self._pause = (
            FIRST_PAUSE_SECONDS if ran > LONGEST_PAUSE_SECONDS else min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        )
        self._start()

    def end(self, *, ask: bool) -> None:
        """End it as by Ctrl-C, with its runs. ``ask``: send it the signal, which it has not had yet."""
        if ask and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
