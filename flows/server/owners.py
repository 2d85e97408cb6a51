"""Owners of runs of the embedded server: processes that hold a lock for as long as they live.

Every run carries its owner's tag. The kernel drops the lock with the process. So runs of a killed owner are told from
those that still run, without a clock and without process numbers, which may be used again. The folder must lie on a
local disk: SQLite's write-ahead log needs one anyway.
"""

import fcntl
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TAG_PREFIX = "owner:"
GONE = "the process that ran it is gone; run the same command again to resume"
PAGE = 200  # the server's own limit of a page

_private_descriptors: set[int] = set()


def _close_in_child() -> None:
    for descriptor in _private_descriptors:
        os.close(descriptor)
    _private_descriptors.clear()


# A forked child (a process pool's worker) that outlives us must hold neither our lock nor our server's life line.
os.register_at_fork(after_in_child=_close_in_child)


@contextmanager
def private_descriptor(descriptor: int) -> Iterator[int]:
    """Keep ``descriptor`` open in this process alone: it is closed on exec and in forked children."""
    _private_descriptors.add(descriptor)
    try:
        yield descriptor
    finally:
        if descriptor in _private_descriptors:
            _private_descriptors.remove(descriptor)
            os.close(descriptor)


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Wait for the lock on ``path``, then hold it."""
    with private_descriptor(os.open(path, os.O_RDWR | os.O_CREAT, 0o600)) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def ownership(folder: Path) -> Iterator[str]:
    """Be an owner inside the block; yields the tag for one's runs."""
    folder.mkdir(parents=True, exist_ok=True)
    name = str(uuid.uuid4())
    path, unlocked = folder / f"{name}.lock", folder / f"{name}.new"
    with private_descriptor(os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Renamed once locked: a lock file that nobody holds is always a dead owner's.
        unlocked.rename(path)
        try:
            yield TAG_PREFIX + name
        finally:
            path.unlink(missing_ok=True)


def is_alive(folder: Path, tag: str) -> bool:
    """Whether the owner behind ``tag`` still holds its lock."""
    path = folder / f"{tag.removeprefix(TAG_PREFIX)}.lock"
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def close_abandoned_runs(folder: Path) -> int:
    """Mark unfinished runs of dead owners as crashed, forget those owners, and return the number of runs closed."""
    dead: dict[str, bool] = {}

    def abandoned(tags: list[str]) -> bool:
        owners = [tag for tag in tags if tag.startswith(TAG_PREFIX)]
        for owner in owners:
            if owner not in dead:
                dead[owner] = not is_alive(folder, owner)
        return bool(owners) and all(dead[owner] for owner in owners)

    closed = _crash(abandoned)
    for path in folder.glob("*.lock"):
        if not is_alive(folder, path.stem):
            path.unlink(missing_ok=True)
    return closed


def close_own_runs(tag: str, patience_s: float = 1.0) -> int:
    """Mark runs that an interruption left unfinished under ``tag`` as crashed; returns the number of runs closed.

    Task states reach the database with a short delay: a run counts as lost only after ``patience_s`` without a change.
    """
    unfinished = _unfinished(lambda tags: tag in tags)
    deadline = time.monotonic() + patience_s
    while unfinished and time.monotonic() < deadline:
        time.sleep(0.05)
        before, unfinished = unfinished, _unfinished(lambda tags: tag in tags)
        if set(unfinished) != set(before):
            deadline = time.monotonic() + patience_s
    return _crash(lambda tags: tag in tags)


def _crash(mine: Callable[[list[str]], bool]) -> int:
    from prefect.client.orchestration import get_client
    from prefect.states import Crashed

    runs = _unfinished(mine)
    with get_client(sync_client=True) as client:
        for kind, run in runs:
            setter = client.set_task_run_state if kind == "task" else client.set_flow_run_state
            setter(run, Crashed(message=GONE), force=True)
    return len(runs)


def _unfinished(mine: Callable[[list[str]], bool]) -> list[tuple[str, uuid.UUID]]:
    """Unfinished runs, task runs before flow runs: a parent is closed after its children."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import TERMINAL_STATES, StateType

    unfinished = [state for state in StateType if state not in TERMINAL_STATES]
    task_filter = filters.TaskRunFilter(
        state=filters.TaskRunFilterState(type=filters.TaskRunFilterStateType(any_=unfinished))
    )
    flow_filter = filters.FlowRunFilter(
        state=filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=unfinished))
    )
    with get_client(sync_client=True) as client:
        tasks = _pages(client.read_task_runs, task_run_filter=task_filter)
        flows = _pages(client.read_flow_runs, flow_run_filter=flow_filter)
    return [("task", run.id) for run in tasks if mine(run.tags)] + [("flow", run.id) for run in flows if mine(run.tags)]


def _pages(read: Callable[..., list[Any]], **selection: Any) -> list[Any]:
    found: list[Any] = []
    while True:
        page = read(limit=PAGE, offset=len(found), **selection)
        found += page
        if len(page) < PAGE:
            return found
