"""A machine-wide lock: trainings share it and pause while a latency is measured, which has the machine to itself.

Two files in the folder of temporary files hold it, for all processes of all users. The kernel releases it, however a
process ends. Work that LAPT does not do is not paused.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lapt.errors import ConfigError

GATE, LOCK = "lapt-latency.gate", "lapt-latency.lock"
"""The gate is held by a measurement that waits or runs. So trainings that go on cannot keep it from its turn."""
FOLDER = "LAPT_LATENCY_LOCKS"
"""Environment variable: a folder of the lock's files, in place of that of temporary files."""

_mine = threading.local()


class _Held:
    """The lock, shared, in one thread. ``settle``: called before each pause, to end work under way on a GPU."""

    def __init__(self, settle: Callable[[], None]) -> None:
        self._gate, self._lock = _opened(GATE), _opened(LOCK)
        self._settle = settle
        self._enter()

    def _enter(self) -> None:
        fcntl.flock(self._gate, fcntl.LOCK_SH)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_SH)
        finally:
            fcntl.flock(self._gate, fcntl.LOCK_UN)

    def pause(self) -> None:
        """Let a measurement that waits go first."""
        try:
            fcntl.flock(self._gate, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            self._settle()
            fcntl.flock(self._lock, fcntl.LOCK_UN)
            self._enter()
        else:
            fcntl.flock(self._gate, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._lock)
        os.close(self._gate)


@contextmanager
def working(settle: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Work that measurements must not meet. It begins when none runs, and ``pause`` lets them in.

    Inside another block of the same thread it does nothing. Nor does it where the lock's files cannot be opened: there
    ``alone`` fails, so there is nothing to wait for.
    """
    if getattr(_mine, "held", None) is not None:
        yield
        return
    try:
        _mine.held = _Held(settle)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        held, _mine.held = _mine.held, None
        held.close()


def pause() -> None:
    """Let a measurement that waits go first; a call that finds none takes two microseconds."""
    held: _Held | None = getattr(_mine, "held", None)
    if held is not None:
        held.pause()


@contextmanager
def alone() -> Iterator[None]:
    """Wait until every ``working`` block has paused or ended, and hold them and other measurements off.

    Raises ConfigError where the lock's files cannot be opened.
    """
    try:
        gate, lock = _opened(GATE), _opened(LOCK)
    except OSError as error:
        raise ConfigError(
            f"a folder of temporary files that can be written, or another in {FOLDER}, to measure latencies",
            f"{error.strerror} ({error.filename})",
            f"set {FOLDER} to one that all users of this machine can write",
        ) from error
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
        os.close(gate)


def _opened(name: str) -> int:
    path = Path(os.environ.get(FOLDER) or tempfile.gettempdir()) / name
    try:
        # Without O_CREAT where it is there: Linux forbids that for another user's file in a shared folder.
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    if os.fstat(descriptor).st_uid == os.geteuid():
        os.fchmod(descriptor, 0o666)  # whatever the umask says: it is for all users
    return descriptor
