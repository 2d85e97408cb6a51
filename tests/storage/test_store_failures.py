"""Several writers, writers that are killed, disks that are full: nothing is lost, nothing half-written is seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from lapt.errors import StoreError
from storage.store import Store

WRITER = """
import sys
from storage.store import Store
store, writer = Store(sys.argv[1]), sys.argv[2]
for file in range(20):
    store.append("trials", [{"run_id": writer, "ordinal": 25 * file + row} for row in range(25)])
"""

ENDLESS_WRITER = """
import sys
from storage.store import Store
store, row = Store(sys.argv[1]), {"run_id": "x" * 100_000}
print("ready", flush=True)
while True:
    store.append("trials", [row])
"""

LIMITED_WRITER = """
import resource, sys
from lapt.errors import StoreError
from storage.store import Store
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
store = Store(sys.argv[1])
store.append("trials", [{"run_id": "small"}])
for write in (lambda: store.append("trials", [{"run_id": "x" * 100_000}]), store.check_writable):
    try:
        write()
    except StoreError as error:
        print(error)
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    """A process that runs the code; to be used as a context manager, which waits for its end."""
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)


def unfinished(store: Store) -> list[str]:
    return [path.name for path in Path(store.address).rglob(".*")]


def test_four_processes_append_at_once_and_nothing_is_lost(store: Store) -> None:
    with ExitStack() as stack:
        writers = [stack.enter_context(start(WRITER, store.address, str(number))) for number in range(4)]
    assert [writer.returncode for writer in writers] == [0, 0, 0, 0]
    rows = store.read("trials", ["run_id", "ordinal"]).to_pylist()
    assert len(rows) == 2000
    assert {(r["run_id"], r["ordinal"]) for r in rows} == {(str(w), i) for w in range(4) for i in range(500)}
    assert len(list((Path(store.address) / "trials").iterdir())) == 80
    assert unfinished(store) == []


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("delay", [0.0, 0.011, 0.027])
def test_a_writer_killed_in_the_middle_leaves_a_store_that_reads(store: Store, delay: float) -> None:
    with start(ENDLESS_WRITER, store.address) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
    assert writer.returncode == -signal.SIGKILL
    kept = store.read("trials", ["run_id"]).column(0).to_pylist()
    assert set(kept) <= {"x" * 100_000}
    store.append("trials", [{"run_id": "next"}])
    assert store.read("trials").num_rows == len(kept) + 1


def test_an_unfinished_file_is_invisible(store: Store) -> None:
    name = store.append("trials", [{"run_id": "a"}])
    folder = Path(store.address) / "trials"
    (folder / ".writing-0123").write_bytes((folder / name).read_bytes()[:50])
    assert store.read("trials").num_rows == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits")
def test_a_write_that_the_disk_cuts_short_says_so_and_leaves_nothing(store: Store) -> None:
    with start(LIMITED_WRITER, store.address) as writer:
        said, _ = writer.communicate(timeout=60)
    assert said.count("File too large; free space") == 2
    assert unfinished(store) == []
    assert store.read("trials", ["run_id"]).to_pylist() == [{"run_id": "small"}]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full answers every write with ENOSPC, as a full disk does."""

    def onto_a_full_disk(path: Path, content: bytes) -> None:
        path.touch()
        with open("/dev/full", "wb", buffering=0) as full:
            full.write(content)

    monkeypatch.setattr("storage.files.write_durably", onto_a_full_disk)
    with pytest.raises(StoreError, match="No space left on device; free space") as raised:
        store.append("trials", [{"run_id": "a"}])
    assert "\n" not in str(raised.value)
    assert unfinished(store) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
def test_a_folder_that_takes_no_files_is_named() -> None:
    with pytest.raises(StoreError, match="/proc/lapt-store"):
        Store("/proc/lapt-store").append("trials", [{"run_id": "a"}])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="permissions"):
        Store(tmp_path / "store").append("trials", [{"run_id": "a"}])


def test_a_store_that_went_away_is_not_made_anew(store: Store) -> None:
    """Rows written to a second store would be lost: the first one comes back in its place."""
    store.append("trials", [{"run_id": "a"}])
    folder = Path(store.address)
    away = folder.rename(folder.with_name("away"))
    for act in (
        lambda: store.append("trials", [{"run_id": "b"}]),
        lambda: store.put_blob(b"b"),
        lambda: store.append("principles", [{"run_id": "b"}]),
        store.check_writable,
    ):
        with pytest.raises(StoreError, match="No such file or directory; check the address, the disk"):
            act()
    assert not folder.exists()
    away.rename(folder)
    store.append("principles", [{"run_id": "b"}])
    assert store.read("trials").num_rows == store.read("principles").num_rows == 1


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path, store: Store) -> None:
    (tmp_path / "file").write_text("not a store")
    with pytest.raises(StoreError, match="a file stands where a folder belongs"):
        Store(tmp_path / "file")
    inside = Store(tmp_path / "file" / "store")
    for act in (lambda: inside.append("trials", [{"run_id": "a"}]), lambda: inside.read("trials")):
        with pytest.raises(StoreError, match="a file stands where a folder belongs"):
            act()
    Path(store.address).mkdir()
    (Path(store.address) / "trials").write_text("")
    with pytest.raises(StoreError, match="a file stands where a folder belongs"):
        store.append("trials", [{"run_id": "a"}])
