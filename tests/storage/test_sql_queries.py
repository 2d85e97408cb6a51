"""One SELECT over the store and nothing else; the views on a case small enough to work out by hand."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lapt.errors import StoreError
from storage.schemas import SCHEMAS
from storage.sql.query import QueryError, connect, query
from storage.sql.views import NEEDS, VIEWS
from storage.store import Store

START = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def filled(store: Store) -> Store:
    """Run "r" on two targets: "acc" (higher is better, four trials, one failed) and "err" (lower is better)."""
    clock = iter(START + timedelta(seconds=i) for i in range(100))

    def trial(task: str, ordinal: int, architecture: str, value: float | None, **more: Any) -> dict[str, Any]:
        row = {
            "run_id": "r",
            "space": "toy",
            "task": task,
            "iteration": (ordinal + 1) // 2,
            "ordinal": ordinal,
            "architecture": architecture,
            "value": value,
            "metric": "accuracy" if task == "acc" else "error",
            "higher_is_better": task == "acc",
            "status": "failed" if value is None else "ok",
            "origin": "table",
            "created_at": next(clock),
        }
        return {**row, **more}

    def score(key: str, value: float | None, seconds: float, **more: Any) -> dict[str, Any]:
        row = {
            "key": key,
            "space": "toy",
            "task": "acc",
            "split": "validation",
            "fingerprint": "f",
            "value": value,
            "unit": "%",
            "higher_is_better": True,
            "cost_seconds": seconds,
            "parameters": 10,
            "status": "failed" if value is None else "ok",
            "created_at": next(clock),
        }
        return {**row, **more}

    refined = {"subspace_id": "s", "principles_id": "p2"}
    rows = [
        trial("acc", 1, "a", 80.0, origin="store", score_key="ka"),
        trial("acc", 2, "b", None, origin="computed", score_key="kb", error="diverged"),
        trial("acc", 3, "c", 90.0, origin="computed", score_key="kc", **refined),
        trial("acc", 4, "d", 85.0, origin="computed", score_key="kd", **refined),
        trial("err", 1, "a", 0.5, cost_seconds=1.0),
        trial("err", 2, "b", 0.2),
        trial("err", 3, "c", 0.3),
    ]
    for row in rows:
        store.append("trials", [row])
    store.append("trials", [{**rows[2], "value": 1.0, "created_at": next(clock)}])  # asked again by a resumed run
    store.append("scores", [score("ka", 80.0, 5.0), score("kb", None, 7.0, error="diverged")])
    store.append("scores", [score("kc", 90.0, 11.0), score("kd", 85.0, 13.0)])
    store.append("scores", [score("kc", 91.0, 99.0)])  # measured at the same time elsewhere: the earliest counts
    store.append(
        "principles",
        [
            {"principles_id": "p1", "run_id": "r", "task": "src", "step": "learn", "version": 1, "statements": ["x"]},
            {
                "principles_id": "p2",
                "run_id": "r",
                "task": "acc",
                "step": "update",
                "version": 2,
                "parent": "p1",
                "statements": ["y", "z"],
            },
        ],
    )
    store.append("subspaces", [{"subspace_id": "s", "run_id": "r", "task": "acc", "size": 64.0, "size_text": "64"}])
    call = {"run_id": "r", "call_key": "c", "tokens_in": 100, "tokens_out": 10, "cost": 0.5, "created_at": START}
    store.append("reasoner_calls", [{**call, "task": "src", "valid": False}, {**call, "task": "src", "valid": True}])
    store.append("reasoner_calls", [{**call, "task": "src", "valid": True}])
    supernet = {"run_id": "r", "task": "acc", "iteration": 1, "fingerprint": "f", "cost_seconds": 40.0}
    store.append("supernets", [supernet, {**supernet, "iteration": 2, "fingerprint": "g", "cost_seconds": 2.0}])
    store.append("supernets", [{**supernet, "cost_seconds": 99.0}])  # said again by a resumed run
    return store


def rows(store: Store, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in query(store, sql).to_pylist()]


@pytest.fixture
def empty(store: Store) -> Store:
    """There, and nothing in it."""
    store.check_writable()
    return store


def test_every_view_answers_on_an_empty_store(empty: Store) -> None:
    assert {view: query(empty, f"SELECT * FROM {view}").num_rows for view in VIEWS} == dict.fromkeys(VIEWS, 0)


def test_a_store_that_is_not_there_is_named_and_not_created(store: Store) -> None:
    expected = f"expected a result store at {store.address}; got nothing there; .*--store or LAPT_STORE"
    with pytest.raises(StoreError, match=expected) as raised:
        query(store, "SELECT 1")
    assert not raised.value.usage
    with pytest.raises(QueryError):  # what is wrong with the SQL comes first
        query(store, "SELEC 1")
    assert not Path(store.address).exists()


def test_scores_and_trials_count_once_and_the_earliest_wins(filled: Store) -> None:
    assert rows(filled, "SELECT value FROM scores WHERE key = 'kc'") == [(90.0,)]
    assert rows(filled, "SELECT count(*), max(value) FROM trials WHERE task = 'acc'") == [(4, 90.0)]


def test_a_score_comes_before_an_earlier_failure(filled: Store) -> None:
    filled.append("scores", [{"key": "kb", "value": 70.0, "status": "ok"}])
    assert rows(filled, "SELECT value FROM scores WHERE key = 'kb'") == [(70.0,)]


def test_evaluations_join_scores_and_normalise_them(filled: Store) -> None:
    found = rows(
        filled,
        "SELECT task, ordinal, score, unit, cost_seconds, error FROM evaluations ORDER BY task, ordinal",
    )
    assert found == [
        ("acc", 1, 80.0, "%", 5.0, None),
        ("acc", 2, None, "%", 7.0, "diverged"),
        ("acc", 3, 90.0, "%", 11.0, None),
        ("acc", 4, 85.0, "%", 13.0, None),
        ("err", 1, -0.5, None, 1.0, None),
        ("err", 2, -0.2, None, None, None),
        ("err", 3, -0.3, None, None, None),
    ]


def test_the_leaderboard_ranks_in_the_metrics_direction_without_failures(filled: Store) -> None:
    found = rows(filled, "SELECT space, task, rank, architecture, value, run_id, iteration FROM leaderboard")
    assert found == [
        ("toy", "acc", 1, "c", 90.0, "r", 2),
        ("toy", "acc", 2, "d", 85.0, "r", 2),
        ("toy", "acc", 3, "a", 80.0, "r", 1),
        ("toy", "err", 1, "b", 0.2, "r", 1),
        ("toy", "err", 2, "c", 0.3, "r", 2),
        ("toy", "err", 3, "a", 0.5, "r", 1),
    ]


def test_the_leaderboard_lists_an_architecture_once_and_equals_share_a_rank(filled: Store) -> None:
    again = {
        "run_id": "later",
        "space": "toy",
        "task": "err",
        "metric": "error",
        "higher_is_better": False,
        "status": "ok",
    }
    filled.append("trials", [{**again, "ordinal": 1, "architecture": "b", "value": 0.2}])
    filled.append("trials", [{**again, "ordinal": 2, "architecture": "e", "value": 0.2}])
    found = rows(filled, "SELECT rank, architecture, run_id FROM leaderboard WHERE task = 'err' AND rank < 4")
    assert found == [(1, "b", "r"), (1, "e", "later"), (3, "c", "r")]


def test_the_incumbent_over_time(filled: Store) -> None:
    found = rows(filled, "SELECT task, ordinal, incumbent_value, incumbent_architecture, cost_seconds FROM anytime")
    assert found == [
        ("acc", 1, 80.0, "a", 5.0),
        ("acc", 2, 80.0, "a", 12.0),
        ("acc", 3, 90.0, "c", 23.0),
        ("acc", 4, 90.0, "c", 36.0),
        ("err", 1, 0.5, "a", 1.0),
        ("err", 2, 0.2, "b", 1.0),
        ("err", 3, 0.2, "b", 1.0),
    ]


def test_lineage_leads_from_an_evaluation_to_the_first_principles(filled: Store) -> None:
    found = rows(
        filled,
        "SELECT ordinal, size, statements, parent, parent_task, parent_statements FROM lineage WHERE task = 'acc'",
    )
    nothing = (None,) * 5
    traced = (64.0, ["y", "z"], "p1", "src", ["x"])
    assert found == [(1, *nothing), (2, *nothing), (3, *traced), (4, *traced)]


def test_costs_tell_paid_now_from_total(filled: Store) -> None:
    found = rows(
        filled,
        """SELECT task, evaluations, computed, from_store, from_table, failed, seconds_paid_now, seconds_total,
                  reasoner_calls, tokens_in, tokens_out, reasoner_cost FROM costs ORDER BY task""",
    )
    assert found == [
        ("acc", 4, 3, 1, 0, 1, 31.0, 36.0, 0, 0, 0, 0.0),
        ("err", 3, 0, 0, 3, 0, 0.0, 1.0, 0, 0, 0, 0.0),
        ("src", 0, 0, 0, 0, 0, 0.0, 0.0, 2, 200, 20, 1.0),
    ]


def test_supernets_cost_once_whoever_says_so_again(filled: Store) -> None:
    found = rows(filled, "SELECT task, supernets, seconds_supernets FROM costs ORDER BY task")
    assert found == [("acc", 2, 42.0), ("err", 0, 0.0), ("src", 0, 0.0)]


def test_the_incumbent_begins_anew_with_another_supernet(store: Store) -> None:
    """Scores of two supernets are not comparable; what they cost adds up."""
    asked = {"run_id": "r", "task": "acc", "metric": "accuracy", "higher_is_better": True, "status": "ok"}
    for ordinal, (fingerprint, name, value) in enumerate(
        [("one", "a", 60.0), ("one", "b", 70.0), ("two", "b", 50.0), ("two", "c", 55.0), ("two", "d", 54.0)], start=1
    ):
        trial = {"ordinal": ordinal, "fingerprint": fingerprint, "architecture": name, "value": value}
        store.append("trials", [{**asked, **trial, "cost_seconds": 1.0}])
    found = rows(store, "SELECT ordinal, incumbent_value, incumbent_architecture, cost_seconds FROM anytime")
    assert found == [
        (1, 60.0, "a", 1.0),
        (2, 70.0, "b", 2.0),
        (3, 50.0, "b", 3.0),
        (4, 55.0, "c", 4.0),
        (5, 55.0, "c", 5.0),
    ]


def test_times_are_utc(filled: Store) -> None:
    assert rows(filled, "SELECT min(created_at) FROM trials") == [(START,)]


@pytest.mark.parametrize(
    "sql",
    [
        "EXPLAIN SELECT * FROM leaderboard",
        "DESCRIBE leaderboard",
        "SHOW TABLES",
        "WITH t AS (SELECT 1 AS a) SELECT a FROM t",
        "FROM trials SELECT count(*)",
        "SELECT 1;",
        "SELECT * FROM query_table('tri' || 'als')",
    ],
)
def test_what_reads_is_allowed(filled: Store, sql: str) -> None:
    assert query(filled, sql).num_rows > 0


@pytest.mark.parametrize(
    "sql",
    [
        "SHOW TABLES",
        "SELECT view_name AS name FROM duckdb_views() WHERE NOT internal AND 'leaderboard' IS NOT NULL",
        "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'main' AND 'trials' <> ''",
    ],
)
def test_every_view_is_listed_whatever_the_query_names(empty: Store, sql: str) -> None:
    assert {row["name"] for row in query(empty, sql).to_pylist()} == set(VIEWS)


REFUSED = {
    "drop": "DROP VIEW trials",
    "copy": "COPY (SELECT 1) TO '{out}'",
    "copy inside explain": "EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}'",
    "attach": "ATTACH '{out}'",
    "export": "EXPORT DATABASE '{out}'",
    "create": "CREATE TABLE t AS SELECT 1",
    "insert": "INSERT INTO raw.trials SELECT * FROM raw.trials",
    "install": "INSTALL httpfs",
    "load": "LOAD httpfs",
    "read_csv": "SELECT * FROM read_csv('/etc/passwd')",
    "read_text": "SELECT * FROM read_text('/etc/passwd')",
    "file as a table": "SELECT * FROM '/etc/passwd'",
    "glob": "SELECT * FROM glob('/*')",
    "python variable": "SELECT * FROM secret",
    "pragma": "PRAGMA database_list",
    "set": "SET threads = 1",
    "call": "CALL pragma_version()",
    "two statements": "SELECT 1; SELECT 2",
    "a second that drops": "SELECT 1; DROP VIEW trials",
    "nothing": "",
    "a comment": "-- nothing",
    "no SQL": "SELEC 1",
}


@pytest.mark.parametrize("sql", REFUSED.values(), ids=REFUSED.keys())
def test_anything_else_is_refused_in_one_line(filled: Store, tmp_path: Path, sql: str) -> None:
    out = tmp_path / "out"
    secret = filled.read("trials")  # noqa: F841 - the query must not see it
    with pytest.raises(QueryError) as raised:
        query(filled, sql.format(out=out))
    assert raised.value.usage
    assert "\n" not in str(raised.value)
    assert not out.exists()
    assert filled.read("trials").num_rows == 8


@pytest.mark.parametrize("sql", ["", "  ", "-- a comment"])
def test_no_statement_at_all_is_not_counted(store: Store, sql: str) -> None:
    with pytest.raises(QueryError, match=r"expected one SELECT statement; got nothing; write one"):
        query(store, sql)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1 AS a, 2 AS a, 3 AS b", {"a": 1, "a_1": 2, "b": 3}),
        ("SELECT 1 AS a, 2 AS a, 3 AS a_1, 4 AS a", {"a": 1, "a_2": 2, "a_1": 3, "a_3": 4}),
        ("SELECT * FROM (SELECT 1 AS k, 2 AS v) x JOIN (SELECT 1 AS k, 3 AS v) y ON x.k = y.k", None),
    ],
)
def test_columns_that_share_a_name_keep_their_values(empty: Store, sql: str, expected: dict[str, int] | None) -> None:
    found = query(empty, sql)
    assert found.to_pylist() == [expected or {"k": 1, "v": 2, "k_1": 1, "v_1": 3}]


LONG_QUERY = """
import sys
from storage.sql.query import query
from storage.store import Store
Store(sys.argv[1]).append("runs", [{"run_id": "r"}])
try:
    print("ready", flush=True)
    query(Store(sys.argv[1]), "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000) b")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("seconds", [0.03, 0.04, 0.05, 2.0])
def test_ctrl_c_ends_a_long_query(store: Store, seconds: float) -> None:
    command = [sys.executable, "-c", LONG_QUERY, store.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        try:
            out, _ = process.communicate(timeout=10)  # half a minute if nobody ends it
        finally:
            process.kill()
    assert (out, process.returncode) == ("interrupted\n", 0)


def test_settings_are_locked(store: Store) -> None:
    with connect(store) as connection, pytest.raises(Exception, match="locked"):
        connection.execute("SET enable_external_access = true")


def test_a_wrong_column_is_named_with_what_there_is(filled: Store) -> None:
    with pytest.raises(
        QueryError, match=r'"accuracy" not found.*leaderboard|leaderboard.*"accuracy" not found'
    ) as raised:
        query(filled, "SELECT accuracy FROM leaderboard")
    assert "DESCRIBE" in str(raised.value)
    with pytest.raises(QueryError, match="leaderbord"):
        query(filled, "SELECT * FROM leaderbord")


def test_what_fails_while_it_runs_is_said_in_one_line(filled: Store) -> None:
    with pytest.raises(QueryError, match="Could not convert string") as raised:
        query(filled, "SELECT architecture::INTEGER FROM trials")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("view", VIEWS)
def test_a_query_loads_what_its_view_needs(filled: Store, view: str) -> None:
    """The same answer whether only the needed data sets are loaded or all of them."""
    with connect(filled) as everything:
        expected = everything.sql(f"SELECT * FROM {view} ORDER BY ALL").to_arrow_table()
    assert query(filled, f"SELECT * FROM {view} ORDER BY ALL") == expected
    assert expected.num_rows > 0 or view in ("runs", "studies", "study_jobs", "finals", "front")
    assert set(NEEDS[view]) <= set(SCHEMAS)
