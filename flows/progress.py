"""How a run tells a listener where it is. Listening changes nothing."""

from __future__ import annotations

from contextvars import ContextVar


class Listener:
    """Hears of a run's progress. This one is silent; the command line's draws bars."""

    def stage(self, text: str) -> None:
        """A new stage of the run begins."""

    def target(self, task: str, budget: int) -> None:
        """The search on a target begins; it takes at most ``budget`` evaluations."""

    def evaluated(self, task: str, done: int, incumbent: str) -> None:
        """``done`` evaluations so far; ``incumbent`` is the best score as text."""

    def target_done(self, task: str) -> None:
        """The search on a target ended."""


listener: ContextVar[Listener] = ContextVar("lapt_listener", default=Listener())  # noqa: B039 - stateless default
