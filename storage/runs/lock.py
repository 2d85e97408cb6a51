"""One live attempt per run: a file lock that the kernel releases however the process ends."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lapt.errors import StoreError
from storage.addresses import address_of


@contextmanager
def only_attempt(store_address: str, run_id: str, waits: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the run's lock.

    While another process holds it: with ``waits``, call that once with a description of the process and wait for its
    end; else raise StoreError, naming it. A store on object storage has no locks: two attempts there ask the same
    questions and write the same rows, of which the earliest count.
    """
    folder = address_of(store_address).folder
    if folder is None:
        yield
        return

    def busy(holder: str) -> None:
        if waits is None:
            raise StoreError(
                f"no other attempt of run {run_id}",
                f"one that is running: {holder}",
                "wait for it (its results will be here), or stop it and run again",
            ) from None
        waits(holder)

    folder /= "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _opened(folder / f"{run_id}.lock")
    except OSError as error:
        raise StoreError(
            f"a store folder that can be written at {store_address}",
            error.strerror or type(error).__name__,
            "choose another with --store or LAPT_STORE",
        ) from error
    with _held(lock, busy):
        yield


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock in a file, which is made; wait for another process that holds it. Raises OSError."""
    with _held(_opened(path), lambda holder: None):
        yield


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


@contextmanager
def _held(descriptor: int, busy: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock file that is open, and close it. ``busy``: called once with the holder, if another has it."""
    import fcntl

    try:
        told = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            if not told:
                busy(holder)
            told = True
            time.sleep(0.5)  # a lock that is waited for in the kernel would hear no cancel
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
