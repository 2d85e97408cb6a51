"""Rungs in the store: scores of their own, unfinished trainings that go on, and costs that count once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from lapt.errors import ConfigError
from lapt.evaluation import Checkpoints, Evaluation, Metric
from lapt.pipeline.limits import Meter
from lapt.search.halving import Fidelity, Rungs, check_rungs
from lapt.search.methods.model_free import RandomSearch
from lapt.spaces import BUILTIN, Architecture
from storage.runs.evaluator import StoredEvaluator
from storage.store import Store

SPACE = BUILTIN["nas201"]
CELLS = [SPACE.sample(np.random.default_rng(seed)) for seed in range(4)]


@dataclass
class Trains:
    """Trains by counting: the state of a training is its number of epochs, and so is its score."""

    until: int = 9
    checkpoints: Checkpoints | None = None
    trained: list[str] = field(default_factory=list)
    """An entry for each epoch."""

    task, metric, epochs = "toy", Metric("accuracy", "%"), 9

    @property
    def fingerprint(self) -> str:
        return f"trains:{self.until}"

    def identity(self, architecture: Architecture) -> str:
        return SPACE.encode(architecture)

    def at(self, epochs: int, checkpoints: Checkpoints | None = None) -> Trains:
        return Trains(epochs, checkpoints, self.trained)

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        return [self._trained(architecture) for architecture in architectures]

    def _trained(self, architecture: Architecture) -> Evaluation:
        name = self.identity(architecture)
        place = None if self.checkpoints is None else self.checkpoints(name)
        stood = None if place is None else place.load()
        for epoch in range(int(stood or 0), self.until):
            self.trained.append(name)
            if place is not None:
                place.save(str(epoch + 1).encode())
        value = len(name) / 100 + self.until
        return Evaluation(architecture, name, value, self.metric, cost_seconds=float(self.until))

    def test(self, architecture: Architecture) -> float | None:
        return None


def stored(store: Store, inner: Trains, meter: Meter | None = None) -> StoredEvaluator:
    return StoredEvaluator(inner, store, SPACE, seed=0, meter=lambda: meter or Meter())


def test_rungs_are_scores_of_their_own_and_the_last_is_the_whole_score(store: Store) -> None:
    inner = Trains()
    whole = stored(store, inner)
    rungs = [whole.at(epochs) for epochs in (1, 3, 9)]
    keys = {rung.key(CELLS[0]) for rung in rungs}
    assert len(keys) == 3
    assert rungs[-1].key(CELLS[0]) == whole.key(CELLS[0])
    assert [rung.evaluate(CELLS[:1])[0].value for rung in rungs] == [
        one + len(inner.trained[0]) / 100 for one in (1, 3, 9)
    ]
    assert len(inner.trained) == 9
    assert whole.evaluate(CELLS[:1])[0].origin == "store"  # which is not trained again
    rows = store.read("scores", ["fidelity", "cost_seconds"]).to_pylist()
    assert [(row["fidelity"], row["cost_seconds"]) for row in rows] == [
        ("epoch 1 of 9", 1.0),
        ("epoch 3 of 9", 3.0),
        (None, 9.0),
    ]


def test_unfinished_trainings_are_kept_until_their_last_epoch(store: Store) -> None:
    whole = stored(store, Trains())
    whole.at(1).evaluate(CELLS[:2])
    assert sorted(store.files.names("checkpoints")) == sorted(whole.key(cell) for cell in CELLS[:2])
    whole.at(9).evaluate(CELLS[:1])
    assert list(store.files.names("checkpoints")) == [whole.key(CELLS[1])]


def test_another_process_goes_on_from_the_store(store: Store) -> None:
    first, second = Trains(), Trains()
    stored(store, first).at(3).evaluate(CELLS[:1])
    stored(Store(store.address), second).at(9).evaluate(CELLS[:1])
    assert (len(first.trained), len(second.trained)) == (3, 6)


def test_a_search_by_rungs_trains_no_epoch_twice_and_its_repetition_none_at_all(store: Store) -> None:
    def searched(inner: Trains) -> Rungs:
        rungs, evaluator = Rungs(Fidelity(epochs=(1, 3, 9), keep=0.33), SPACE.encode), stored(store, inner)
        at = {epochs: evaluator.at(epochs) for epochs in (1, 3, 9)}
        rungs.search(RandomSearch(SPACE, seed=0), lambda cells, n: at[n].evaluate(cells), budget=8, ask_size=2)
        return rungs

    first, again = Trains(), Trains()
    rungs = searched(first)
    assert len(first.trained) == rungs.spent == sum(evaluation.cost_seconds for evaluation in rungs.evaluations)
    assert max(first.trained.count(name) for name in first.trained) == 9
    assert searched(again).counts == rungs.counts
    assert again.trained == []


def test_an_evaluator_that_cannot_stop_is_refused_in_one_line(store: Store) -> None:
    class Whole:
        task, metric, fingerprint = "toy", Metric("accuracy", "%"), "whole"

    fidelity = Fidelity(epochs=(1, 3))
    with pytest.raises(ConfigError, match=r"can stop early, for fidelity; got Whole of toy; train, use"):
        check_rungs(StoredEvaluator(Whole(), store, SPACE, seed=0), fidelity)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"end with 9.*got 3; write \[1, 3, 9\]"):
        check_rungs(stored(store, Trains()), fidelity)
