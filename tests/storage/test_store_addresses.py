"""A word with a colon and a slash is an address, in any case, and never the name of a folder that is made here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

from flows.embedded import history_home
from lapt.errors import StoreError
from storage.addresses import address_of
from storage.benchmarks.tables import data_folder
from storage.files import LocalFiles, ObjectFiles
from storage.sql.query import export
from storage.store import Store

REFUSED = [
    *("az://c/x", "azure://c/x", "wasb://c/x", "adl://c/x", "s3a://b/x", "S3N://b/x", "hdfs://h/x", "http://h/x"),
    *("HTTPS://h/x", "gsutil://b", "viafs://x", "mock://x", "word://x", "wörd+1.2-3://x".replace("ö", "o"), "gs:/b/x"),
    *("s3:/b/x", "S3:/b", "S3:///b", "file:/tmp/x", "file://host/x", "file://x", "results:/x", "sqlite:///x.db"),
    *("c3://b", "a.b://c", "postgresql+psycopg://u:secret@h/db"),
]


@pytest.mark.parametrize("address", REFUSED)
def test_an_unknown_address_is_refused_and_makes_nothing(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="a folder, or an address with s3://, gs://") as raised:
        Store(address)
    with pytest.raises(StoreError, match="a folder of imported tables"):
        data_folder(address)
    with pytest.raises(StoreError):
        history_home(address)
    assert "secret" not in str(raised.value)
    assert os.listdir() == []


@given(st.from_regex(r"\A[A-Za-z][A-Za-z0-9+.-]{1,9}:/{1,3}[a-z/]{0,9}\Z"), st.sampled_from(["", " ", "\n"]))
def test_no_word_with_a_colon_and_a_slash_is_a_folder_here(address: str, space: str) -> None:
    known = ("s3", "gs", "gcs", "abfs", "abfss", "file")
    try:
        found = address_of(space + address + space)
    except StoreError:
        return
    assert address.partition(":")[0].lower() in known
    assert (found.folder is None) == (not address.lower().startswith("file:"))
    assert found.folder is None or ":" not in str(found.folder)


@pytest.mark.parametrize("address", ["az://c/x", "azure://c/x", "wasbs://c@a.blob.core.windows.net/x"])
def test_azures_other_names_are_answered_with_the_one_that_is_known(address: str) -> None:
    with pytest.raises(StoreError, match=r"write abfs://container@account\.dfs\.core\.windows\.net/folder"):
        Store(address)


@pytest.mark.parametrize(
    ("address", "kind", "text"),
    [
        ("gs://bucket/a/b", fs.GcsFileSystem, "gs://bucket/a/b"),
        ("GS://Bucket/a/b/", fs.GcsFileSystem, "gs://Bucket/a/b"),
        ("gcs://anonymous@bucket/a", fs.GcsFileSystem, "gcs://anonymous@bucket/a"),
        ("abfs://c@acct.dfs.core.windows.net/a", fs.AzureFileSystem, "abfs://c@acct.dfs.core.windows.net/a"),
        ("ABFSS://c@acct.dfs.core.windows.net/a", fs.AzureFileSystem, "abfss://c@acct.dfs.core.windows.net/a"),
        ("S3://bucket/a?region=us-east-1", fs.S3FileSystem, "s3://bucket/a?region=us-east-1"),
    ],
)
def test_a_known_address_goes_through_its_filesystem(
    address: str, kind: type[fs.FileSystem], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store(address)
    assert isinstance(store.files, ObjectFiles)
    assert store.address == text
    assert Store(store.address).address == text
    assert isinstance(store.files.filesystem, kind)
    assert history_home(address) == history_home(store.address)
    assert os.listdir() == []


def test_a_bucket_that_cannot_be_reached_is_one_line_soon() -> None:
    store = Store("gs://anonymous@bucket/x?endpoint_override=127.0.0.1:9&scheme=http&retry_limit_seconds=0.5")
    with pytest.raises(StoreError, match="check the address, the disk or the network") as raised:
        store.check_writable()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "address", ["file://{}/s%20t", "FILE://{}/s%20t", "file://{}/s t", "{}/s t", "  {}/s t\n", "{}/s t/"]
)
def test_a_folder_may_be_written_as_a_file_address(address: str, tmp_path: Path) -> None:
    store = Store(address.format(tmp_path))
    assert store.address == str(tmp_path / "s t")
    store.append("runs", [{"run_id": "a"}])
    assert [path.name for path in tmp_path.iterdir()] == ["s t"]


@pytest.mark.parametrize("name", ["a:b", "2024:01", "x:", ":x", "s3", "./s3:b"])
def test_a_colon_alone_makes_no_address(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Store(name).address == str(tmp_path / name)


@pytest.mark.parametrize(
    "address",
    [
        "s3://key:secret@bucket/x",
        "s3://key@bucket/x",
        "gs://me:secret@bucket/x",
        "abfs://c:secret@acct.dfs.core.windows.net/x",
        "abfs://c@acct.dfs.core.windows.net/x?sig=secret",
        "s3://bucket/x?secret_key=secret",
        "gs://bucket/x?token=secret",
    ],
)
def test_no_address_holds_credentials(address: str) -> None:
    with pytest.raises(StoreError, match="without credentials") as raised:
        Store(address)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("address", ["s3://b/x.duckdb", "gs://b/x.duckdb", "word:/x.duckdb"])
def test_nothing_is_written_to_a_folder_that_is_named_like_an_address(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store("store")
    store.append("runs", [{"run_id": "a"}])
    with pytest.raises(StoreError, match="an address is for stores alone"):
        export(store, Path(address))
    with pytest.raises(StoreError, match="an address is for stores alone"):
        LocalFiles(Path(address).absolute().parent).write("x", b"")
    assert os.listdir() == ["store"]
