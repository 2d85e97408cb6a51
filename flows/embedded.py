"""A run in this process, under a Prefect server that this process owns."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from flows.running.progress import Listener, listener
from flows.server.settings import apply_environment, connections_said
from lapt.errors import LaptError, Stopped, interruption, release
from lapt.pipeline.config import Execution, Pipeline
from lapt.pipeline.results import RunResult
from lapt.reasoning.config import ChatReasoner, parts_of
from storage.addresses import address_of
from storage.store import Store

R = TypeVar("R")


def history_home(store_address: str) -> Path:
    """The folder of the embedded server's history: in the store's folder, or in the user's cache for a remote store."""
    from flows.server.database import cache_folder
    from lapt.base.digests import short

    address, folder = address_of(store_address)
    return cache_folder() / "prefect" / short(address) if folder is None else folder / "prefect"


def run_embedded(pipeline: Pipeline, execution: Execution, hears: Listener) -> RunResult:
    """Run one pipeline. If it needs something that is missing, it is refused before a server starts."""
    from flows.build import build, ready
    from flows.evaluators import trained

    # A Secret block is kept by the server, which is not there yet: the flow reads it before it does anything else.
    asked = parts_of(pipeline.reasoner)
    later = any(isinstance(one, ChatReasoner) and one.key_block is not None for one in asked)
    built = build(pipeline, execution.model_copy(update={"replies": "replay"}) if later else execution)

    if pipeline.evaluator.trains:
        hears.told(f"this run pays for {trained(pipeline, built.evaluator)}, less what the store already has")

    def run() -> RunResult:
        from prefect import tags

        from flows.pipeline import lapt_flow

        with tags(f"space:{pipeline.space_name}"), ready(built):
            return lapt_flow(pipeline, execution)

    return under_own_server(run, execution.store, hears)


def under_own_server(run: Callable[[], R], store: str, hears: Listener) -> R:
    """The result of ``run``, which imports a flow and calls it. Check its needs before: a server takes seconds."""
    import httpx

    from flows.server.address import refusal

    Store(store).check_writable()
    apply_environment()
    home = history_home(store)
    try:
        return _run_under_own_server(home, run, hears)
    except httpx.HTTPError as error:
        refused = refusal(error)
        if refused is not None:
            raise refused from error
        free = shutil.disk_usage(home if home.exists() else ".").free
        raise LaptError(
            "a Prefect server that answers",
            f"{str(error).splitlines()[0]} ({free / 1e6:,.0f} MB are free in {home})",
            f"make room if that is little, or read {home / 'server.log'}; the same command goes on from here",
        ) from error
    except KeyboardInterrupt as stopped:
        release(stopped)  # Prefect keeps it, and its frames would be there to the end of the interpreter
        raise


def _run_under_own_server(home: Path, run: Callable[[], R], hears: Listener) -> R:
    hears.stage("starting Prefect (the first time on a machine takes about a minute)")
    from prefect.exceptions import CancelledRun

    from flows.running.cancelling import WORD
    from flows.server.address import prefect_server

    with ExitStack() as stack:
        try:
            stack.enter_context(prefect_server(home))
        except OSError as error:
            said = connections_said()
            raise LaptError(
                "a Prefect server of this run's own",
                " ".join(str(error).split()),
                f"correct or unset these connection settings: {said}" if said else "see to that file or resource",
            ) from error
        _hide_expected_tracebacks()
        token = listener.set(hears)
        stack.callback(listener.reset, token)
        try:
            return run()
        except CancelledRun as error:
            raise Stopped(WORD) from error
        except Exception as error:
            stopped = interruption(error)
            if stopped is None:
                raise
            raise type(stopped)(*stopped.args) from error


class _Expected(logging.Filter):
    """Filter of log records for errors that the user sees as one line anyway: LAPT's own errors, and Ctrl-C."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        text = record.getMessage()
        return not (
            isinstance(error, LaptError | KeyboardInterrupt)
            or "LaptError" in text
            or text.startswith(("Finished in state", "Task run failed with exception", "Encountered exception"))
            or text.startswith("Crash detected!")
        )


def _hide_expected_tracebacks() -> None:
    """Apply the filter to the terminal alone. The run's log, which the Prefect UI shows, keeps the tracebacks."""
    import prefect.main  # noqa: F401 - makes the handlers, if a server of our own has not
    from prefect.logging.handlers import PrefectConsoleHandler

    if "--debug" in sys.argv:
        return
    loggers = [logging.getLogger(name) for name in ("prefect", *logging.root.manager.loggerDict)]
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        if isinstance(handler, PrefectConsoleHandler):
            handler.addFilter(_Expected())
