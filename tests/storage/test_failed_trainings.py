"""A batch in which one network diverges and one kills its process: real processes, real trainings."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from lapt.evaluators.images import Outcome, TrainingSpec
from lapt.evaluators.training import Job, TrainingEvaluator
from lapt.evaluators.workers import Workers
from lapt.search import SEARCHERS
from lapt.spaces import BUILTIN
from lapt.training import Recipe
from storage.runs.evaluator import StoredEvaluator
from storage.store import Store

SPACE = BUILTIN["nas201"]
CELLS = [SPACE.sample(np.random.default_rng(seed)) for seed in range(8)]
DIVERGES, CRASHES = (SPACE.encode(SPACE.canonical(CELLS[n])) for n in (2, 5))
SPEC = TrainingSpec(
    space=SPACE, task="classification", data="digits", channels=2, training_images=60,
    recipe=Recipe(epochs=1, batch_size=30, recalibrate_batch_norm=True),
)  # fmt: skip


def fragile(job: Job) -> Outcome:
    text = SPACE.encode(job.architecture)
    if text == CRASHES:
        os.kill(os.getpid(), signal.SIGKILL)
    if text == DIVERGES:
        wild = job.spec.recipe.model_copy(update={"learning_rate": 1e30})
        job = job._replace(spec=job.spec.model_copy(update={"recipe": wild}))
    return job.run()


@pytest.mark.integration
def test_six_scores_and_two_stored_failures(tmp_path: Path) -> None:
    store = Store(tmp_path)
    inner = TrainingEvaluator(SPEC)
    inner._workers = Workers(fragile, 2)
    found = StoredEvaluator(inner, store, SPACE, seed=0).evaluate(CELLS)
    failed = {position: evaluation.error for position, evaluation in enumerate(found) if evaluation.failed}
    assert list(failed) == [2, 5]
    assert "loss" in str(failed[2])
    assert "process died" in str(failed[5])
    rows = store.read("scores", ["status", "error"]).to_pylist()
    assert sorted(row["status"] for row in rows) == ["failed"] * 2 + ["ok"] * 6
    # The run goes on: a search hears of failures as of the worst there is, and the same workers train what it asks for.
    searcher = SEARCHERS["rea"](SPACE, seed=0, identity=inner.identity, population_size=6, tournament_size=6)
    searcher.tell(found)
    (child,) = StoredEvaluator(inner, store, SPACE, seed=0).evaluate(searcher.ask(1))
    assert not child.failed
    parent = max((e for e in found if not e.failed), key=lambda e: e.score).architecture  # of all six
    assert sum(a != b for a, b in zip(child.architecture.operators, parent.operators, strict=True)) == 1
    again = StoredEvaluator(TrainingEvaluator(SPEC), store, SPACE, seed=0).evaluate(CELLS)
    assert [evaluation.value for evaluation in again] == [evaluation.value for evaluation in found]
    assert {evaluation.origin for evaluation in again} == {"store"}
    inner._workers.close()
