"""A lost batch comes back in halves: what one architecture that loses every run costs, and a lost machine."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.workers.halving import ATTEMPTS, IN_VAIN, UNKNOWN_SIZE, Halving, batch_size


@pytest.mark.parametrize(
    ("todo", "workers", "cost", "size"),
    [
        (40, 2, None, 20),  # a share each, while nobody knows what one costs
        (200, 2, None, 32),
        (40, 1, 2.0, 30),  # a minute's work
        (40, 2, 2.0, 20),  # less, before a worker idles
        (5, 8, 600.0, 1),
        (100, 1, 0.0, 100),
    ],
)
def test_a_batch_is_a_minutes_work_or_a_share(todo: int, workers: int, cost: float | None, size: int) -> None:
    assert batch_size(todo, workers, cost) == size


def test_thirty_two_become_two_of_sixteen_for_two_workers() -> None:
    halving, names = Halving(), [f"a{n}" for n in range(40)]
    (first,) = halving.batches(names, 1, None)
    assert first == names[:32]
    assert not halving.lost(first, workers=2)
    fresh, half, other = halving.batches(names, 3, None)
    assert (fresh, half, other) == (names[32:], names[16:32], names[:16])
    assert list(halving.batches(names[:0], 2, None)) == []


class Simulated:
    """Workers in lockstep that score a batch one by one, until one that kills its run; every run leaves a record."""

    def __init__(self, names: list[str], workers: int, kills: set[str], lost: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        """``lost``: numbers of the runs whose machines are lost before they score anything."""
        self.halving, self.waiting, self.runs, self.killed = Halving(), list(names), 0, 0
        self.handed_out: set[str] = set()
        self.vain = 0
        while self.waiting and not self.vain:
            for batch in list(self.halving.batches(self.waiting, workers, None)):
                self.handed_out.update(batch)
                ends_at = 0 if self.runs in lost else next((i for i, one in enumerate(batch) if one in kills), None)
                self.runs += 1
                scored = batch[:ends_at]
                self.waiting = [one for one in self.waiting if one not in scored]
                if scored:
                    self.halving.scored()
                if ends_at is not None:
                    self.killed += 1
                    self.vain = self.vain or self.halving.lost(batch[ends_at:], workers)


@given(st.integers(1, 200), st.integers(1, 8), st.data())
def test_one_architecture_that_loses_every_run_is_alone_after_the_binary_logarithm(
    n: int, workers: int, data: st.DataObject
) -> None:
    names = [f"a{i}" for i in range(n)]
    killer = data.draw(st.sampled_from(names))
    run = Simulated(names, workers, {killer})
    assert run.vain >= ATTEMPTS  # it is said, and nothing else is
    assert run.killed <= max(ATTEMPTS, math.ceil(math.log2(min(n, UNKNOWN_SIZE))) + 1)
    assert run.waiting == [killer]  # the others have scores by then
    undisturbed = Simulated(names, workers, set())
    assert run.runs <= undisturbed.runs + max(2, workers) * run.killed


@given(st.integers(1, 200), st.integers(1, 8), st.sets(st.integers(0, 30), max_size=4))
def test_a_lost_machine_costs_a_run_a_half_or_a_worker(n: int, workers: int, lost: set[int]) -> None:
    names = [f"a{i}" for i in range(n)]
    run = Simulated(names, workers, set(), lost)
    if run.vain:
        assert len(lost) >= ATTEMPTS  # an architecture was alone in the last of three
        return
    assert run.waiting == []
    assert run.runs <= Simulated(names, workers, set()).runs + max(2, workers) * run.killed


@given(st.integers(1, 300), st.integers(1, 8))
def test_where_nothing_works_it_is_said_soon(n: int, workers: int) -> None:
    names = [f"a{i}" for i in range(n)]
    run = Simulated(names, workers, set(names))
    assert run.vain
    assert run.runs <= IN_VAIN + 2 * workers
