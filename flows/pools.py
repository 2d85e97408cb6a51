"""A Prefect work pool, as the driver of a search sees it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import State, StateType, WorkerStatus
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from flows.prefect_server import refusal
from lapt.errors import ConfigError, LaptError

EVALUATES = "evaluate-batch"
"""The deployed flow; its deployment has the pool's name."""
CLAIMED_SECONDS = 90.0
"""From a worker's taking a run to the start of its process, which takes it five."""
LIVING = ("SCHEDULED", "PENDING", "RUNNING")
"""Types of the states of a flow run that may still give something."""


def _age(state: State[Any]) -> float:
    """Seconds, by the server's clock when it was set and ours now."""
    return 0.0 if state.timestamp is None else (datetime.now(UTC) - state.timestamp).total_seconds()


class Unreachable(Exception):
    """The server does not answer, now."""


@contextmanager
def reachable() -> Iterator[None]:
    """Says a server that does not answer, or not us, as an error of three parts."""
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


class Pool:
    """Raises Unreachable from every method, ConfigError where the pool or its deployment was never made."""

    def __init__(self, name: str) -> None:
        self.name = name

    def live_workers(self) -> int:
        """Workers that were heard of within their heartbeat."""
        with self._asking(), get_client(sync_client=True) as client:
            workers = client.read_workers_for_work_pool(self.name)
        return sum(worker.status == WorkerStatus.ONLINE for worker in workers)

    def submit(self, store: str, batch: str, label: str, tag: str) -> UUID:
        """A flow run for a batch (its digest in the store): one, even where the answer was lost on the way.

        ``tag``: by which ``under_way`` finds it.
        """
        key = uuid.uuid4().hex

        @retry(retry=retry_if_exception_type(Unreachable), stop=stop_after_attempt(5), wait=wait_fixed(2), reraise=True)
        def submitted() -> UUID:
            with self._asking():
                run = run_deployment(
                    f"{EVALUATES}/{self.name}",
                    parameters={"store": store, "batch": batch, "label": label},
                    flow_run_name=label,
                    timeout=0,
                    tags=[self.name, tag],
                    idempotency_key=key,
                )
            return run.id

        return submitted()

    def under_way(self, tag: str) -> dict[UUID, str]:
        """Flow runs with that tag that are not over, whoever started them, and the digests of their batches."""
        living = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType(name) for name in LIVING]))
        tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[tag]), state=living)
        with self._asking(), get_client(sync_client=True) as client:
            found = client.read_flow_runs(flow_run_filter=tagged)
        return {run.id: str(run.parameters["batch"]) for run in found}

    def ended(self, runs: Iterable[UUID]) -> dict[UUID, str]:
        """Of these flow runs, those that are over or unknown, with the server's last word on them."""
        asked = list(runs)
        if not asked:
            return {}
        with self._asking(), get_client(sync_client=True) as client:
            found = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=asked)))
        states = {run.id: run.state for run in found}
        over: dict[UUID, str] = {}
        for run in asked:
            state = states.get(run)
            if run not in states or (state is not None and state.is_final()):
                said = "" if state is None or state.is_completed() else f"{state.name}: {state.message or ''}"
                over[run] = " ".join(said.split())[:300]
            elif state is not None and state.is_pending() and _age(state) > CLAIMED_SECONDS:
                # Its worker died with it in hand: no process, no heartbeat, and nobody else who would say so.
                over[run] = f"claimed by a worker that did not start it in {CLAIMED_SECONDS:.0f} s"
                self.cancel([run])
        return over

    def cancel(self, runs: Iterable[UUID]) -> None:
        """Asks workers to stop them; a server that does not answer is not waited for."""
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
                f"the work pool {self.name} with a deployment of {EVALUATES}", "none on the server", "lapt deploy"
            ) from error
        except httpx.HTTPStatusError as error:
            if error.response.status_code < 500:
                raise
            raise Unreachable(str(error)) from error
        except (httpx.TransportError, ConnectionError, TimeoutError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
