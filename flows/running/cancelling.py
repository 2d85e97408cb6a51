"""Cancelling a run of the command line from the Prefect UI: no Prefect worker is there to stop it."""

from __future__ import annotations

import contextvars
import inspect
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import ParamSpec, TypeVar
from uuid import UUID

import httpx
from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelled

P = ParamSpec("P")
R = TypeVar("R")

POLL_SECONDS = 2.0
WORD = "cancelled from Prefect"


def cancellable(run: Callable[P, R]) -> Callable[P, R]:
    """Wrap a flow's function: if its run or a part of it is cancelled, it ends as by Ctrl-C, in the state Cancelled.

    This works at any point: a batch on a worker, a training, a model's reply. A run on a worker is stopped by the
    worker.
    """

    @wraps(run)
    def heeding(*args: P.args, **kwargs: P.kwargs) -> R:
        with _heeded() as cancelled:
            try:
                return run(*args, **kwargs)
            except BaseException:
                if not cancelled.is_set():
                    raise
        return Cancelled(message=f"{WORD}; the same command goes on from there")  # type: ignore[return-value]

    # Prefect looks up the names of annotations where the outer function stands.
    heeding.__signature__ = inspect.signature(run, eval_str=True)  # type: ignore[attr-defined]
    return heeding


@contextmanager
def _heeded() -> Iterator[threading.Event]:
    """Interrupt the code inside once the flow run is cancelled; yields the event that tells so."""
    cancelled, over, turn = threading.Event(), threading.Event(), threading.Lock()
    main = threading.main_thread()
    run = runtime.flow_run.id
    if run is None or runtime.deployment.id is not None or threading.current_thread() is not main:
        yield cancelled
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not over.is_set():
            raise KeyboardInterrupt(WORD)

    def follow() -> None:
        while not over.wait(POLL_SECONDS):
            try:
                asked = _asked(UUID(str(run)))
            except httpx.HTTPError:  # a server that does not answer now
                continue
            with turn:
                if asked and not over.is_set():
                    cancelled.set()
                    # No SIGINT, which shells make background jobs ignore; to the main thread, whatever it waits for.
                    signal.pthread_kill(int(main.ident or 0), signal.SIGUSR1)
                    return

    before = signal.signal(signal.SIGUSR1, interrupt)
    threading.Thread(target=contextvars.copy_context().run, args=(follow,), daemon=True).start()
    try:
        yield cancelled
    finally:
        with turn:
            over.set()
        signal.signal(signal.SIGUSR1, before)


def _asked(run: UUID) -> bool:
    """Whether the flow run, or one inside it, was cancelled. Its batches do not count: they belong to a worker."""
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CANCELLING, StateType.CANCELLED]))
    itself = FlowRunFilter(id=FlowRunFilterId(any_=[run]), state=state)
    inside = FlowRunFilter(
        parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run]),
        deployment_id=FlowRunFilterDeploymentId(is_null_=True),
        state=state,
    )
    with get_client(sync_client=True) as client:
        return any(client.read_flow_runs(flow_run_filter=asked, limit=1) for asked in (itself, inside))
