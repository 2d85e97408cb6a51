"""A query ends at its limits of time, memory and rows, and reaches no disk."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pytest

from lapt.errors import ConfigError, StoreError
from storage.sql.query import Limits, QueryError, bytes_of, query
from storage.store import Store

SMALL = Limits(seconds=0.5, memory=100_000_000)
MANY = "range(1000000)"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    found = Store(tmp_path / "store")
    found.append("trials", [{"run_id": "r", "task": "t", "ordinal": n, "value": float(n)} for n in range(10)])
    return found


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT count(*) FROM {MANY} a, {MANY} b WHERE a.range * b.range % 7 = 3",
        "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT max(x) FROM r",
        "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT * FROM r WHERE x < 0",
    ],
)
def test_a_query_without_an_end_is_ended(store: Store, sql: str) -> None:
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"an answer within 0\.5 s; got none; .*--timeout") as raised:
        query(store, sql, SMALL)
    assert time.monotonic() - began < 5
    assert not isinstance(raised.value, QueryError)  # nothing was wrong with it: exit status 1
    assert query(store, "SELECT count(*) AS n FROM trials", SMALL).to_pylist() == [{"n": 10}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(DISTINCT a.range * b.range) FROM range(100000) a, range(100000) b",
        "SELECT list(range) FROM range(100000000)",
        "SELECT len(range(300000000))",
        "SELECT repeat('x', 1500000000)",
        "SELECT list_sum([x * x for x in range(60000000)])",
    ],
)
def test_a_query_that_wants_more_memory_is_ended(store: Store, sql: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(StoreError, match=r"fits into 100 MB of memory; .*--memory"):
        query(store, sql, Limits(seconds=30, memory=100_000_000))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000  # kB
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY
    assert os.listdir() == []


@pytest.mark.parametrize("sql", [f"SELECT * FROM {MANY}", f"SELECT * FROM {MANY} a, {MANY} b"])
def test_an_answer_too_long_to_print_is_refused(store: Store, sql: str) -> None:
    with pytest.raises(StoreError, match=r"at most 50,000 rows; got more; add a LIMIT"):
        query(store, sql, SMALL)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 AS a, 2 AS a, 3 AS A, ordinal FROM trials ORDER BY ordinal DESC",
        "EXPLAIN SELECT 1",
        "DESCRIBE trials",
        "FROM trials ORDER BY ordinal",
        "SELECT range FROM range(50000)",
        "SELECT 1 WHERE false",
    ],
)
def test_within_its_limits_an_answer_is_the_same(store: Store, sql: str) -> None:
    assert query(store, sql, SMALL).equals(query(store, sql))


@pytest.mark.parametrize(
    ("size", "number"), [("4GB", 4 * 10**9), ("512 mb", 512 * 10**6), ("2GiB", 2 * 2**30), ("1.5g", 15 * 10**8)]
)
def test_sizes(size: str, number: int) -> None:
    assert bytes_of(size) == number


@pytest.mark.parametrize("size", ["", "much", "-4GB", "4 XB", "10MB", "0", "1e9", "9999999TB"])
def test_what_is_no_size(size: str) -> None:
    with pytest.raises(ConfigError, match="--memory of 50MB or more"):
        bytes_of(size)
