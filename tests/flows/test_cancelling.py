"""A cancel from elsewhere interrupts whatever a run is at; the server's word on it is simulated."""

from __future__ import annotations

import inspect
import signal
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prefect import Flow
from prefect.exceptions import ParameterTypeError
from prefect.states import State

from flows.benchmark import build_benchmark, try_benchmark
from flows.final import train_found
from flows.pipeline import lapt_flow
from flows.running import cancelling
from flows.running.cancelling import cancellable


class Said:
    """The server's answers about the run."""

    cancelled = False

    def __call__(self, run: object) -> bool:
        return self.cancelled


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    """Of a flow run of the command line, asked a hundred times a second."""
    answer = Said()
    inside = SimpleNamespace(flow_run=SimpleNamespace(id=str(uuid4())), deployment=SimpleNamespace(id=None))
    monkeypatch.setattr(cancelling, "runtime", inside)
    monkeypatch.setattr(cancelling, "_asked", answer)
    monkeypatch.setattr(cancelling, "POLL_SECONDS", 0.01)
    before = signal.getsignal(signal.SIGUSR1)
    yield answer
    assert signal.getsignal(signal.SIGUSR1) is before


def test_what_waits_is_interrupted_and_cleans_up(said: Said) -> None:
    cleaned = []

    @cancellable
    def run() -> str:
        said.cancelled = True
        try:
            time.sleep(30)
        finally:
            cleaned.append(True)
        return "done"

    began = time.monotonic()
    state = run()
    assert isinstance(state, State)
    assert state.is_cancelled()
    assert state.message == "cancelled from Prefect; the same command goes on from there"
    assert cleaned
    assert time.monotonic() - began < 5


def test_a_background_job_that_ignores_ctrl_c_is_interrupted_too(said: Said) -> None:
    @cancellable
    def run() -> None:
        said.cancelled = True
        time.sleep(30)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert isinstance(run(), State)
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_ends_stay_what_they_are(said: Said) -> None:
    @cancellable
    def run(error: BaseException | None) -> str:
        time.sleep(0.05)
        if error is not None:
            raise error
        return "done"

    assert run(None) == "done"
    for error in (ValueError("a fault"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            run(error)
    said.cancelled = True
    time.sleep(0.05)  # nobody is interrupted once it is over


def test_what_a_worker_runs_the_worker_stops(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling.runtime.deployment, "id", str(uuid4()))
    said.cancelled = True

    @cancellable
    def run() -> str:
        time.sleep(0.05)
        return "done"

    assert run() == "done"


@pytest.mark.parametrize("one", [lapt_flow, train_found, build_benchmark, try_benchmark], ids=lambda one: one.name)
def test_what_the_command_line_starts_can_be_cancelled_and_checks_its_parameters(one: Flow[..., Any]) -> None:
    assert inspect.unwrap(one.fn) is not one.fn
    with pytest.raises(ParameterTypeError):
        one.validate_parameters({name: object() for name in inspect.signature(one.fn).parameters})
