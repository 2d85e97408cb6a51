"""Progress of a run, for a listener, and the meter of its costs. Listening changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from lapt.evaluation import OnEpoch
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


class Listener:
    """Listener of a run's progress. This one is silent; the command line's draws bars."""

    def stage(self, text: str) -> None:
        """A new stage of the run begins."""

    def target(self, task: str, budget: int, label: str = "") -> None:
        """Evaluations on a task begin, at most ``budget`` of them: the source's archive, or the search on a target.

        ``label``: their purpose, if a task is evaluated more than once.
        """

    def scored(self, task: str) -> None:
        """One more architecture was trained; the rest of its batch may still be under way."""

    def evaluated(self, task: str, done: int, incumbent: str) -> None:
        """A batch has ended. ``done``: evaluations so far. ``incumbent``: the best score as text."""

    def told(self, text: str) -> None:
        """Something that the user should know at once happened, and the run goes on."""

    def epoch(self, label: str, epoch: int, epochs: int, loss: float) -> None:
        """One more epoch of a long training has ended. ``loss``: the mean of that epoch."""

    def target_done(self, task: str) -> None:
        """The search on a target ended."""


listener: ContextVar[Listener] = ContextVar("lapt_listener", default=Listener())  # noqa: B039 - stateless default


def epochs(label: str) -> OnEpoch:
    """A callback that tells the current listener of epochs, from any thread."""
    hears = listener.get()

    def heard(epoch: int, epochs: int, loss: float) -> None:
        hears.epoch(label, epoch, epochs, loss)

    return heard
