"""Evaluation on other machines: batches run as flow runs of a work pool, and their scores are read from the store."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

from prefect import get_run_logger

from flows.running.progress import listener
from flows.workers.batch import Batch
from flows.workers.halving import ATTEMPTS, Halving
from flows.workers.pools import End, Pool, Unreachable
from lapt import __version__
from lapt.base.digests import short
from lapt.errors import LaptError, StoreError
from lapt.evaluation import Checkpoints, Evaluation, OnEpoch, Prepared, Retrains
from lapt.evaluators.supernet import SupernetEvaluator
from lapt.spaces import Architecture, SearchSpace
from storage.runs.checkpoints import StoredCheckpoint
from storage.runs.evaluator import Row, StoredEvaluator

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


POLL_SECONDS = 1.0


class DispatchedEvaluator(StoredEvaluator):
    """A stored evaluator that never evaluates here: architectures without a stored score go to workers, in batches.

    There are at most as many batches as workers. A batch holds about a minute's work by the cost of earlier scores, or
    a worker's equal share if that is less. A score counts as soon as it is in the store. If a run ends without all of
    its scores (killed, crashed, its machine lost), the rest is dispatched again. A much too slow run is repeated by an
    idle worker. While the server is silent or the store cannot be written, the search waits. Batches of a killed driver
    go on; the next driver waits for them as for its own.
    """

    def __init__(self, inner: StoredEvaluator, template: Batch, pool: Pool) -> None:
        """``template``: the content of every batch, without architectures."""
        super().__init__(
            inner.evaluator,
            inner.store,
            inner.space,
            seed=inner.seed,
            fidelity=inner.fidelity,
            retry_failed=inner.retry_failed,
            on_stored=inner.on_stored,
            meter=inner.meter,
        )
        self.template, self.pool = template, pool

    def within(self, space: SearchSpace, after: StoredEvaluator | None) -> DispatchedEvaluator:
        before = after.template.spaces if isinstance(after, DispatchedEvaluator) else ()
        template = self.template.model_copy(update={"spaces": (*before, space)})
        return DispatchedEvaluator(super().within(space, after), template, self.pool)

    def at(self, epochs: int, checkpoints: Checkpoints | None = None) -> DispatchedEvaluator:
        template = self.template.model_copy(update={"epochs": epochs})
        return DispatchedEvaluator(super().at(epochs, checkpoints), template, self.pool)

    @property
    def at_once(self) -> int:
        """Unlimited: this evaluator cuts batches itself, and stores every score that is there when the time is
        spent."""
        return sys.maxsize

    # --- supernets and final trainings -------------------------------------------------------------------------------
    def prepare(self, on_epoch: OnEpoch | None = None) -> Prepared:
        inner, began = self.evaluator, time.monotonic()
        assert isinstance(inner, SupernetEvaluator)
        fresh = inner.supernets.finished(inner.key) is None
        if fresh:
            checkpoint = StoredCheckpoint(self.store, inner.key)
            with checkpoint.followed(on_epoch):
                self._one_run(
                    self.template.model_copy(update={"architectures": ()}),
                    f"{self.task}: supernet",
                    inner.key,
                    lambda: inner.supernets.finished(inner.key) is not None,
                )
        prepared = super().prepare(on_epoch)
        if fresh:
            self.meter().trained(prepared.seconds, began)
        return prepared

    def _retrained(self, inner: Retrains, architecture: Architecture, key: str, on_epoch: OnEpoch | None) -> Row:
        batch = self.template.model_copy(
            update={"architectures": (self.space.encode(architecture),), "final": True, "spaces": ()}
        )
        with StoredCheckpoint(self.store, key).followed(on_epoch):
            self._one_run(batch, f"{self.task}: final training", key, lambda: self._known_final(key) is not None)
        found = self._known_final(key)
        assert found is not None
        return found

    def _one_run(self, batch: Batch, label: str, key: str, done: Callable[[], bool]) -> None:
        """Run a batch that is one piece of work with one key, again and again until it is done."""
        under_way = UnderWay(self.pool, self._tag(key))
        digest, lost = batch.kept(self.store), 0
        try:
            while not done():
                with under_way.patiently():
                    for handed, end in under_way.look(lambda digest: ()):
                        if handed.mine and not end.cancelled and not done():
                            self.store.check_writable()  # if it is not, that was why
                            self._heed(end)
                            lost += 1
                            if lost == ATTEMPTS:
                                raise self._hopeless(label, lost, end)
                    if not under_way.batches and not done() and under_way.free_workers():
                        self.store.check_writable()
                        run = self.pool.submit(self.store.address, digest, label, under_way.tag)
                        under_way.batches[run] = Handed(())
                if not done():
                    time.sleep(POLL_SECONDS)
        finally:
            under_way.cancel()

    # --- scores ------------------------------------------------------------------------------------------------------
    def _computed(self, wanted: dict[str, Architecture]) -> Iterator[Evaluation]:
        if not wanted:
            return
        waiting, under_way, halving = dict(wanted), UnderWay(self.pool, self._tag(self.fingerprint)), Halving()
        try:
            while waiting and self._has_time():
                ready: list[Evaluation] = []
                with under_way.patiently():
                    self._refresh()
                    known = [one for one in waiting if self._known(self._key(one)) is not None]
                    ready = [replace(self._stored(one, waiting.pop(one)), origin="computed") for one in known]
                    self._take_back(waiting, under_way, halving)
                    self._hand_out(waiting, under_way, halving)
                for found in ready:
                    halving.scored()
                    yield self._paid(found)
                if waiting:
                    time.sleep(POLL_SECONDS)
        finally:
            under_way.cancel()

    def _tag(self, key: str) -> str:
        """Tag of the flow runs that compute results with that key, in this store, by this version."""
        return "lapt:" + short([self.store.address, self.task, key, __version__])

    def _identities(self, batch: str) -> tuple[str, ...]:
        texts = Batch.read(self.store, batch).architectures
        return tuple(self.identity(self.space.decode(text)) for text in texts)

    def _take_back(self, waiting: Mapping[str, Architecture], under_way: UnderWay, halving: Halving) -> None:
        """Take back the unfinished work of this driver's ended batches. Other drivers' batches are only forgotten."""
        ended = [(handed, end) for handed, end in under_way.look(self._identities) if handed.mine]
        if ended:
            self.store.check_writable()  # if it is not, that was why, and no fault of what they were at
            self._refresh()
        for handed, end in ended:
            self._heed(end)
            if end.cancelled:
                continue
            self._retried.update(self._key(identity) for identity in handed.identities)
            computed = under_way.identities()  # by a double of it
            left = [identity for identity in handed.identities if identity in waiting and identity not in computed]
            owed = [identity for identity in left if self._known(self._key(identity)) is None]
            if len(owed) < len(left):
                halving.scored()
            if owed and (runs := halving.lost(owed, under_way.live)):
                raise self._hopeless(owed[0], runs, end)

    def _hand_out(self, waiting: Mapping[str, Architecture], under_way: UnderWay, halving: Halving) -> None:
        """Submit a batch for each free worker: first of architectures in no batch, then of overdue ones."""
        cost = self.mean_cost
        computed = under_way.identities()
        todo = [identity for identity in waiting if identity not in computed]
        free = under_way.free_workers(cost)
        for identities in halving.batches(todo, free, cost):
            self._submit(identities, waiting, under_way)
            free -= 1
        overdue = [h for h in under_way.batches.values() if h.overdue(cost) and not h.doubled]
        if free > 0 and overdue:  # and the first score counts
            overdue[0].doubled = True
            owed = [identity for identity in overdue[0].identities if identity in waiting]
            if owed:
                self._submit(owed, waiting, under_way)

    def _submit(self, identities: Sequence[str], waiting: Mapping[str, Architecture], under_way: UnderWay) -> None:
        texts = tuple(self.space.encode(waiting[identity]) for identity in identities)
        self.store.check_writable()
        batch = self.template.model_copy(update={"architectures": texts, "fingerprint": self.fingerprint})
        label = f"{self.task}: {len(texts)} architecture{'s' * (len(texts) > 1)}"
        run = self.pool.submit(self.store.address, batch.kept(self.store), label, under_way.tag)
        under_way.batches[run] = Handed(tuple(identities))

    # --- what no other try mends -------------------------------------------------------------------------------------
    def _heed(self, end: End) -> None:
        """Raises the worker's own error if it refused the batch."""
        if end.refused:
            expected, _, rest = end.word.removeprefix("expected ").partition("; got ")
            got, _, remedy = rest.partition("; ")
            raise LaptError(
                expected, f"{got} (a worker of pool {self.pool.name})", f"{remedy}; the same command goes on from here"
            )

    def _hopeless(self, what: str, runs: int, end: End) -> LaptError:
        return LaptError(
            f"a score from pool {self.pool.name} ({what})",
            f"{runs} runs without one, the last with: {end.word or 'no message'}",
            "mend what that says; the same command goes on from here",
        )
