"""What a run leaves in the store, and what is ranked together when several runs did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapt.archive import best_of_all
from lapt.evaluators.table import TableEvaluator
from lapt.spaces import BUILTIN
from lapt.testing import invented_table
from storage.evaluator import StoredEvaluator
from storage.record import RunRecord
from storage.sql import query
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
