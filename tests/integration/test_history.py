"""The history of runs is no result: whatever became of its database, a server comes to work."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flows.server.address import prefect_server
from flows.server.settings import apply_environment

apply_environment()

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", autouse=True)
def no_server_configured() -> Iterator[None]:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: None}):
        yield


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a home in which a server has been."""
    home = tmp_path_factory.mktemp("known")
    with prefect_server(home):
        pass
    return home / "prefect.db"


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        database.commit()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100_000])


def other(path: Path) -> None:
    path.write_bytes(b"no database at all\n" * 1000)


def torn(path: Path) -> None:
    """Its first page stands, and so does what it says of its version; the tables are gone."""
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + bytes(len(whole) - 4096))


def without_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute("DROP TABLE task_run")
        database.commit()


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").touch()


@pytest.mark.parametrize("harm", [newer, cut, other, torn, without_tables, folder])
def test_a_database_that_no_server_takes_is_set_aside(
    known: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    shutil.copyfile(known, tmp_path / "prefect.db")
    harm(tmp_path / "prefect.db")
    (tmp_path / "prefect.db-wal").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"expected a history .*; it is set aside as .*prefect-\d+T\d+.db") as said:
        work(tmp_path)
    assert len(said) == 1
    assert "\n" not in str(said[0].message)
    (aside,) = tmp_path.glob("prefect-*.db")
    assert aside.is_dir() == (harm is folder)
    work(tmp_path)  # the new one stays


def work(home: Path) -> None:
    from prefect.client.orchestration import get_client

    with prefect_server(home), get_client(sync_client=True) as client:
        assert client.read_flow_runs() == []
        assert client.read_task_runs() == []


def test_a_database_that_somebody_holds_is_left_alone(
    known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.server.database.LOCKED_SECONDS", 0.1)
    shutil.copyfile(known, tmp_path / "prefect.db")
    with closing(sqlite3.connect(tmp_path / "prefect.db", isolation_level=None)) as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        with pytest.warns(UserWarning, match="got database is locked; this run goes on without one that is kept"):
            work(tmp_path)
    assert not list(tmp_path.glob("prefect-*.db"))


def test_a_history_that_cannot_be_written_is_a_temporary_one(tmp_path: Path) -> None:
    (tmp_path / "prefect").write_text("a file where the folder is to be")
    with pytest.warns(UserWarning, match="got File exists; this run goes on without one that is kept"):
        work(tmp_path / "prefect")


def test_a_server_that_does_not_start_for_another_reason_leaves_the_history_alone(
    known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.server.address import ServerError

    shutil.copyfile(known, tmp_path / "prefect.db")
    broken = tmp_path / "broken.py"
    broken.write_text("raise MemoryError('none is left')", encoding="utf-8")
    monkeypatch.setattr("flows.server.address.PROGRAM", broken)
    with pytest.raises(ServerError, match=r"an end with status 1: MemoryError: none is left"), prefect_server(tmp_path):
        pass
    assert (tmp_path / "prefect.db").read_bytes() == known.read_bytes()
    assert not list(tmp_path.glob("prefect-*.db"))
