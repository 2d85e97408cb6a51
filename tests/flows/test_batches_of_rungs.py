"""A rung that goes to workers: the batch says its epochs, and the worker scores what the driver waits for."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from flows.batches import evaluator_of
from flows.evaluators import stored_evaluator
from flows.workers.batch import Batch
from flows.workers.dispatch import DispatchedEvaluator
from flows.workers.pools import Pool
from lapt.pipeline.config import Execution, load_pipeline
from storage.store import Store

PIPELINE = load_pipeline("digits_curves", ["evaluator.seconds=0.001"])


def test_a_worker_scores_the_rung_that_the_driver_waits_for(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    root = stored_evaluator(PIPELINE, Execution(store=store.address), "classification")
    driver = DispatchedEvaluator(root, Batch(pipeline=PIPELINE, task="classification"), cast(Pool, None))
    assert "epochs" not in driver.template.model_dump(mode="json")
    cells = list(root.evaluator.holding.pool().rows[:3])  # type: ignore[attr-defined]
    for epochs in (1, 3, 9):
        rung = driver.at(epochs)
        sent = rung.template.kept(store)
        worker = evaluator_of(Batch.read(store, sent), store)
        assert worker.fingerprint == rung.fingerprint
        assert [worker.key(cell) for cell in cells] == [rung.key(cell) for cell in cells]
        scored = worker.evaluate(cells)
        assert rung.missing(cells) == []
        assert [one.value for one in scored] == [one.value for one in root.at(epochs).evaluate(cells)]
