"""Drivers beside each other on one server: a pool that is simulated, its workers' answers told one by one."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.schemas.objects import WorkPool
from prefect.logging import disable_run_logger

import flows.workers.dispatch as dispatch
import flows.workers.dispatch as under_way
from flows.evaluators import stored_evaluator
from flows.workers.batch import Batch
from flows.workers.dispatch import DispatchedEvaluator
from flows.workers.pools import End, Pool, Seen
from lapt.errors import LaptError
from lapt.evaluation import Evaluation
from lapt.pipeline.config import Execution, load_pipeline
from lapt.spaces import space_named
from storage.store import Store

SPACE = space_named("nas201")
CELLS = [cell for cell, _ in zip(SPACE.members(), range(12), strict=False)]
PIPELINE = load_pipeline("invented", ["evaluator.seconds=0.0001"])


@dataclass
class Server:
    """Flow runs of batches by id, and the drivers that are not over."""

    runs: dict[UUID, Seen] = field(default_factory=dict)
    tags: dict[UUID, str] = field(default_factory=dict)
    over: dict[UUID, End] = field(default_factory=dict)
    cancelled: list[UUID] = field(default_factory=list)
    drivers: set[str] = field(default_factory=set)
    workers: int = 1

    def end(self, run: UUID, end: End = End()) -> None:  # noqa: B008 - frozen
        del self.runs[run]
        self.over[run] = end


class FakePool(Pool):
    """As the driver of that name sees it."""

    start_seconds, start_command = 90.0, "lapt worker --pool cpu"

    def __init__(self, server: Server, driver: str) -> None:
        super().__init__("cpu")
        self._server, self._driver = server, driver
        self._made = WorkPool(name="cpu", type="process", default_queue_id=uuid.uuid4())

    @property
    def driver(self) -> str:
        return self._driver

    def live_workers(self) -> int:
        return self._server.workers

    def submit(self, store: str, batch: str, label: str, tag: str) -> UUID:
        run = uuid.uuid4()
        self._server.runs[run], self._server.tags[run] = Seen(batch, self._driver, started=False), tag
        return run

    def under_way(self, tag: str) -> dict[UUID, Seen]:
        return {run: seen for run, seen in self._server.runs.items() if self._server.tags[run] == tag}

    def living(self, drivers: Iterable[str]) -> set[str]:
        return set(drivers) & self._server.drivers

    def ended(self, runs: Iterable[UUID]) -> dict[UUID, End]:
        return {run: self._server.over[run] for run in runs if run in self._server.over}

    def cancel(self, runs: Iterable[UUID]) -> None:
        for run in list(runs):
            self._server.cancelled.append(run)
            self._server.end(run, End("Cancelled", cancelled=True))


@pytest.fixture(autouse=True)
def no_run_logger() -> Iterator[None]:
    with disable_run_logger():
        yield


class Case:
    """A store, a server, and drivers that ask for cells of one task."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.server = Store(folder), Server()
        self.here = stored_evaluator(PIPELINE, Execution(store=self.store.address), "invented_a")
        self.polls: list[Callable[[], None]] = []
        monkeypatch.setattr(dispatch.time, "sleep", self._poll)

    def _poll(self, seconds: float) -> None:
        if seconds == dispatch.POLL_SECONDS:
            assert self.polls, "a driver that waits for nothing"
            self.polls.pop(0)()

    def driver(self, name: str) -> DispatchedEvaluator:
        self.server.drivers.add(name)
        batch = Batch(pipeline=PIPELINE, task="invented_a")
        inner = stored_evaluator(PIPELINE, Execution(store=self.store.address), "invented_a")
        return DispatchedEvaluator(inner, batch, FakePool(self.server, name))

    def of(self, run: UUID) -> list[str]:
        return list(Batch.read(self.store, self.server.runs[run].batch).architectures)

    def hand_out(self, driver: str, cells: int) -> UUID:
        """Hand out the first ``cells`` cells as a batch of a driver of that name."""
        texts = tuple(SPACE.encode(cell) for cell in CELLS[:cells])
        asked = self.driver(driver)
        batch = asked.template.model_copy(update={"architectures": texts, "fingerprint": asked.fingerprint})
        return asked.pool.submit(self.store.address, batch.kept(self.store), driver, asked._tag(asked.fingerprint))

    def score(self, run: UUID, first: int | None = None) -> None:
        """A worker does the batch, or the first of it."""
        self.here.evaluate([SPACE.decode(text) for text in self.of(run)[:first]])

    def work(self) -> None:
        """Everything that is under way is done."""
        for run in list(self.server.runs):
            self.score(run)
            self.server.end(run)

    def lose(self, end: End) -> None:
        for run in list(self.server.runs):
            self.server.end(run, end)


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    return Case(tmp_path, monkeypatch)


def values(found: list[Evaluation]) -> list[float | None]:
    return [one.value for one in found]


def test_what_another_driver_has_under_way_is_waited_for_and_left_alone(case: Case) -> None:
    theirs = case.hand_out("large", 8)
    seen: list[list[UUID]] = []

    def look() -> None:
        seen.append(list(case.server.runs))
        case.score(theirs, 4)

    case.polls = [look]
    found = case.driver("small").evaluate(CELLS[:4])
    assert seen == [[theirs]]  # nothing was handed out twice
    assert values(found) == values(case.here.evaluate(CELLS[:4]))
    assert case.server.cancelled == []
    assert theirs in case.server.runs  # it goes on with the other four


def test_what_another_driver_did_not_finish_is_handed_out_here_without_a_strike(case: Case) -> None:
    ends = [End("killed", cancelled=True), End("Crashed: machine lost")] * 3
    case.hand_out("other", 1)

    def lost_and_again() -> None:
        case.lose(ends.pop())
        if ends:
            case.hand_out("other", 1)

    case.polls = [lost_and_again] * 6 + [case.work]
    assert values(case.driver("mine").evaluate(CELLS[:1])) == values(case.here.evaluate(CELLS[:1]))


def test_what_a_dead_driver_left_is_waited_for_and_stopped_as_ones_own(case: Case) -> None:
    left = case.hand_out("dead", 8)
    case.server.drivers.discard("dead")
    mine = case.driver("mine")
    case.polls = [lambda: case.score(left, 4)]
    mine.evaluate(CELLS[:4])
    assert case.server.cancelled == [left]  # four more that nobody waits for


def test_a_driver_that_dies_meanwhile_leaves_its_batches_too(case: Case) -> None:
    left = case.hand_out("other", 8)
    case.polls = [lambda: case.server.drivers.discard("other"), lambda: case.score(left, 4)]
    case.driver("mine").evaluate(CELLS[:4])
    assert case.server.cancelled == [left]


def test_an_earlier_attempt_of_the_same_flow_run_is_no_other_driver(case: Case) -> None:
    left = case.hand_out("mine", 8)
    case.polls = [lambda: case.score(left, 4)]
    case.driver("mine").evaluate(CELLS[:4])
    assert case.server.cancelled == [left]


def test_a_batch_that_somebody_cancelled_is_no_strike_and_is_not_halved(case: Case) -> None:
    sizes: list[int] = []

    def cancelled() -> None:
        sizes.extend(len(case.of(run)) for run in case.server.runs)
        case.lose(End("Cancelled", cancelled=True))

    case.polls = [cancelled] * 5 + [case.work]
    case.driver("mine").evaluate(CELLS[:8])
    assert sizes == [8] * 5


def test_a_lost_batch_is_halved_and_the_architecture_that_loses_runs_is_named(case: Case) -> None:
    killer, sizes = SPACE.encode(CELLS[2]), list[int]()

    def work() -> None:
        for run in list(case.server.runs):
            texts = case.of(run)
            sizes.append(len(texts))
            case.score(run, texts.index(killer) if killer in texts else None)
            case.server.end(run, End("Crashed: killed") if killer in texts else End())

    case.polls = [work] * 20
    with pytest.raises(LaptError, match=r"4 runs without one, the last with: Crashed: killed") as said:
        case.driver("mine").evaluate(CELLS[:10])
    assert killer in str(said.value)
    assert sizes == [10, 4, 4, 2, 2, 1, 1]  # two were scored before it in the first; the others in halves
    assert len(case.store.read("scores")) == 9


def test_a_refusal_is_said_at_once(case: Case) -> None:
    word = "expected one version of LAPT; got driver 0.2.0, worker 0.1.0; install the same version on both"
    case.polls = [lambda: case.lose(End(word, refused=True))]
    with pytest.raises(LaptError) as said:
        case.driver("mine").evaluate(CELLS[:4])
    assert str(said.value) == (
        "expected one version of LAPT; got driver 0.2.0, worker 0.1.0 (a worker of pool cpu); "
        "install the same version on both; the same command goes on from here"
    )


def test_one_thing_is_waited_for_where_another_driver_has_it(case: Case) -> None:
    """As for a supernet or a final training: nobody starts or stops it twice; the same three rules."""
    mine, done = case.driver("mine"), list[bool]()
    batch = mine.template.model_copy(update={"final": True})
    theirs = FakePool(case.server, "other").submit(case.store.address, batch.kept(case.store), "final", mine._tag("k"))
    case.server.drivers.add("other")
    counts: list[int] = []

    def cancelled_then_ours() -> None:
        counts.append(len(case.server.runs))
        case.lose(End("Cancelled", cancelled=True))

    def finished() -> None:
        counts.append(len(case.server.runs))
        done.append(True)

    case.polls = [lambda: None, cancelled_then_ours, *[cancelled_then_ours] * 4, finished]
    mine._one_run(batch, "final", "k", lambda: bool(done))
    assert theirs not in case.server.cancelled
    assert counts == [1] * 6
    assert len(case.server.cancelled) == 1  # our own, that was under way when it was done
    case.polls = [lambda: case.lose(End("Crashed: killed"))] * 3
    with pytest.raises(LaptError, match="3 runs without one, the last with: Crashed: killed"):
        mine._one_run(batch, "final", "k2", lambda: False)


def test_a_wait_for_a_worker_is_said_once_in_the_log(
    case: Case, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(under_way, "get_run_logger", lambda: logging.getLogger("run"))
    monkeypatch.setattr(under_way, "START_SECONDS", -1.0)
    case.server.workers = 0

    def started() -> None:
        case.server.runs = {run: replace(seen, started=True) for run, seen in case.server.runs.items()}

    def arrives() -> None:
        case.server.workers = 1

    case.polls = [lambda: None, lambda: None, arrives, lambda: None, lambda: None, started, case.work]
    with caplog.at_level(logging.INFO, "run"):
        case.driver("mine").evaluate(CELLS[:2])
    assert [record.getMessage() for record in caplog.records] == [
        "waiting for a worker of pool cpu (lapt worker --pool cpu)",
        "pool cpu has a free worker, after 0 s",
    ]
