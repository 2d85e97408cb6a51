"""One live attempt a run: a file lock that the kernel releases however the process ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from lapt.errors import StoreError
from storage.addresses import address_of


@contextmanager
def only_attempt(store_address: str, run_id: str) -> Iterator[None]:
    """Holds the run's lock. Raises StoreError when another process holds it, naming that process.

    A store on object storage has no locks; two attempts there ask the same questions and write the same rows, of which
    the earliest count.
    """
    folder = address_of(store_address).folder
    if folder is None:
        yield
        return
    import fcntl

    folder /= "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / f"{run_id}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(
            f"a store folder that can be written at {store_address}",
            error.strerror or type(error).__name__,
            "choose another with --store or LAPT_STORE",
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            raise StoreError(
                f"no other attempt of run {run_id}",
                f"one that is running: {holder}",
                "wait for it (its results will be here), or stop it and run again",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
