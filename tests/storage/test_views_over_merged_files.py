"""Views count the same rows whatever was merged: those of a window over everything that was appended."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.layout import KEY, REPEATED, new_name
from storage.sql.query import query
from storage.store import BrokenFileWarning, Store, writing
from storage.upkeep.compaction import ROWS, compact

START = datetime(2025, 1, 1, tzinfo=UTC)

few = st.integers(0, 2)
maybe = st.one_of(st.none(), st.integers(0, 2))
SCORES = st.builds(
    lambda key, at, value, fidelity: {
        "key": f"k{key}",
        "value": value,
        "status": "failed" if value is None else "ok",
        "fidelity": None if fidelity is None else f"e{fidelity}",
        "metric": "accuracy",
        "created_at": START + timedelta(seconds=at),
    },
    few, few, maybe, maybe,
)  # fmt: skip
TRIALS = st.builds(
    lambda run, ordinal, at, value, cell, key: {
        "run_id": None if run is None else f"r{run}",
        "ordinal": ordinal,
        "architecture": f"a{cell}",
        "value": value,
        "higher_is_better": True,
        "score_key": f"k{key}",
        "created_at": START + timedelta(seconds=at),
    },
    maybe, few, few, maybe, few, few,
)  # fmt: skip
RUNS = st.builds(lambda event, at: {"event": f"e{event}", "created_at": START + timedelta(seconds=at)}, maybe, few)
FILE = st.one_of(
    st.tuples(st.just("scores"), st.lists(SCORES, min_size=1, max_size=4)),
    st.tuples(st.just("trials"), st.lists(TRIALS, min_size=1, max_size=4)),
    st.tuples(st.just("runs"), st.lists(RUNS, min_size=1, max_size=3)),
)
STEP = st.one_of(FILE, FILE, st.just("compact"), st.just("compact and delete"))

WINDOWED = {
    "scores": """SELECT * FROM appended one QUALIFY row_number() OVER (
        PARTITION BY key ORDER BY (status = 'ok') DESC, created_at, one) = 1""",
    "trials": """SELECT * FROM appended one QUALIFY row_number() OVER (
        PARTITION BY run_id, task, ordinal ORDER BY created_at, one) = 1""",
    "runs": "SELECT DISTINCT * FROM appended",
}

BEST = """
    SELECT architecture, score, metric, fingerprint, fidelity, run_id, ordinal FROM evaluations
    WHERE score IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY space, task, metric, higher_is_better, fingerprint, fidelity, architecture
        ORDER BY score DESC, created_at, run_id, ordinal) = 1
    ORDER BY ALL
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def rows(store: Store, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = query(store, sql).to_pylist()
    return found


@pytest.mark.integration
@settings(max_examples=25, deadline=None)
@given(st.lists(STEP, min_size=1, max_size=8))
def test_a_view_counts_what_a_window_over_all_rows_counts(folder: Path, steps: list[Any]) -> None:
    """Duplicates in one file, in two, before a compaction, after it, and after the next."""
    store = Store(Path(tempfile.mkdtemp(dir=folder)))
    for step in steps:
        if isinstance(step, str):
            compact(store, grace_seconds=60 if step == "compact" else 0, datasets=list(WINDOWED))
        else:
            store.append(*step)
    for dataset, windowed in WINDOWED.items():
        appended = store.read(dataset)
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("appended", appended)
            expected = connection.sql(f"SELECT * FROM ({windowed}) ORDER BY ALL").to_arrow_table().to_pylist()
        assert rows(Store(store.address), f"SELECT * FROM {dataset} ORDER BY ALL") == expected
    listed = "SELECT architecture, value, metric, fingerprint, fidelity, run_id, ordinal FROM leaderboard ORDER BY ALL"
    assert [tuple(row.values()) for row in rows(store, listed)] == [tuple(row.values()) for row in rows(store, BEST)]


def merged(store: Store, dataset: str) -> list[Path]:
    return sorted((Path(store.address) / dataset).glob("*.merged.parquet"))


def test_the_rows_of_a_repeated_key_are_marked_and_all_kept(store: Store) -> None:
    for key in ("a", "b", "a", "c"):
        store.append("scores", [{"key": key}])
    compact(store, grace_seconds=0)
    (file,) = merged(store, "scores")
    assert pq.read_table(file, columns=["key", REPEATED]).to_pylist() == [
        {"key": "a", REPEATED: True},
        {"key": "b", REPEATED: None},
        {"key": "a", REPEATED: True},
        {"key": "c", REPEATED: None},
    ]


def test_marks_are_made_anew_by_the_next_compaction(store: Store) -> None:
    store.append("scores", [{"key": "a"}, {"key": "a"}, {"key": "b"}])
    store.append("scores", [{"key": "c"}])
    compact(store, grace_seconds=0)
    store.append("scores", [{"key": "b"}])
    compact(store, grace_seconds=0)
    (file,) = merged(store, "scores")
    found = pq.read_table(file, columns=["key", REPEATED])
    assert sorted(zip(*found.to_pydict().values(), strict=True), key=str) == [
        ("a", True), ("a", True), ("b", True), ("b", True), ("c", None)
    ]  # fmt: skip


def test_a_merged_file_of_an_older_version_counts_the_same_and_is_merged_anew(store: Store) -> None:
    """It does not say by which key its rows were compared."""
    for value in (1.0, 2.0):
        store.append("scores", [{"key": "a", "status": "ok", "value": value}])
    compact(store, grace_seconds=0)
    (file,) = merged(store, "scores")
    table = pq.read_table(file)
    kept = {key: value for key, value in table.schema.metadata.items() if key != KEY}
    older = file.with_name(new_name(merged=True))
    plain = table.drop_columns([REPEATED])
    with pa.OSFile(str(older), "wb") as sink, writing(sink, plain.schema, kept) as writer:
        writer.write_table(plain)
    file.unlink()
    assert rows(Store(store.address), "SELECT value FROM scores") == [{"value": 1.0}]
    compact(Store(store.address), grace_seconds=60)
    assert rows(Store(store.address), "SELECT value FROM scores") == [{"value": 1.0}]
    (done,) = compact(Store(store.address), grace_seconds=0, datasets=["scores"])
    assert (done.merged, done.deleted, done.waiting) == (0, 1, 0)
    assert rows(Store(store.address), "SELECT value FROM scores") == [{"value": 1.0}]
    assert pq.read_schema(merged(store, "scores")[0]).metadata[KEY] == b'["key"]'


def test_marks_stay_with_their_rows_beyond_one_row_group(store: Store) -> None:
    count = ROWS + ROWS // 2
    for first in range(0, 2 * count, count):
        store.append("scores", [{"key": f"{n}", "value": float(n)} for n in range(first, first + count)])
    last = 2 * count - 1
    store.append("scores", [{"key": f"{last}", "value": -1.0}])
    compact(store, grace_seconds=0)
    (file,) = merged(store, "scores")
    assert pq.ParquetFile(file).num_row_groups > 1
    marked = pq.read_table(file, filters=[(REPEATED, "=", True)], columns=["value"])
    assert sorted(marked.column(0).to_pylist()) == [-1.0, float(last)]
    assert rows(store, "SELECT count(*) AS n, max(value) AS best FROM scores") == [
        {"n": 2 * count, "best": float(last)}
    ]


@pytest.mark.filterwarnings("default::storage.store.BrokenFileWarning")
def test_a_query_that_meets_a_broken_page_reads_the_inputs(store: Store) -> None:
    for ordinal in range(3):
        store.append("trials", [{"run_id": "r", "ordinal": ordinal}])
    compact(store)
    (file,) = merged(store, "trials")
    content = bytearray(file.read_bytes())
    content[30] ^= 1
    file.write_bytes(content)
    with pytest.warns(BrokenFileWarning, match=file.name):
        assert rows(Store(store.address), "SELECT run_id, ordinal FROM trials ORDER BY ordinal") == [
            {"run_id": "r", "ordinal": ordinal} for ordinal in range(3)
        ]


@pytest.mark.parametrize("sql", ["SHOW TABLES", "SELECT table_name AS name FROM information_schema.tables"])
def test_what_is_merged_adds_nothing_to_the_names_in_main(store: Store, sql: str) -> None:
    store.append("trials", [{"run_id": "r", "ordinal": 1}])
    where = "" if sql == "SHOW TABLES" else " WHERE table_schema = 'main'"
    before = sorted(row["name"] for row in rows(store, sql + where))
    store.append("trials", [{"run_id": "r", "ordinal": 2}])
    compact(store, grace_seconds=0)
    assert sorted(row["name"] for row in rows(store, sql + where)) == before
