"""On a worker, the stores that its operator allows and no others."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from lapt.errors import StoreError
from storage.addresses import check_store
from storage.store import Store

RUN = {"PREFECT__FLOW_RUN_ID": "5f0c"}


@pytest.mark.parametrize(
    ("operator", "address"),
    [
        ({"LAPT_STORE": "/shared/store"}, "/shared/store"),
        ({"LAPT_STORE": "s3://bucket/lapt/"}, "s3://bucket/lapt"),
        ({"LAPT_STORE": "s3://bucket/lapt?region=eu-west-1"}, "s3://bucket/lapt?region=eu-west-1"),
        ({"LAPT_ALLOW_STORES": "/shared/*"}, "/shared/team/store"),
        ({"LAPT_STORE": "/other", "LAPT_ALLOW_STORES": "s3://bucket/*, /shared/*"}, "s3://bucket/lapt"),
    ],
)
def test_what_the_operator_names_is_allowed(operator: dict[str, str], address: str) -> None:
    check_store(address, RUN | operator)


@pytest.mark.parametrize(
    ("operator", "address"),
    [
        ({}, "/shared/store"),
        ({"LAPT_STORE": "/shared/store"}, "/shared/store/inside"),
        ({"LAPT_STORE": "/shared/store"}, "/shared"),
        ({"LAPT_ALLOW_STORES": "/shared/*"}, "/shared"),
        ({"LAPT_ALLOW_STORES": "/shared/*"}, "/shared/../etc"),
        ({"LAPT_ALLOW_STORES": "s3://bucket/*"}, "s3://bucket/x?endpoint_override=elsewhere.example:9000"),
        ({"LAPT_ALLOW_STORES": "s3://bucket/*"}, "s3://bucket/../other/x"),
        ({"LAPT_ALLOW_STORES": "*"}, "s3://bucket/x?endpoint_override=elsewhere.example:9000"),
    ],
)
def test_everything_else_is_refused_with_what_to_set(operator: dict[str, str], address: str) -> None:
    check_store(address, operator)  # no worker: a user's own command
    with pytest.raises(StoreError, match=r"LAPT_STORE.*LAPT_ALLOW_STORES.*start the worker with --store"):
        check_store(address, RUN | operator)


def test_a_store_is_checked_when_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A way up, and a link, are followed before the address is compared."""
    (tmp_path / "listed").mkdir()
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "listed" / "link").symlink_to(tmp_path / "elsewhere" / "deep")
    carried = pickle.dumps(Store(tmp_path / "elsewhere"))
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "5f0c")
    monkeypatch.setenv("LAPT_ALLOW_STORES", f"{tmp_path}/listed/*")
    monkeypatch.delenv("LAPT_STORE", raising=False)
    assert Store(tmp_path / "elsewhere" / ".." / "listed" / "mine").address == str(tmp_path / "listed" / "mine")
    for way in ("listed/../elsewhere", "listed/link/../x", "elsewhere"):
        with pytest.raises(StoreError, match="this worker"):
            Store(f"{tmp_path}/{way}")
    with pytest.raises(StoreError, match="this worker"):
        pickle.loads(carried)
