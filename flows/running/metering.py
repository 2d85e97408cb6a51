"""What the run of now may still cost: one meter, which all its flows share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from lapt.pipeline.limits import Meter, RunLimits

meter: ContextVar[Meter] = ContextVar("lapt_meter", default=Meter())  # noqa: B039 - unlimited, never read


@contextmanager
def metered(limits: RunLimits) -> Iterator[Meter]:
    """The run inside is held to these limits."""
    token = meter.set(Meter(limits))
    try:
        yield meter.get()
    finally:
        meter.reset(token)
