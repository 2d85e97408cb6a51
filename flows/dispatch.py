"""Evaluation on other machines: batches as flow runs of a work pool, and scores read back from the store."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from flows.batches import Batch
from flows.pools import Pool, Unreachable
from flows.progress import listener
from lapt.digests import short
from lapt.errors import LaptError, StoreError
from lapt.evaluation import Evaluation, OnEpoch, Prepared, Retrains
from lapt.evaluators.supernet import SupernetEvaluator
from lapt.spaces import Architecture, SearchSpace
from storage.checkpoints import StoredCheckpoint
from storage.evaluator import Row, StoredEvaluator

POLL_SECONDS = 1.0
WORTH_SECONDS = 60.0
"""Of work that a batch should hold: starting one costs a worker about five."""
UNKNOWN_SIZE = 32
"""Architectures of a batch at most, while nobody knows what one costs."""
ATTEMPTS = 3
"""Runs that may end over an architecture without a score of it, before the search says so."""
LOST_SECONDS = 600.0
"""How long a server may be silent, and a store out of reach or full."""
SLOW = 4.0
"""A batch that takes so many times what it should, and a minute more, is given to an idle worker as well."""


@dataclass
class _Running:
    """A batch under way: what it was to score, since when (seconds of the monotonic clock) and how long it should."""

    identities: tuple[str, ...]
    since: float
    expected: float | None
    doubled: bool = False


@dataclass
class _Batches:
    """What is under way in a pool for one call, and how often it came to nothing."""

    pool: Pool
    running: dict[UUID, _Running] = field(default_factory=dict)
    strikes: dict[str, int] = field(default_factory=dict)
    heard: float = field(default_factory=time.monotonic)
    adopted: bool = False
    last_word: str = ""

    def ended(self) -> list[_Running]:
        """Those that are under way no longer, whatever came of them."""
        gone = []
        for run, word in self.pool.ended(self.running).items():
            gone.append(self.running.pop(run))
            self.last_word = word or self.last_word
        return gone

    def cancel(self) -> None:
        self.pool.cancel(self.running)


class DispatchedEvaluator(StoredEvaluator):
    """A stored evaluator that never evaluates here: what the store lacks goes to workers, in batches.

    Batches are dispatched up to the workers that are there, each of about a minute's work by what such scores cost so
    far, or a share for every worker where that is less. Scores count as soon as they are in the store. A run that ends
    without all of its scores (killed, crashed, its machine lost) gives the rest back, to be dispatched again; one that
    is much too slow is doubled by an idle worker. While the server is silent or the store cannot be written, the search
    waits. Batches of a driver that was killed go on, and are waited for like its own by the next one.
    """

    def __init__(self, inner: StoredEvaluator, template: Batch, pool: Pool) -> None:
        """``template``: what every batch says, without architectures."""
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
        """A batch that is one thing, known by its key, again and again until it is done."""
        batches, tag = _Batches(self.pool), self._tag(key)
        digest, tries = batch.kept(self.store), 0
        try:
            while not done():
                with _Patience(batches):
                    if not batches.running:
                        batches.running = {
                            run: _Running((), time.monotonic(), None) for run in self.pool.under_way(tag)
                        }
                    if not batches.running:
                        self._give_up(tries >= ATTEMPTS, label, batches)
                        if self._free(batches):
                            self.store.check_writable()
                            run = self.pool.submit(self.store.address, digest, label, tag)
                            batches.running[run] = _Running((), time.monotonic(), None)
                            tries += 1
                    batches.ended()
                if not done():
                    time.sleep(POLL_SECONDS)
        finally:
            batches.cancel()

    # --- scores ------------------------------------------------------------------------------------------------------
    def _computed(self, wanted: dict[str, Architecture]) -> Iterator[Evaluation]:
        if not wanted:
            return
        waiting, batches = dict(wanted), _Batches(self.pool)
        try:
            while waiting and self._has_time():
                ready: list[Evaluation] = []
                with _Patience(batches):
                    self._refresh()
                    known = [one for one in waiting if self._known(self._key(one)) is not None]
                    ready = [replace(self._stored(one, waiting.pop(one)), origin="computed") for one in known]
                    if not batches.adopted:
                        self._adopt(waiting, batches)
                    self._next(waiting, batches)
                for found in ready:
                    yield self._paid(found)
                if waiting:
                    time.sleep(POLL_SECONDS)
        finally:
            batches.cancel()

    def _tag(self, key: str) -> str:
        """Of the flow runs that compute what has that key, in this store."""
        return "lapt:" + short([self.store.address, self.task, key])

    def _adopt(self, waiting: Mapping[str, Architecture], batches: _Batches) -> None:
        """What a driver before this one handed out, and did not live to see."""
        for run, digest in self.pool.under_way(self._tag(self.fingerprint)).items():
            texts = Batch.read(self.store, digest).architectures
            identities = (self.identity(self.space.decode(text)) for text in texts)
            mine = tuple(identity for identity in identities if identity in waiting)
            batches.running[run] = _Running(mine, time.monotonic(), None)
        batches.adopted = True

    def _next(self, waiting: dict[str, Architecture], batches: _Batches) -> None:
        """Gives back what ended without a score, and hands out what nobody has."""
        ended = batches.ended()
        if ended:
            self.store.check_writable()  # if it is not, that was why, and no fault of what they were at
        for gone in ended:
            self._refresh()
            self._retried.update(self._key(identity) for identity in gone.identities)
            for identity in gone.identities:
                if identity in waiting and self._known(self._key(identity)) is None:
                    batches.strikes[identity] = batches.strikes.get(identity, 0) + 1
                    self._give_up(batches.strikes[identity] >= ATTEMPTS, identity, batches)
        under_way = {identity for run in batches.running.values() for identity in run.identities}
        todo = [identity for identity in waiting if identity not in under_way]
        free = self._free(batches)
        while free > 0 and todo:
            struck = batches.strikes.get(todo[0], 0) > 0
            some = todo[: batch_size(len(todo), free, self.mean_cost, struck=struck)]
            self._hand_out(some, waiting, batches)
            del todo[: len(some)]
            free -= 1
        if free > 0 and not todo:
            self._double(waiting, batches)

    def _hand_out(self, identities: Sequence[str], waiting: dict[str, Architecture], batches: _Batches) -> None:
        texts = tuple(self.space.encode(waiting[identity]) for identity in identities)
        self.store.check_writable()
        batch = self.template.model_copy(update={"architectures": texts, "fingerprint": self.fingerprint})
        count = f"{len(texts)} architecture{'s' * (len(texts) > 1)}"
        tag = self._tag(self.fingerprint)
        run = self.pool.submit(self.store.address, batch.kept(self.store), f"{self.task}: {count}", tag)
        expected = None if self.mean_cost is None else self.mean_cost * len(texts)
        batches.running[run] = _Running(tuple(identities), time.monotonic(), expected)

    def _double(self, waiting: dict[str, Architecture], batches: _Batches) -> None:
        """What the slowest batch still owes goes to an idle worker too; the first score counts."""
        for run in list(batches.running.values()):
            if run.doubled or not self._overdue(run):
                continue
            run.doubled = True
            owed = [identity for identity in run.identities if identity in waiting]
            if owed:
                self._hand_out(owed, waiting, batches)
            return

    def _free(self, batches: _Batches) -> int:
        live = self.pool.live_workers()
        if live == 0:
            listener.get().stage(f"waiting for a worker of pool {self.pool.name} (lapt worker --pool {self.pool.name})")
        # What is overdue may be dead: it keeps no worker from taking its place.
        return max(0, live - sum(not self._overdue(run) for run in batches.running.values()))

    def _overdue(self, run: _Running) -> bool:
        cost = self.mean_cost
        expected = cost * len(run.identities) if run.expected is None and cost is not None else run.expected
        return expected is not None and time.monotonic() - run.since > SLOW * expected + WORTH_SECONDS

    def _give_up(self, hopeless: bool, what: str, batches: _Batches) -> None:
        if hopeless:
            raise LaptError(
                f"a score from pool {self.pool.name} ({what})",
                f"{ATTEMPTS} runs without one, the last with: {batches.last_word or 'no message'}",
                "mend what that says; the same command goes on from here",
            )


def batch_size(todo: int, workers: int, cost: float | None, *, struck: bool = False) -> int:
    """Architectures of the next batch: a minute's work by what one ``cost``s, in seconds, or every worker's share of
    what is to do, if that is less. ``struck``: the first was in a run that came to nothing; which of them was it?"""
    if struck:
        return 1
    worth = UNKNOWN_SIZE if cost is None else math.ceil(WORTH_SECONDS / max(cost, 0.01))
    return max(1, min(math.ceil(todo / workers), worth))


class _Patience:
    """Passes over a server that does not answer and a store that is out of reach or full, for so long."""

    def __init__(self, batches: _Batches) -> None:
        self._batches = batches

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if error is None:
            self._batches.heard = time.monotonic()
            return False
        if not isinstance(error, Unreachable | StoreError):
            return False
        lost = time.monotonic() - self._batches.heard > LOST_SECONDS
        if isinstance(error, StoreError):
            listener.get().stage(f"waiting for the store: {error.got} ({error.remedy})")
            return not lost
        if lost:
            raise LaptError(
                "a Prefect server that answers",
                f"none for {LOST_SECONDS:.0f} s: {error}",
                "start it, and run this again",
            ) from error
        return True
