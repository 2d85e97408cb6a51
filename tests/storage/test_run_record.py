"""The record of a run in the store, and the ranking of several runs together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapt.archive import best_of_all
from lapt.errors import StoreError
from lapt.evaluators.table import TableEvaluator
from lapt.pipeline.config import load_pipeline
from lapt.pipeline.results import RunResult
from lapt.spaces import BUILTIN
from lapt.testing import invented_table
from storage.ids import the_one
from storage.runs.evaluator import StoredEvaluator
from storage.runs.history import run_history
from storage.runs.record import RunRecord, StartedBy, finished_run, principles_by_id
from storage.sql.query import query
from storage.store import Store, decoded

SPACE = BUILTIN["nas201"]
CELLS = [SPACE.decode(text) for text in sorted(invented_table().architectures)[:3]]
BOARD = "SELECT rank, value, unit, fingerprint FROM leaderboard ORDER BY ALL"


def evaluator(checksum: str, plus: float = 0.0) -> TableEvaluator:
    """The invented table, every score higher by ``plus``, as a table with that checksum."""
    table = invented_table()
    scores = {task: {"validation": of_task["validation"] + plus} for task, of_task in table.scores.items()}
    metrics = {task: replace(metric, unit="%") for task, metric in table.metrics.items()}
    return TableEvaluator(replace(table, checksum=checksum, scores=scores, metrics=metrics), SPACE, "invented_a")


def test_rows_of_different_tables_are_not_ranked_together(store: Store) -> None:
    for run, of_table in (("r1", evaluator("one")), ("r2", evaluator("two", plus=1000.0))):
        found = of_table.evaluate(CELLS)
        record = RunRecord(store, run)
        record.trials(SPACE, found, task="invented_a", iteration=1, first=1, fingerprint=of_table.fingerprint)
    rows = query(store, "SELECT fingerprint, list(rank ORDER BY rank) AS ranks FROM leaderboard GROUP BY 1 ORDER BY 1")
    assert rows.to_pylist() == [
        {"fingerprint": "table:invented:one", "ranks": [1, 2, 3]},
        {"fingerprint": "table:invented:two", "ranks": [1, 2, 3]},
    ]
    assert query(store, "SELECT DISTINCT unit FROM evaluations").to_pylist() == [{"unit": "%"}]


def test_the_archive_says_what_measured_it(store: Store) -> None:
    of_table = evaluator("one")
    RunRecord(store, "r").archive(best_of_all(SPACE, of_table, 4), fingerprint=of_table.fingerprint)
    found = query(store, "SELECT DISTINCT fingerprint, unit FROM evaluations").to_pylist()
    assert found == [{"fingerprint": "table:invented:one", "unit": "%"}]


@pytest.mark.parametrize("given", [True, False])
def test_a_stored_score_has_the_same_fingerprint_whether_the_trial_names_it_or_not(store: Store, given: bool) -> None:
    stored = StoredEvaluator(evaluator("one"), store, SPACE, seed=0)
    found = stored.evaluate(CELLS[:1])
    fingerprint = stored.fingerprint if given else None
    RunRecord(store, "r").trials(SPACE, found, task="invented_a", iteration=1, first=1, fingerprint=fingerprint)
    expected = {"rank": 1, "value": found[0].value, "unit": "%", "fingerprint": stored.fingerprint}
    assert query(store, BOARD).to_pylist() == [expected]


def test_opposite_directions_are_not_ranked_together(store: Store) -> None:
    row = {"run_id": "r", "space": "nas201", "task": "t", "metric": "m", "status": "ok"}
    store.append("trials", [{**row, "ordinal": 1, "architecture": "a", "value": 1.0, "higher_is_better": True}])
    store.append("trials", [{**row, "ordinal": 2, "architecture": "b", "value": 2.0, "higher_is_better": False}])
    assert [found["rank"] for found in query(store, BOARD).to_pylist()] == [1, 1]


def test_trials_written_before_there_was_a_fingerprint_are_still_ranked(store: Store) -> None:
    folder = Path(store.address) / "trials"
    folder.mkdir(parents=True)
    old = {"run_id": ["r"], "space": ["s"], "task": ["t"], "ordinal": [1], "architecture": ["a"], "value": [1.0]}
    pq.write_table(pa.table({**old, "metric": ["m"], "higher_is_better": [True]}), folder / "old.parquet")
    assert query(store, BOARD).to_pylist() == [{"rank": 1, "value": 1.0, "unit": None, "fingerprint": None}]


def test_a_record_knows_its_own_run_and_reads_no_more_columns_than_it_keeps(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = evaluator("one").evaluate(CELLS)
    for run, number in (("r1", 1), ("r2", 3)):
        RunRecord(store, run).trials(SPACE, found[:number], task="invented_a", iteration=1, first=1)
    read: dict[str, list[str]] = {}
    decode = decoded

    def noted(content: bytes, schema: pa.Schema, fitting: list[pa.Schema]) -> pa.Table:
        read["columns"] = schema.names
        return decode(content, schema, fitting)

    monkeypatch.setattr("storage.store.decoded", noted)
    RunRecord(store, "r1").trials(SPACE, found[:2], task="invented_a", iteration=1, first=1)
    monkeypatch.undo()
    # The first was r1's already, the second was r2's alone.
    written = query(store, "SELECT run_id, count(*) AS n FROM raw.trials GROUP BY run_id ORDER BY run_id")
    assert [tuple(row.values()) for row in written.to_pylist()] == [("r1", 2), ("r2", 3)]
    assert read == {"columns": ["run_id", "task", "ordinal", "architecture"]}


def test_what_an_earlier_version_wrote_is_read_or_refused_with_what_to_do(tmp_path: Path) -> None:
    store = Store(tmp_path)
    earlier = {"run_id": "abc", "attempt_id": "1", "event": "finished", "pipeline": "p", "result": "{}"}
    store.append("runs", [{**earlier, "config": '{"name": "p", "gone": 1}'}])
    with pytest.raises(StoreError, match=r"a run of this version of LAPT.*run the pipeline again"):
        finished_run(store, "ab")
    origin = {
        "reasoner": "frequency",
        "step": "learn",
        "task": "a",
        "archive": "x",
        "iteration": 0,
        "prompt_hash": None,
    }
    body = json.dumps({"space": "nas201", "principles": [], "origin": origin})
    row = {"principles_id": "p1", "run_id": "abc", "task": "a", "iteration": 0, "step": "learn", "body": body}
    store.append("principles", [row])
    assert principles_by_id(store, "p").origin.task == "a"


@pytest.mark.parametrize("start", ["", "zz"])
def test_an_id_is_one_or_an_error_that_names_some(start: str) -> None:
    with pytest.raises(StoreError, match=r"the id of one thing; got .* of them: \['aa1', 'aa2'\]; look"):
        the_one(["aa2", "aa1"], start, "thing", "look")
    assert the_one(["aa1", "aa2", "aa"], "aa", "thing", "look") == "aa"


def test_what_a_limit_cut_short_counts_until_the_run_is_finished(store: Store) -> None:
    record, pipeline = RunRecord(store, "abc"), load_pipeline("invented")

    def ended(stopped: str | None) -> str | None:
        result = RunResult(run_id="abc", pipeline="p", store=store.address, targets=(), stopped=stopped)
        record.finished(pipeline, StartedBy(user="ada"), result)
        _, found = finished_run(store, "abc")
        assert run_history(store, "abc").result == found
        return found.stopped

    assert [ended(stopped) for stopped in ("at 5", "at 9", None, "at 3")] == ["at 5", "at 9", None, None]
    events = query(store, "SELECT event, detail, user FROM runs ORDER BY created_at").to_pylist()
    assert events[0] == {"event": "stopped", "detail": "at 5", "user": "ada"}
    assert events[2] == {"event": "finished", "detail": None, "user": "ada"}
