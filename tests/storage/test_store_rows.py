"""Appended rows are read back, whatever other files there are."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import fs

from lapt.errors import StoreError
from storage.files import ObjectFiles
from storage.schemas import SCHEMAS
from storage.store import BrokenFileWarning, Store


def test_a_store_that_does_not_exist_reads_as_empty_tables_and_is_not_created(tmp_path: Path) -> None:
    store = Store(tmp_path / "nowhere")
    assert {name: store.read(name).num_rows for name in SCHEMAS} == dict.fromkeys(SCHEMAS, 0)
    assert store.read("trials").schema.equals(SCHEMAS["trials"])
    assert not (tmp_path / "nowhere").exists()
    assert not store.exists()


def test_a_store_exists_once_something_is_written(store: Store) -> None:
    assert not store.exists()
    store.append("runs", [{"run_id": "a"}])
    assert store.exists()


@pytest.mark.parametrize("address", ["", "  "])
def test_an_empty_address_is_refused(address: str) -> None:
    with pytest.raises(StoreError, match="got an empty one; name one with --store or LAPT_STORE"):
        Store(address)


def test_address_is_absolute_and_all_that_a_pickle_carries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store("results")
    store.append("runs", [{"run_id": "a"}])
    copy = pickle.loads(pickle.dumps(store))
    monkeypatch.chdir("/")
    assert copy.address == str(tmp_path / "results")
    assert copy.read("runs", ["run_id"]).to_pylist() == [{"run_id": "a"}]


def test_rows_come_back_with_their_types_and_a_time(store: Store) -> None:
    before = datetime.now(UTC)
    store.append("principles", [{"principles_id": "p", "statements": ["one", "two"], "version": 3}])
    store.append("subspaces", [{"size": 3e18 * 3e18, "size_text": str(3**80), "created_at": before}])
    (principle,) = store.read("principles").to_pylist()
    (subspace,) = store.read("subspaces").to_pylist()
    assert (principle["statements"], principle["version"], principle["body"]) == (["one", "two"], 3, None)
    assert before <= principle["created_at"] <= datetime.now(UTC)
    assert (int(subspace["size_text"]), subspace["created_at"]) == (3**80, before)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "run_id": st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
                "ordinal": st.integers(-(2**63), 2**63 - 1) | st.none(),
                "value": st.floats(allow_nan=False) | st.none(),
                "higher_is_better": st.booleans() | st.none(),
            },
        ),
        max_size=5,
    )
)
def test_any_row_survives(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]) -> None:
    store = Store(tmp_path_factory.mktemp("any"))
    store.append("trials", rows)
    columns = ["run_id", "ordinal", "value", "higher_is_better"]
    assert store.read("trials", columns).to_pylist() == [{c: row.get(c) for c in columns} for row in rows]


def test_columns_filter_and_what_is_new(store: Store) -> None:
    seen: set[str] = set()
    for ordinal in range(3):
        store.append("trials", [{"run_id": "a", "ordinal": ordinal}])
    assert store.read("trials", ["ordinal"], pc.field("ordinal") > 0).to_pylist() == [{"ordinal": 1}, {"ordinal": 2}]
    assert store.read_new("trials", seen).num_rows == 3
    assert store.read_new("trials", seen).num_rows == 0
    store.append("trials", [{"run_id": "a", "ordinal": 9}])
    assert store.read_new("trials", seen, ["ordinal"]).to_pylist() == [{"ordinal": 9}]


@pytest.mark.parametrize(
    ("rows", "named"),
    [([{"nonsense": 1}], "nonsense"), ([{"ordinal": "first"}], "ordinal"), ([{"ordinal": 2**70}], "ordinal")],
)
def test_rows_that_do_not_fit_are_refused_and_nothing_is_written(
    store: Store, rows: list[dict[str, object]], named: str
) -> None:
    with pytest.raises(StoreError, match=named):
        store.append("trials", rows)
    assert not Path(store.address).exists()


def test_unknown_data_sets_and_columns_are_named(store: Store) -> None:
    with pytest.raises(StoreError, match="'trails'"):
        store.read("trails")
    with pytest.raises(StoreError, match="accuracy"):
        store.read("trials", ["accuracy"])


def test_truncated_files_are_skipped_with_a_warning_that_names_them(store: Store) -> None:
    names = [store.append("trials", [{"run_id": "a", "ordinal": ordinal}]) for ordinal in range(5)]
    folder = Path(store.address) / "trials"
    for name, keep in ((names[1], 0), (names[2], 100), (names[3], -8)):
        path = folder / name
        path.write_bytes(path.read_bytes()[:keep])
    with pytest.warns(BrokenFileWarning) as warned:
        assert store.read("trials", ["ordinal"]).to_pylist() == [{"ordinal": 0}, {"ordinal": 4}]
    assert [any(name in str(w.message) for w in warned) for name in names] == [False, True, True, True, False]


def test_files_of_other_versions_are_read_with_nulls_and_without_what_is_not_known(store: Store) -> None:
    folder = Path(store.address) / "trials"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"run_id": ["old"], "ordinal": pa.array([1], pa.int32())}), folder / "old.parquet")
    pq.write_table(pa.table({"run_id": ["new"], "invented_later": [1.5]}), folder / "new.parquet")
    pq.write_table(pa.table({"invented_later": [1.5, 2.5]}), folder / "strange.parquet")
    store.append("trials", [{"run_id": "now", "task": "t"}])
    table = store.read("trials")
    assert table.schema.equals(SCHEMAS["trials"])
    found = {(row["run_id"], row["ordinal"], row["task"]) for row in table.to_pylist()}
    assert found == {("old", 1, None), ("new", None, None), ("now", None, "t"), (None, None, None)}
    assert table.num_rows == 5


def test_files_say_which_schema_wrote_them(store: Store) -> None:
    name = store.append("scores", [{"key": "k"}])
    metadata = pq.read_schema(Path(store.address) / "scores" / name).metadata
    assert metadata[b"lapt.schema"] == b"scores"
    assert metadata[b"lapt.version"] == b"3"


def test_file_names_sort_by_time(store: Store) -> None:
    names = [store.append("runs", [{"run_id": str(i)}]) for i in range(20)]
    assert names == sorted(names)
    assert len(set(names)) == 20


def test_blobs_are_named_by_content_and_checked(store: Store) -> None:
    name = store.put_blob(b"weights")
    assert name == store.put_blob(b"weights")
    assert store.get_blob(name) == b"weights"
    with pytest.raises(StoreError, match="blob 00"):
        store.get_blob("00")
    (Path(store.address) / "blobs" / name).write_bytes(b"weight")
    with pytest.raises(StoreError, match="digest"):
        store.get_blob(name)


def test_object_stores_go_through_pyarrow_filesystems(tmp_path: Path) -> None:
    """Not S3 itself: the same class over another filesystem of pyarrow's."""
    store = Store(tmp_path / "unused")
    for dataset in ("trials", "blobs"):  # object stores have no folders, this one does
        (tmp_path / "bucket" / "store" / dataset).mkdir(parents=True)
    store.files = ObjectFiles(fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), "bucket/store")
    assert store.read("trials").num_rows == 0
    assert not store.exists()
    for ordinal in range(40):
        store.append("trials", [{"run_id": "a", "ordinal": ordinal}])
    assert store.exists()
    assert store.read("trials", ["ordinal"]).column(0).to_pylist() == list(range(40))
    assert store.get_blob(store.put_blob(b"x")) == b"x"
    assert sorted(path.name for path in (tmp_path / "bucket" / "store").iterdir()) == ["blobs", "trials"]


def test_an_s3_address_keeps_credentials_out() -> None:
    with pytest.raises(StoreError, match="AWS_ACCESS_KEY_ID") as raised:
        Store("s3://key:secret@bucket/store")
    assert "secret@" not in str(raised.value)


def test_created_at_is_kept_when_given(store: Store) -> None:
    then = datetime.now(UTC) - timedelta(days=400)
    store.append("runs", [{"run_id": "a", "created_at": then}])
    assert store.read("runs").to_pylist()[0]["created_at"] == then
