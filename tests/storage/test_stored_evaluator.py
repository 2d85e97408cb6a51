"""A measurement is never paid for twice, whoever made it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from lapt.evaluation import Evaluation, Metric
from lapt.pipeline.limits import Meter, RunLimits
from lapt.spaces import BUILTIN, Architecture
from storage.runs.evaluator import StoredEvaluator
from storage.store import Store

SPACE = BUILTIN["nas201"]
CELLS = [SPACE.sample(np.random.default_rng(seed)) for seed in range(6)]


class Counting:
    """Scores a cell by its 3x3 convolutions; counts what it was asked; fails, breaks or returns NaN when told to."""

    task, metric, fingerprint = "toy", Metric("error", "%", higher_is_better=False), "counting:1"

    def __init__(self, task: str = "toy", fingerprint: str = "counting:1") -> None:
        self.task, self.fingerprint = task, fingerprint
        self.asked: list[list[str]] = []
        self.tested: list[str] = []
        self.failing: set[str] = set()
        self.breaking: set[str] = set()
        self.diverging: set[str] = set()

    def identity(self, architecture: Architecture) -> str:
        return SPACE.encode(architecture)

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        self.asked.append([self.identity(a) for a in architectures])
        return [self._one(a) for a in architectures]

    def _one(self, architecture: Architecture) -> Evaluation:
        identity = self.identity(architecture)
        if identity in self.breaking:
            raise RuntimeError("the power went out")
        if identity in self.failing:
            return Evaluation(architecture, identity, None, self.metric, error="out of memory", cost_seconds=1.0)
        value = float("nan") if identity in self.diverging else float(architecture.operators.count("nor_conv_3x3"))
        return Evaluation(architecture, identity, value, self.metric, cost_seconds=2.0, parameters=7, flops=9)

    def test(self, architecture: Architecture) -> float | None:
        self.tested.append(self.identity(architecture))
        return 42.0


class Streaming(Counting):
    """Gets all at once and is ready with the last first."""

    def stream(self, architectures: Sequence[Architecture]) -> Iterator[Evaluation]:
        for architecture in reversed(architectures):
            yield self.evaluate([architecture])[0]


class Untested(Counting):
    def test(self, architecture: Architecture) -> float | None:
        return None


def texts(*cells: Architecture) -> list[str]:
    return [SPACE.encode(cell) for cell in cells]


def test_the_second_time_nothing_is_evaluated(store: Store) -> None:
    inner = Counting()
    first = StoredEvaluator(inner, store, SPACE, seed=0).evaluate(CELLS[:3])
    again = Counting()
    second = StoredEvaluator(again, Store(store.address), SPACE, seed=0).evaluate(CELLS[:4])
    assert inner.asked == [[text] for text in texts(*CELLS[:3])]
    assert again.asked == [texts(CELLS[3])]
    assert [e.origin for e in first + second] == ["computed"] * 3 + ["store"] * 3 + ["computed"]
    for before, after in zip(first, second, strict=False):
        assert (before.value, before.key, before.identity) == (after.value, after.key, after.identity)
        assert (after.cost_seconds, after.parameters, after.flops, after.metric) == (2.0, 7, 9, inner.metric)


def test_answers_come_in_the_order_asked_and_duplicates_cost_once(store: Store) -> None:
    inner = Counting()
    a, b = CELLS[:2]
    found = StoredEvaluator(inner, store, SPACE, seed=0).evaluate([b, a, b, a, b])
    assert [e.identity for e in found] == texts(b, a, b, a, b)
    assert [e.origin for e in found] == ["computed", "computed", "store", "store", "store"]
    assert sum(len(batch) for batch in inner.asked) == 2
    assert store.read("scores").num_rows == 2


def test_a_score_belongs_to_task_fingerprint_seed_and_fidelity(store: Store) -> None:
    cell = CELLS[0]
    variants = [
        StoredEvaluator(Counting(), store, SPACE, seed=0),
        StoredEvaluator(Counting(), store, SPACE, seed=1),
        StoredEvaluator(Counting(), store, SPACE, seed=0, fidelity="epochs=3"),
        StoredEvaluator(Counting(task="other"), store, SPACE, seed=0),
        StoredEvaluator(Counting(fingerprint="counting:2"), store, SPACE, seed=0),
        StoredEvaluator(Counting(), store, BUILTIN["nas201"].model_copy(update={"name": "mine"}), seed=0),
    ]
    assert [variant.evaluate([cell])[0].origin for variant in variants] == ["computed"] * 6
    assert len({variant.key(cell) for variant in variants}) == 6


def test_failures_are_stored_and_tried_again_only_when_asked_to(store: Store) -> None:
    inner = Counting()
    inner.failing = set(texts(CELLS[0]))
    inner.diverging = set(texts(CELLS[1]))
    failed = StoredEvaluator(inner, store, SPACE, seed=0).evaluate(CELLS[:2])
    assert [(e.value, e.error) for e in failed] == [(None, "out of memory"), (None, "the score is nan")]

    healed = Counting()
    patient = StoredEvaluator(healed, store, SPACE, seed=0)
    assert [(e.origin, e.error) for e in patient.evaluate(CELLS[:1])] == [("store", "out of memory")]
    eager = StoredEvaluator(healed, store, SPACE, seed=0, retry_failed=True)
    assert [(e.origin, e.failed) for e in eager.evaluate(CELLS[:1])] == [("computed", False)]
    assert healed.asked == [texts(CELLS[0])]
    later = StoredEvaluator(Counting(), store, SPACE, seed=0).evaluate(CELLS[:1])
    assert [(e.origin, e.failed) for e in later] == [("store", False)]


def test_what_fails_again_is_not_tried_a_third_time_in_one_run(store: Store) -> None:
    inner = Counting()
    inner.failing = set(texts(CELLS[0]))
    eager = StoredEvaluator(inner, store, SPACE, seed=0, retry_failed=True)
    assert [eager.evaluate(CELLS[:1])[0].failed for _ in range(3)] == [True] * 3
    assert len(inner.asked) == 1


def test_what_came_before_an_exception_is_stored(store: Store) -> None:
    inner = Counting()
    inner.breaking = set(texts(CELLS[2]))
    with pytest.raises(RuntimeError, match="power"):
        StoredEvaluator(inner, store, SPACE, seed=0).evaluate(CELLS[:4])
    assert store.read("scores", ["identity"]).column(0).to_pylist() == texts(*CELLS[:2])
    resumed = Counting()
    StoredEvaluator(resumed, store, SPACE, seed=0).evaluate(CELLS[:4])
    assert resumed.asked == [texts(CELLS[2]), texts(CELLS[3])]


def test_what_is_ready_first_is_stored_first_and_answers_keep_their_order(store: Store) -> None:
    found = StoredEvaluator(Streaming(), store, SPACE, seed=0).evaluate(CELLS)
    assert [evaluation.identity for evaluation in found] == texts(*CELLS)
    assert store.read("scores", ["identity"]).column(0).to_pylist() == texts(*reversed(CELLS))


def test_the_test_score_is_stored_under_its_own_key(store: Store) -> None:
    inner = Counting()
    stored = StoredEvaluator(inner, store, SPACE, seed=0)
    assert [stored.test(CELLS[0]), stored.test(CELLS[0])] == [42.0, 42.0]
    assert StoredEvaluator(inner, store, SPACE, seed=0).test(CELLS[0]) == 42.0
    assert inner.tested == texts(CELLS[0])
    assert store.read("scores", ["split", "value"]).to_pylist() == [{"split": "test", "value": 42.0}]
    assert stored.evaluate(CELLS[:1])[0].origin == "computed"
    assert stored.key(CELLS[0]) != stored.key(CELLS[0], "test")


def test_no_test_split_is_no_score(store: Store) -> None:
    assert StoredEvaluator(Untested(), store, SPACE, seed=0).test(CELLS[0]) is None
    assert store.read("scores").num_rows == 0


def test_what_another_process_paid_for_meanwhile_is_not_paid_again(store: Store) -> None:
    mine, theirs = Counting(), Counting()
    here = StoredEvaluator(mine, store, SPACE, seed=0)
    there = StoredEvaluator(theirs, Store(store.address), SPACE, seed=0)
    here.evaluate(CELLS[:1])
    there.evaluate(CELLS[:3])
    assert here.missing([*CELLS[:4], CELLS[3]]) == [CELLS[3]]
    assert [e.origin for e in here.evaluate(CELLS[:3])] == ["store"] * 3
    assert theirs.asked == [[text] for text in texts(*CELLS[1:3])]


def test_rows_say_what_was_measured_on_what(store: Store) -> None:
    StoredEvaluator(Counting(), store, SPACE, seed=3, fidelity="low").evaluate(CELLS[:1])
    (row,) = store.read("scores").to_pylist()
    assert {name: row[name] for name in ("space", "task", "split", "seed", "fidelity", "status", "unit")} == {
        "space": "nas201", "task": "toy", "split": "validation", "seed": 3, "fidelity": "low", "status": "ok",
        "unit": "%",
    }  # fmt: skip
    assert not row["higher_is_better"]
    assert '"numpy"' in row["versions"]


DIES_AT_THE_THIRD = """
import os, sys
sys.path.insert(0, sys.argv[2])
from test_stored_evaluator import CELLS, SPACE, Counting
from storage.runs.evaluator import StoredEvaluator
from storage.store import Store
class Dying(Counting):
    def _one(self, architecture):
        if len(self.asked) == 3:
            os.kill(os.getpid(), 9)
        return super()._one(architecture)
StoredEvaluator(Dying(), Store(sys.argv[1]), SPACE, seed=0).evaluate(CELLS)
"""


def test_a_killed_process_loses_the_architecture_it_was_at(store: Store, request: pytest.FixtureRequest) -> None:
    killed = subprocess.run([sys.executable, "-c", DIES_AT_THE_THIRD, store.address, str(request.path.parent)])
    assert killed.returncode == -9
    resumed = Counting()
    StoredEvaluator(resumed, store, SPACE, seed=0).evaluate(CELLS)
    assert resumed.asked == [[text] for text in texts(*CELLS[2:])]


class Slow(Streaming):
    """While it is at the first, somebody else scores them all."""

    def __init__(self, other: StoredEvaluator) -> None:
        super().__init__()
        self._other = other

    def stream(self, architectures: Sequence[Architecture]) -> Iterator[Evaluation]:
        self._other.evaluate(architectures)
        yield from super().stream(architectures)


def test_what_another_process_stored_meanwhile_is_not_stored_again(store: Store) -> None:
    other = StoredEvaluator(Streaming(), store, SPACE, seed=0)
    mine = StoredEvaluator(Slow(other), store, SPACE, seed=0)
    found = mine.evaluate(CELLS[:3])
    assert [evaluation.origin for evaluation in found] == ["store"] * 3
    assert store.read("scores").num_rows == 3


@pytest.mark.parametrize(("kind", "begun"), [(Counting, 2), (Streaming, 3)])
def test_when_the_time_is_spent_what_has_begun_is_stored_and_no_more_is_begun(
    store: Store, kind: type[Counting], begun: int
) -> None:
    inner, meter = kind(), Meter(RunLimits(device_seconds=3.0))
    inner.side_by_side = begun if kind is Streaming else 1  # type: ignore[attr-defined]
    limited = StoredEvaluator(inner, store, SPACE, seed=0, meter=lambda: meter)
    found = limited.evaluate(CELLS)
    assert texts(*(one.architecture for one in found)) == texts(*CELLS[:begun])
    assert meter.device_seconds == 2.0 * begun
    assert store.read("scores").num_rows == len(inner.asked) == begun
    assert [one.origin for one in limited.evaluate(CELLS[:begun])] == ["store"] * begun, "which costs no time"
    assert limited.evaluate(CELLS[begun:]) == []
    whole = StoredEvaluator(inner, store, SPACE, seed=0).evaluate(CELLS)
    assert [one.origin for one in whole] == ["store"] * begun + ["computed"] * (6 - begun)


def test_a_final_training_is_paid_for_once(store: Store) -> None:
    class Retrained(Counting):
        has_test, final_fingerprint, noted = True, "final:1", "{}"

        def retrained(self, architecture: Architecture, checkpoint: object = None) -> tuple[Evaluation, bytes]:
            return self._one(architecture), b"weights"

    meter = Meter()
    now = iter([0.0, 100.0])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("time.monotonic", lambda: next(now, 100.0))
        for _ in range(2):
            StoredEvaluator(Retrained(), store, SPACE, seed=0, meter=lambda: meter).test(CELLS[0])
    assert meter.device_seconds == 2.0
