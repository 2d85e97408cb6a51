"""Batches under way in a work pool for one call of a driver: its own, and those of other drivers."""

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
"""Seconds for which a server may be silent, and a store out of reach or full."""
SLOW, SLOW_SECONDS = 4.0, 60.0
"""A batch that takes longer than this many times its expected time, plus a minute, also goes to an idle worker."""
START_SECONDS = 15.0
"""Seconds from handing a batch out to the start of its process if a worker is free: it takes five."""


@dataclass
class Handed:
    """A batch under way: the architectures to score, and whether this driver is responsible for it.

    ``since``, ``started``: seconds of the monotonic clock at which it was handed out, and first seen in a process.
    """

    identities: tuple[str, ...]
    mine: bool = True
    since: float = field(default_factory=time.monotonic)
    started: float | None = None
    doubled: bool = False

    def overdue(self, cost: float | None) -> bool:
        """Whether it takes too long. ``cost``: seconds of one score. Time in the pool's queue does not count."""
        if cost is None or self.started is None:
            return False
        return time.monotonic() - self.started > SLOW * cost * len(self.identities) + SLOW_SECONDS


@dataclass
class UnderWay:
    """The batches of one tag, by their flow runs.

    A driver is responsible for its own batches and for those of a dead driver; at its end it stops them. It only waits
    for the scores of batches that another living driver handed out.
    """

    pool: Pool
    tag: str
    batches: dict[UUID, Handed] = field(default_factory=dict)
    heard: float = field(default_factory=time.monotonic)
    waiting_since: float | None = None
    live: int = 1
    """Number of workers of the pool, as of the last look."""

    def look(self, identities: Callable[[str], tuple[str, ...]]) -> list[tuple[Handed, End]]:
        """The batches that ended since the last look. ``identities``: of the batch with that digest."""
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
        """Identities of all architectures that are being computed, by any driver."""
        return {identity for handed in self.batches.values() for identity in handed.identities}

    def free_workers(self, cost: float | None = None) -> int:
        """Number of free workers for this driver. Other drivers' batches wait in the same queue, first come, first
        served.

        ``cost``: seconds of one score. An overdue batch may be dead, so it does not count as taking a worker.
        """
        self.live = self.pool.live_workers()
        self._say_that_it_waits(self.live)
        return max(0, self.live - sum(handed.mine and not handed.overdue(cost) for handed in self.batches.values()))

    def cancel(self) -> None:
        self.pool.cancel(run for run, handed in self.batches.items() if handed.mine)

    def _say_that_it_waits(self, live: int) -> None:
        """Report the beginning and the end of a wait, on the terminal and in the run's log."""
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
        """Ignore, for a limited time, a server that does not answer and a store that is out of reach or full."""
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
