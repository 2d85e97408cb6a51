"""The meter of the current run's costs, shared by all its flows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from lapt.pipeline.limits import Meter, RunLimits

meter: ContextVar[Meter] = ContextVar("lapt_meter", default=Meter())  # noqa: B039 - unlimited, never read


@contextmanager
def metered(limits: RunLimits) -> Iterator[Meter]:
    """Apply these limits to the run inside."""
    token = meter.set(Meter(limits))
    try:
        yield meter.get()
    finally:
        meter.reset(token)
