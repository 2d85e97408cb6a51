"""The networks that were trained from scratch for what a run found: their place among the scores, and their weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow.compute as pc

from lapt.data.facts import Images
from lapt.pipeline.config import Pipeline
from lapt.pipeline.results import Found, RunResult
from storage.runs.declared import declared
from storage.store import Store

Row = dict[str, Any]


@dataclass(frozen=True)
class Trained:
    """A trained network in the store.

    ``pipeline``: whose final recipe it was. ``test``: its test score. ``weights``: id of the blob with its state dict.
    ``images``: what it was trained on; None if an earlier version trained it.
    """

    pipeline: Pipeline
    test: float | None
    weights: str
    images: Images | None
    at: datetime


def keep(store: Store, run_id: str, pipeline: Pipeline, task: str, architecture: str, score_key: str) -> None:
    """Record the final training of an architecture that a run found. It is kept once."""
    row = {"run_id": run_id, "task": task, "architecture": architecture, "score_key": score_key}
    known = store.read("finals", list(row)).to_pylist()
    if row not in known:
        config = json.dumps(pipeline.model_dump(mode="json"), sort_keys=True)
        store.append("finals", [{**row, "config": config}])


def trained_of(store: Store, pipeline: Pipeline, result: RunResult, task: str, identity: str) -> list[Trained]:
    """The trained networks of an architecture, by the final recipe of a run or of ``lapt final``, the latest first.

    ``identity``: of the architecture, which may be any. It counts if it was trained with the data and the recipe of a
    network that is known to be the run's.
    """
    rows = store.read("scores", filter=(pc.field("split") == "test") & (pc.field("task") == task)).to_pylist()
    with_weights = [row for row in rows if row["weights"] is not None]
    found: dict[str, Trained] = {}
    for said, known in _known(store, pipeline, result, task, rows):
        for row in with_weights:
            same = all(row[name] == known[name] for name in ("fingerprint", "space", "seed", "fidelity"))
            if same and row["identity"] == identity:
                found.setdefault(row["key"], trained(said, row))
    return sorted(found.values(), key=lambda one: one.at, reverse=True)


def images_of(store: Store, pipeline: Pipeline, result: RunResult, task: str) -> Images | None:
    """The facts about the images of a run's final trainings on a task; None if nothing was noted of them."""
    rows = store.read("scores", filter=(pc.field("split") == "test") & (pc.field("task") == task)).to_pylist()
    known = (row["images"] for _, row in _known(store, pipeline, result, task, rows))
    return next((Images.of(text) for text in known if text is not None), None)


def trained_as(store: Store, pipeline: Pipeline, key: str) -> Trained | None:
    """The trained network of a score's key, if the store has one."""
    rows = store.read("scores", filter=pc.field("key") == key).to_pylist()
    return next((trained(pipeline, row) for row in rows if row["weights"] is not None), None)


def trained(pipeline: Pipeline, row: Row) -> Trained:
    images = None if row["images"] is None else Images.of(row["images"])
    return Trained(pipeline, row["value"], row["weights"], images, row["created_at"])


def _known(
    store: Store, pipeline: Pipeline, result: RunResult, task: str, rows: Sequence[Row]
) -> Iterator[tuple[Pipeline, Row]]:
    """The final trainings that are known to be the run's, with the pipeline that declares each."""
    by_key = {row["key"]: row for row in rows}
    for final in store.read("finals", filter=pc.field("run_id") == result.run_id).to_pylist():
        if final["task"] == task and final["score_key"] in by_key:
            yield declared(final["config"]), by_key[final["score_key"]]
    # Runs of earlier versions are not in ``finals``: there the result has the value and the seconds of the row.
    searches: list[Found] = [
        one for target in result.targets if target.task == task for one in (target, *target.controls)
    ]
    for found in searches:
        for row in rows:
            if found.final is not None and (row["value"], row["cost_seconds"]) == (
                found.final.test,
                found.final.device_seconds,
            ):
                yield pipeline, row
