"""What is under way in a work pool for one call of a driver: its own batches, and those that others handed out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from prefect import get_run_logger

from flows.running.progress import listener
from flows.workers.pools import End, Pool, Unreachable
from lapt.errors import LaptError, StoreError

LOST_SECONDS = 600.0
"""How long a server may be silent, and a store out of reach or full."""
SLOW, SLOW_SECONDS = 4.0, 60.0
"""A batch that takes so many times what it should, and a minute more, is given to an idle worker as well."""
START_SECONDS = 15.0
"""From handing a batch out to the start of its process, where a worker is free: it takes five."""


@dataclass
class Handed:
    """A batch under way: what it is to score, and whether this driver answers for it.

    ``since``, ``started``: seconds of the monotonic clock, at which it was handed out, and first seen in a process.
    """

    identities: tuple[str, ...]
    mine: bool = True
    since: float = field(default_factory=time.monotonic)
    started: float | None = None
    doubled: bool = False

    def overdue(self, cost: float | None) -> bool:
        """By what one score costs, in seconds. Time in the pool's queue does not count."""
        if cost is None or self.started is None:
            return False
        return time.monotonic() - self.started > SLOW * cost * len(self.identities) + SLOW_SECONDS


@dataclass
class UnderWay:
    """The batches that compute what has one tag, by their flow runs.

    A driver answers for what it handed out, and for what a dead driver left: those it stops at its end. What a driver
    beside it handed out is that one's; its scores reach the store, and are waited for.
    """

    pool: Pool
    tag: str
    batches: dict[UUID, Handed] = field(default_factory=dict)
    heard: float = field(default_factory=time.monotonic)
    waiting_since: float | None = None
    live: int = 1
    """Workers of the pool, as last heard of."""

    def look(self, identities: Callable[[str], tuple[str, ...]]) -> list[tuple[Handed, End]]:
        """Those that ended since the last look. ``identities``: of the batch with that digest."""
        seen = self.pool.under_way(self.tag)
        for run, one in seen.items():
            if run not in self.batches:
                self.batches[run] = Handed(identities(one.batch), mine=one.driver == self.pool.driver)
            if one.started and self.batches[run].started is None:
                self.batches[run].started = time.monotonic()
        theirs = {run: seen[run].driver for run, handed in self.batches.items() if run in seen and not handed.mine}
        living = self.pool.living(theirs.values()) if theirs else set()
        for run, driver in theirs.items():
            self.batches[run].mine = driver not in living
        mine = [run for run, handed in self.batches.items() if handed.mine]
        ended = self.pool.ended(
            run for run in mine if run not in seen or seen[run].unstarted_for > self.pool.start_seconds
        )
        ended |= {run: End() for run, handed in self.batches.items() if run not in seen and not handed.mine}
        return [(self.batches.pop(run), end) for run, end in ended.items()]

    def identities(self) -> set[str]:
        """What is being computed, by whomever."""
        return {identity for handed in self.batches.values() for identity in handed.identities}

    def free_workers(self, cost: float | None = None) -> int:
        """For this driver: what others hand out waits in one queue with its own, first come, first served.

        ``cost``: of one score, in seconds. What is overdue may be dead: it keeps no worker from taking its place.
        """
        self.live = self.pool.live_workers()
        self._say_that_it_waits(self.live)
        return max(0, self.live - sum(handed.mine and not handed.overdue(cost) for handed in self.batches.values()))

    def cancel(self) -> None:
        self.pool.cancel(run for run, handed in self.batches.items() if handed.mine)

    def _say_that_it_waits(self, live: int) -> None:
        """On the terminal, and in the run's log, at the beginning of a wait and at its end."""
        now, name = time.monotonic(), self.pool.name
        mine = [handed for handed in self.batches.values() if handed.mine]
        started = any(handed.started is not None for handed in mine)
        stuck = bool(mine) and not started and now - max(handed.since for handed in mine) > START_SECONDS
        if live == 0 or stuck:
            busy = f"a free worker of pool {name}: {live} online, busy" if live else f"a worker of pool {name}"
            if self.waiting_since is None:
                self.waiting_since = now
                get_run_logger().warning("waiting for %s (%s)", busy, self.pool.start_command)
            listener.get().stage(f"waiting for {busy} ({self.pool.start_command})")
        elif self.waiting_since is not None and started:
            waited, self.waiting_since = now - self.waiting_since, None
            get_run_logger().info("pool %s has a free worker, after %.0f s", name, waited)
            listener.get().stage(f"evaluating on pool {name}")

    @contextmanager
    def patiently(self) -> Iterator[None]:
        """Passes over a server that does not answer and a store that is out of reach or full, for so long."""
        try:
            yield
            self.heard = time.monotonic()
        except StoreError as error:
            listener.get().stage(f"waiting for the store: {error.got} ({error.remedy})")
            if self._lost():
                raise
        except Unreachable as error:
            if self._lost():
                raise LaptError(
                    "a Prefect server that answers",
                    f"none for {LOST_SECONDS:.0f} s: {error}",
                    "start it, and run this again",
                ) from error

    def _lost(self) -> bool:
        return time.monotonic() - self.heard > LOST_SECONDS
