"""How a run tells a listener where it is. Listening changes nothing."""

from __future__ import annotations

from contextvars import ContextVar

from lapt.evaluation import OnEpoch


class Listener:
    """Hears of a run's progress. This one is silent; the command line's draws bars."""

    def stage(self, text: str) -> None:
        """A new stage of the run begins."""

    def target(self, task: str, budget: int, label: str = "") -> None:
        """Evaluations on a task begin, at most ``budget`` of them: the source's archive, or the search on a target.

        ``label``: what they are for, where a task is evaluated more than once.
        """

    def scored(self, task: str) -> None:
        """One more architecture was trained; its batch may still be under way."""

    def evaluated(self, task: str, done: int, incumbent: str) -> None:
        """A batch is told: ``done`` evaluations so far; ``incumbent`` is the best score as text."""

    def epoch(self, label: str, epoch: int, epochs: int, loss: float) -> None:
        """A long training did another of its epochs; ``loss``: the mean of that epoch."""

    def target_done(self, task: str) -> None:
        """The search on a target ended."""


listener: ContextVar[Listener] = ContextVar("lapt_listener", default=Listener())  # noqa: B039 - stateless default


def epochs(label: str) -> OnEpoch:
    """Tells the listener of now, from whatever thread."""
    hears = listener.get()

    def heard(epoch: int, epochs: int, loss: float) -> None:
        hears.epoch(label, epoch, epochs, loss)

    return heard
