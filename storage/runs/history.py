"""The stored history of one run, for its page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import duckdb

from lapt.errors import StoreError
from lapt.pipeline.config import Pipeline
from lapt.reasoning.language.ledger import Ledger
from lapt.report.history import Attempt, RunHistory, Search, TaskCosts, TaskHistory, Trial
from lapt.spaces import SearchSpace, space_named
from storage.ids import control_of
from storage.runs.record import RunRecord, declared_and_found, ended_last
from storage.runs.replies import StoredRecordings
from storage.sql.query import connect, interruptible
from storage.store import Store

Row = dict[str, Any]


def runs(store: Store) -> list[str]:
    """The ids of all runs that were started, each once."""
    return sorted({row["run_id"] for row in store.read("runs", ["run_id"]).to_pylist()})


def run_history(store: Store, run_id: str) -> RunHistory:
    """The history of a run that was at least started. Raises StoreError for any other id."""
    views = ("evaluations", "anytime", "costs", "runs", "subspaces")
    with connect(store, _DATASETS, views=(*_DATASETS, *views)) as connection:
        events = _rows(connection, "SELECT * FROM runs WHERE run_id = ? ORDER BY created_at", run_id)
        if not events:
            raise StoreError(f"run {run_id} in {store.address}", "no row of it", "see the view runs")
        # As the last finished attempt left it, else as the last one began.
        pipeline, result = declared_and_found(sorted([e for e in events if e["result"]] or events, key=ended_last)[-1])
        ids = {run_id: pipeline.label} | {control_of(run_id, control): control for control in pipeline.controls}
        trials = _rows(connection, _TRIALS, list(ids), _whole(pipeline))
        spaces = _rows(connection, _SPACES, run_id)
        costs = _rows(connection, _COSTS, list(ids))
        measured = _rows(connection, _MEASURED, list(ids))
    record = RunRecord(store, run_id)
    source = pipeline.source.named
    learned = record.principles_of(source)
    searches = {task: _searches(ids, trials, task) for task in (source, *pipeline.targets)}
    versions = [json.loads(row["versions"]) for row in [*events, *measured] if row["versions"]]
    return RunHistory(
        run_id=run_id,
        store=store.address,
        pipeline=pipeline,
        space=space_named(pipeline.space),
        result=result,
        attempts=[Attempt(row["event"], row["created_at"], row["detail"]) for row in events],
        archive=next(iter(searches[source]), None),
        learned=learned[-1][1] if learned else None,
        targets=[
            TaskHistory(
                task=task,
                search=next((one for one in searches[task] if one.method == ids[run_id]), None),
                controls=[one for one in searches[task] if one.method != ids[run_id]],
                principles=record.principles_of(task),
                spaces=[
                    (row["iteration"], SearchSpace.model_validate_json(row["body"]), row["principles_id"])
                    for row in spaces
                    if row["task"] == task
                ],
            )
            for task in pipeline.targets
        ],
        costs=[TaskCosts(method=ids[row.pop("run_id")], **row) for row in costs],
        ledger=Ledger.of(StoredRecordings(store, run_id).rows()),
        versions={name: version for said in versions for name, version in said.items()},
        devices=sorted({row["device"] for row in measured if row["device"]}),
    )


_DATASETS = ("trials", "scores", "runs", "principles", "subspaces", "reasoner_calls", "supernets")
# Where trainings stop early, the number of an evaluation is that of whole trainings with as many epochs as were paid.
_TRIALS = """
    WITH steps AS (
        SELECT run_id, task, ordinal, epochs,
            epochs - coalesce(lag(epochs) OVER (PARTITION BY run_id, task, architecture ORDER BY ordinal), 0) AS added
        FROM evaluations WHERE run_id IN (SELECT unnest($1))
    ), numbered AS (
        SELECT run_id, task, ordinal, CASE WHEN epochs IS NULL THEN ordinal ELSE
            ceil(sum(added) OVER (PARTITION BY run_id, task ORDER BY ordinal) / $2)::INTEGER END AS number
        FROM steps
    )
    SELECT
        e.run_id, e.task, n.number AS ordinal, e.iteration, e.architecture, e.value, e.score,
        a.incumbent_value AS incumbent,
        e.fingerprint, e.origin, e.error, e.parameters, e.flops, e.cost_seconds, e.subspace_id, e.principles_id,
        e.metric, e.unit, e.higher_is_better
    FROM evaluations e JOIN anytime a USING (run_id, task, ordinal) JOIN numbered n USING (run_id, task, ordinal)
    WHERE e.epochs IS NULL OR e.epochs = $2 ORDER BY e.run_id, e.task, e.ordinal
"""
_SPACES = "SELECT task, iteration, body, principles_id FROM subspaces WHERE run_id = ? ORDER BY task, iteration"
_COSTS = """
    SELECT
        run_id, task, evaluations, computed, from_store + from_table + from_surrogate AS looked_up, failed,
        seconds_paid_now, seconds_total, supernets, seconds_supernets, reasoner_calls,
        tokens_in + tokens_out AS tokens, reasoner_cost AS money
    FROM costs WHERE run_id IN (SELECT unnest(?)) ORDER BY run_id, task
"""
_MEASURED = """
    SELECT DISTINCT s.versions, s.device FROM scores s JOIN trials t ON t.score_key = s.key
    WHERE t.run_id IN (SELECT unnest(?))
"""
_OF_SEARCH = ("run_id", "task", "metric", "unit", "higher_is_better")


def _whole(pipeline: Pipeline) -> int:
    """Epochs of a whole training, where trainings stop early: only these can be what is found."""
    return 0 if pipeline.fidelity is None else pipeline.fidelity.whole


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, *bound: Any) -> list[Row]:
    found: list[Row] = interruptible(
        connection, lambda: connection.sql(sql, params=list(bound)).to_arrow_table().to_pylist()
    )
    return found


def _searches(ids: dict[str, str], trials: Sequence[Row], task: str) -> list[Search]:
    found = []
    for run_id, method in ids.items():
        mine = [row for row in trials if row["run_id"] == run_id and row["task"] == task]
        if mine:
            rest = [Trial(**{k: v for k, v in row.items() if k not in _OF_SEARCH}) for row in mine]
            last = mine[-1]
            found.append(Search(method, rest, last["metric"], last["unit"] or "", bool(last["higher_is_better"])))
    return found
