"""A Prefect work pool, seen from the driver of a search."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any
from uuid import UUID

import httpx
from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import State, StateType, WorkerStatus, WorkPool
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from flows.server.address import refusal
from flows.workers.job_templates import PROCESS, starts_workers
from lapt.errors import ConfigError, LaptError

EVALUATES = "evaluate-batch"
"""The deployed flow. Its deployment has the pool's name."""
CLAIMED_SECONDS, QUEUED_SECONDS = 90.0, 3600.0
"""Longest wait, in seconds, from a worker's taking a run to the start of its process; usually it takes five.

The second is for clusters, which may have to fetch an image, add a machine, or finish other work first.
"""
LIVING = (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING)
"""Types of states of a flow run that may still give a score."""
REFUSED = "Refused"
"""Name of the state of a batch that its worker can never compute: other data, another version."""
DRIVER = "driver:"
"""Prefix of a batch's tag with the id of the flow run that handed it out."""


@dataclass(frozen=True)
class Seen:
    """A flow run of a batch that is not over.

    ``batch``: digest of its work. ``driver``: the flow run that handed it out. ``started``: a process has it.
    ``unstarted_for``: seconds since a worker took it, if no process has it yet.
    """

    batch: str
    driver: str
    started: bool = True
    unstarted_for: float = 0.0


@dataclass(frozen=True)
class End:
    """The end of a flow run. ``word``: the server's last message on it, none if it completed.

    ``cancelled``: by somebody, or deleted. ``refused``: by its worker, before it computed anything.
    """

    word: str = ""
    cancelled: bool = False
    refused: bool = False


@dataclass(frozen=True)
class Queue:
    """Runs of a pool: those that workers have, those that are due, and seconds for which the first of these has
    waited."""

    running: int
    waiting: int
    waiting_seconds: float


def _of(*types: StateType) -> FlowRunFilterState:
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types)))


def _age(state: State[Any]) -> float:
    """Age in seconds: from the server's clock at the time to our clock now."""
    return 0.0 if state.timestamp is None else (datetime.now(UTC) - state.timestamp).total_seconds()


def _end(state: State[Any]) -> End:
    if state.is_completed():
        return End()
    if state.name == REFUSED:
        return End(" ".join((state.message or "").split()), refused=True)
    said = " ".join(f"{state.name}: {state.message or ''}".split())[:300]
    return End(said, cancelled=state.is_cancelled() or state.is_cancelling())


class Unreachable(Exception):
    """The server does not answer at the moment."""


@contextmanager
def reachable() -> Iterator[None]:
    """Turn a server's silence or refusal inside the block into an error of three parts."""
    try:
        yield
    except httpx.HTTPStatusError as error:
        raise refusal(error) or error from None
    except (httpx.TransportError, ConnectionError, TimeoutError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "reach" not in str(error):
            raise
        raise LaptError(
            "a Prefect server that answers", f"{type(error).__name__}: {error}", "start it, or correct PREFECT_API_URL"
        ) from error


@cache
def _root(flow_run: str) -> str:
    return runtime.flow_run.root_flow_run_id or flow_run


class Pool:
    """A work pool. Every method may raise Unreachable, or ConfigError if the pool or its deployment was never made."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def driver(self) -> str:
        """Id of the flow run in which this is called, or of the outermost one around it; empty outside of flows."""
        inside = runtime.flow_run.id
        if inside is None:
            return ""
        with self._asking():
            return _root(str(inside))

    def online(self) -> list[str]:
        """Names of the workers whose last heartbeat is recent enough."""
        with self._asking(), get_client(sync_client=True) as client:
            workers = client.read_workers_for_work_pool(self.name)
        return [worker.name for worker in workers if worker.status == WorkerStatus.ONLINE]

    def live_workers(self) -> int:
        return len(self.online())

    @cached_property
    def _made(self) -> WorkPool:
        with self._asking(), get_client(sync_client=True) as client:
            return client.read_work_pool(self.name)

    @property
    def start_command(self) -> str:
        """The command that starts a worker."""
        return starts_workers(self.name, self._made.type)

    @property
    def start_seconds(self) -> float:
        """Seconds after which a run that a worker took and did not start counts as lost."""
        here = self._made.type == PROCESS and "command" not in self._made.base_job_template.get("job_configuration", {})
        return CLAIMED_SECONDS if here else QUEUED_SECONDS

    def queue(self) -> Queue:
        """Runs of the pool, of any driver. Runs that are scheduled for later do not count as waiting."""
        here = WorkPoolFilter(name=WorkPoolFilterName(any_=[self.name]))
        by_now = FlowRunFilterExpectedStartTime(before_=datetime.now(UTC))
        due = FlowRunFilter(state=_of(StateType.SCHEDULED), expected_start_time=by_now)
        taken = FlowRunFilter(state=_of(StateType.PENDING, StateType.RUNNING))
        with self._asking(), get_client(sync_client=True) as client:
            running = client.count_flow_runs(flow_run_filter=taken, work_pool_filter=here)
            waiting = client.count_flow_runs(flow_run_filter=due, work_pool_filter=here)
            first = client.read_flow_runs(
                flow_run_filter=due, work_pool_filter=here, sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=1
            )
        since = first[0].expected_start_time if first else None
        return Queue(running, waiting, 0.0 if since is None else (datetime.now(UTC) - since).total_seconds())

    def submit(self, store: str, batch: str, label: str, tag: str) -> UUID:
        """Create a flow run for a batch (its digest in the store): only one, even if the server's answer is lost.

        ``tag``: by which ``under_way`` finds it.
        """
        key, mine = uuid.uuid4().hex, DRIVER + self.driver

        @retry(retry=retry_if_exception_type(Unreachable), stop=stop_after_attempt(5), wait=wait_fixed(2), reraise=True)
        def submitted() -> UUID:
            with self._asking():
                run = run_deployment(
                    f"{EVALUATES}/{self.name}",
                    parameters={"store": store, "batch": batch, "label": label},
                    flow_run_name=label,
                    timeout=0,
                    tags=[self.name, tag, mine],
                    idempotency_key=key,
                )
            return run.id  # type: ignore[union-attr]

        return submitted()

    def under_way(self, tag: str) -> dict[UUID, Seen]:
        """Flow runs with that tag that are not over, of any driver.

        Runs of another pool count only once they run: before, they may wait for workers that never come.
        """
        tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[tag]), state=_of(*LIVING))
        with self._asking(), get_client(sync_client=True) as client:
            found = client.read_flow_runs(flow_run_filter=tagged)
        return {
            run.id: Seen(
                str(run.parameters["batch"]),
                next((tag.removeprefix(DRIVER) for tag in run.tags if tag.startswith(DRIVER)), ""),
                started=run.state.is_running(),
                unstarted_for=_age(run.state) if run.state.is_pending() else 0.0,
            )
            for run in found
            if run.state is not None and (run.work_pool_name == self.name or run.state.is_running())
        }

    def living(self, drivers: Iterable[str]) -> set[str]:
        """Those of these flow runs that are not over."""
        asked = sorted({UUID(driver) for driver in drivers if driver})
        if not asked:
            return set()
        with self._asking(), get_client(sync_client=True) as client:
            found = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=asked)))
        return {str(run.id) for run in found if run.state is not None and not run.state.is_final()}

    def ended(self, runs: Iterable[UUID]) -> dict[UUID, End]:
        """Those of these flow runs that are over or unknown."""
        asked = list(runs)
        if not asked:
            return {}
        with self._asking(), get_client(sync_client=True) as client:
            found = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=asked)))
        states = {run.id: run.state for run in found}
        over: dict[UUID, End] = {}
        for run in asked:
            state = states.get(run)
            if run not in states:
                over[run] = End("its flow run was deleted", cancelled=True)
            elif state is not None and (state.is_final() or state.is_cancelling()):
                over[run] = _end(state)
            elif state is not None and state.is_pending() and _age(state) > self.start_seconds:
                # Its worker died with it in hand: no process, no heartbeat, and nobody else who would say so.
                over[run] = End(f"claimed by a worker that did not start it in {self.start_seconds:.0f} s")
                self.cancel([run])
        return over

    def cancel(self, runs: Iterable[UUID]) -> None:
        """Ask workers to stop these runs, without waiting for a server that does not answer."""
        for run in list(runs):
            try:
                with self._asking(), get_client(sync_client=True) as client:
                    client.set_flow_run_state(run, Cancelling())
            except (Unreachable, ConfigError):
                return

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except ObjectNotFound as error:
            raise ConfigError(
                f"the work pool {self.name} with a deployment of {EVALUATES}",
                "none on the server",
                f"lapt deploy, or lapt deploy --pool {shlex.quote(self.name)} for one of your own",
            ) from error
        except httpx.HTTPStatusError as error:
            if error.response.status_code < 500:
                raise
            raise Unreachable(str(error)) from error
        except (httpx.TransportError, ConnectionError, TimeoutError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
