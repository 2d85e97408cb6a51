"""Compaction changes how many files there are, never what is read."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapt.errors import StoreError
from storage.layout import Origins, age_seconds, live_parts, new_name
from storage.sql.query import query
from storage.store import BrokenFileWarning, Store
from storage.upkeep.compaction import compact

pytestmark = pytest.mark.filterwarnings("error")

KILLED_BETWEEN_WRITE_AND_DELETE = """
import os, sys
from storage.upkeep.compaction import compact
from storage.store import Store
store, deletes = Store(sys.argv[1]), int(sys.argv[2])
def delete(name, original=store.files.delete):
    global deletes
    if deletes == 0:
        os._exit(9)
    deletes -= 1
    original(name)
store.files.delete = delete
compact(store, grace_seconds=0)
"""


def fill(store: Store, ordinals: range, run_id: str = "a") -> None:
    for ordinal in ordinals:
        store.append("trials", [{"run_id": run_id, "ordinal": ordinal, "value": ordinal / 2}])


def ordinals(store: Store) -> list[int]:
    return sorted(store.read("trials", ["ordinal"]).column(0).to_pylist())


def files(store: Store) -> list[str]:
    return sorted(path.name for path in (Path(store.address) / "trials").glob("*.parquet"))


def test_every_row_reads_the_same_before_and_after(store: Store) -> None:
    fill(store, range(20))
    store.append("principles", [{"principles_id": "p", "statements": ["s"]}])
    store.append("principles", [{"principles_id": "q", "statements": None}])
    before = {name: store.read(name) for name in ("trials", "principles")}
    done = {result.dataset: result for result in compact(store, grace_seconds=0)}
    assert {name: store.read(name) for name in before} == before
    assert (done["trials"].merged, done["trials"].deleted, len(files(store))) == (20, 20, 1)
    assert done["runs"].merged == 0
    assert Store(store.address).read("trials") == before["trials"]


def test_inputs_stay_for_the_grace_period_and_count_once(store: Store) -> None:
    fill(store, range(4))
    assert compact(store, datasets=["trials"])[0].waiting == 4
    fill(store, range(4, 6))
    assert ordinals(store) == list(range(6))
    assert len(files(store)) == 7
    compact(store, datasets=["trials"])
    assert (ordinals(store), len(files(store))) == (list(range(6)), 8)
    time.sleep(0.05)
    (last,) = compact(store, datasets=["trials"], grace_seconds=0.05)
    assert (last.merged, last.deleted, last.waiting) == (0, 7, 0)
    assert (ordinals(store), len(files(store))) == (list(range(6)), 1)


@pytest.mark.parametrize("deletes", [0, 2])
def test_killed_between_write_and_delete_loses_and_doubles_nothing(store: Store, deletes: int) -> None:
    fill(store, range(5))
    killed = subprocess.run([sys.executable, "-c", KILLED_BETWEEN_WRITE_AND_DELETE, store.address, str(deletes)])
    assert killed.returncode == 9
    assert len(files(store)) == 6 - deletes
    assert ordinals(store) == list(range(5))
    fill(store, range(5, 7))
    compact(store, grace_seconds=0)
    assert (ordinals(store), len(files(store))) == (list(range(7)), 1)


def test_overlapping_merged_files_count_each_row_once(store: Store) -> None:
    """Two compactions at once: one saw a file that the other did not."""
    fill(store, range(3))
    folder = Path(store.address) / "trials"
    kept = {name: (folder / name).read_bytes() for name in files(store)}
    compact(store, grace_seconds=0)
    (folder / files(store)[0]).rename(folder / "first")
    for name, content in list(kept.items())[1:]:
        (folder / name).write_bytes(content)
    fill(store, range(3, 5))
    compact(store, grace_seconds=0)
    (folder / "first").rename(folder / new_name(merged=True))
    assert len(files(store)) == 2
    assert ordinals(store) == list(range(5))
    assert ordinals(Store(store.address)) == list(range(5))
    compact(store, grace_seconds=0)
    assert (ordinals(store), len(files(store))) == (list(range(5)), 1)


def test_readers_and_writers_go_on_while_compactions_run(store: Store) -> None:
    fill(store, range(30))
    stop = threading.Event()

    def keep_compacting() -> None:
        while not stop.is_set():
            compact(Store(store.address), datasets=["trials"], grace_seconds=0.2)

    compactors = [threading.Thread(target=keep_compacting) for _ in range(2)]
    for thread in compactors:
        thread.start()
    try:
        for ordinal in range(30, 70):
            fill(store, range(ordinal, ordinal + 1))
            assert ordinals(Store(store.address)) == list(range(ordinal + 1))
    finally:
        stop.set()
        for thread in compactors:
            thread.join()
    assert ordinals(store) == list(range(70))


def test_what_is_new_stays_new_across_a_compaction(store: Store) -> None:
    seen: set[str] = set()
    fill(store, range(3))
    assert store.read_new("trials", seen).num_rows == 3
    fill(store, range(3, 5))
    compact(store, grace_seconds=0)
    assert store.read_new("trials", seen, ["ordinal"]).column(0).to_pylist() == [3, 4]
    assert store.read_new("trials", seen).num_rows == 0


@pytest.mark.filterwarnings("default::storage.store.BrokenFileWarning")
def test_broken_files_stay_and_are_named(store: Store) -> None:
    fill(store, range(3))
    broken = Path(store.address) / "trials" / files(store)[1]
    broken.write_bytes(b"PAR1")
    with pytest.warns(BrokenFileWarning, match=broken.name):
        (done,) = compact(store, datasets=["trials"], grace_seconds=0)
    assert (done.merged, done.broken) == (2, (broken.name,))
    assert broken.read_bytes() == b"PAR1"
    with pytest.warns(BrokenFileWarning, match=broken.name):
        assert ordinals(store) == [0, 2]


@pytest.mark.filterwarnings("default::storage.store.BrokenFileWarning")
@pytest.mark.parametrize("damage", [slice(None, 200), slice(None, -1)])
def test_inputs_of_a_broken_merged_file_are_read_instead(store: Store, damage: slice) -> None:
    fill(store, range(3))
    compact(store, datasets=["trials"])
    merged = next(path for path in (Path(store.address) / "trials").iterdir() if ".merged." in path.name)
    merged.write_bytes(merged.read_bytes()[damage])
    with pytest.warns(BrokenFileWarning, match=merged.name):
        assert ordinals(Store(store.address)) == [0, 1, 2]


@pytest.mark.filterwarnings("default::storage.store.BrokenFileWarning")
def test_one_flipped_bit_in_a_merged_file_is_noticed_and_its_inputs_are_read(store: Store) -> None:
    fill(store, range(3))
    compact(store, datasets=["trials"])
    merged = next(path for path in (Path(store.address) / "trials").iterdir() if ".merged." in path.name)
    content = bytearray(merged.read_bytes())
    content[30] ^= 1
    merged.write_bytes(content)
    with pytest.warns(BrokenFileWarning, match=merged.name):
        rows = Store(store.address).read("trials").to_pylist()
    assert [(row["run_id"], row["ordinal"]) for row in rows] == [("a", 0), ("a", 1), ("a", 2)]


def test_files_of_a_newer_version_keep_their_columns(store: Store) -> None:
    fill(store, range(2))
    newer = Path(store.address) / "trials" / new_name()
    pq.write_table(pa.table({"ordinal": [2], "invented_later": ["kept"]}), newer)
    compact(store, grace_seconds=0)
    assert pq.read_table(newer).column("invented_later").to_pylist() == ["kept"]
    assert ordinals(store) == [0, 1, 2]


def test_sql_answers_the_same(store: Store) -> None:
    fill(store, range(10))
    sql = "SELECT ordinal, value FROM trials ORDER BY ordinal"
    before = query(store, sql)
    compact(store, grace_seconds=0)
    assert query(store, sql) == before


def test_names_know_their_age() -> None:
    assert 0 <= age_seconds(new_name()) < 1
    assert age_seconds("20200101T000000000000Z-0.parquet") > 1e8
    assert age_seconds("foreign.parquet") == 0


@given(st.lists(st.sets(st.integers(0, 7), min_size=1)), st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7)))
def test_each_appended_file_counts_exactly_once(merged: list[set[int]], appended: set[int], seen: set[int]) -> None:
    """Whatever merged files there are: file i has i + 1 rows, and all rows not seen are read once."""
    holds: dict[str, Origins] = {
        f"m{number}.merged.parquet": tuple((str(i), i + 1) for i in sorted(origins))
        for number, origins in enumerate(merged)
    }
    parts = live_parts(map(str, sorted(appended)), holds, map(str, seen))
    read: list[str] = []
    for part in parts:
        origins = holds.get(part.name) or ((part.name, int(part.name) + 1),)
        rows = [origin for origin, count in origins for _ in range(count)]
        ranges = part.ranges or ((0, len(rows)),)
        read += [row for start, stop in ranges for row in rows[start:stop]]
    wanted = (appended | set().union(*merged)) - seen
    assert sorted(read) == sorted(str(i) for i in wanted for _ in range(i + 1))


def test_a_store_that_is_not_there_is_not_compacted(store: Store) -> None:
    with pytest.raises(StoreError, match="got nothing there"):
        compact(store)
    assert not Path(store.address).exists()
