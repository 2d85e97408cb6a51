"""A Ctrl-C stays one, whatever Prefect makes of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

import pytest

from flows.embedded import under_own_server
from flows.running.progress import Listener
from lapt.errors import LaptError
from lapt.pipeline.config import load_pipeline
from storage.runs.record import RunRecord
from storage.sql.query import query
from storage.store import Store


def answered_with_an_error() -> NoReturn:
    """The steps of Prefect's task engine when a signal comes between two of them."""
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise ValueError("Task run is not set")  # noqa: B904


def inside_a_group() -> NoReturn:
    try:
        raise BaseExceptionGroup("unhandled errors in a TaskGroup", [RuntimeError(), KeyboardInterrupt()])
    except BaseExceptionGroup as group:
        raise RuntimeError("no reply") from group


def ended_by_a_signal() -> NoReturn:
    try:
        raise SystemExit(143)
    finally:
        raise ValueError("Task run is not set")


def failed() -> NoReturn:
    try:
        raise OSError("the disk is full")
    except OSError as error:
        raise LaptError("room", "none", "make some") from error


@pytest.mark.parametrize(
    ("run", "outcome"),
    [
        (answered_with_an_error, KeyboardInterrupt),
        (inside_a_group, KeyboardInterrupt),
        (ended_by_a_signal, SystemExit),
        (failed, LaptError),
    ],
)
def test_what_prefect_makes_of_a_ctrl_c_is_one_for_the_caller_and_in_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[[], NoReturn], outcome: type[BaseException]
) -> None:
    monkeypatch.setattr("flows.server.address.prefect_server", lambda home: nullcontext("no server"))
    store = Store(str(tmp_path))

    def flow() -> None:
        with RunRecord(store, "r").attempt(load_pipeline("invented")):
            run()

    with pytest.raises(outcome) as caught:
        under_own_server(flow, store.address, Listener())
    assert caught.type is outcome
    if outcome is SystemExit:
        assert caught.value.code == 143  # type: ignore[attr-defined]
    events = query(store, "SELECT event FROM runs ORDER BY created_at").to_pylist()
    assert [row["event"] for row in events] == ["started", "failed" if outcome is LaptError else "interrupted"]
