"""Processes that evaluate: what is lost when one of them dies, and what is not."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lapt.evaluators.workers import Crashed, Workers, WorkersError
from lapt.training import WORKER

FATAL = 13


def visit(job: tuple[str, int]) -> tuple[int, int]:
    """(the job, who did it); notes the visit in a folder; job 13 ends its process."""
    folder, number = job
    with Path(folder, str(number)).open("a") as file:
        file.write(f"{os.getpid()}\n")
    if number == FATAL:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
    return number, os.getpid()


@pytest.fixture
def workers() -> Workers[tuple[str, int], tuple[int, int]]:
    return Workers(visit, 2)


def visits(folder: Path) -> dict[int, int]:
    return {int(file.name): len(file.read_text().split()) for file in folder.iterdir()}


def test_a_crash_costs_one_job_and_the_others_go_on_side_by_side(workers: Workers, tmp_path: Path) -> None:
    found = dict(workers([(str(tmp_path), number) for number in range(30)]))
    workers.close()
    assert isinstance(found.pop(FATAL), Crashed)
    assert sorted(number for number, _ in found.values()) == [n for n in range(30) if n != FATAL]
    assert visits(tmp_path)[FATAL] == 2
    assert sum(count > 1 for count in visits(tmp_path).values()) <= 3  # what was under way beside it
    assert len({process for _, process in found.values()}) <= 7  # no process for each job


def numbered(job: int) -> str:
    time.sleep(0.2)  # so that neither does all of them
    return os.environ[WORKER]


def test_every_process_has_a_number(tmp_path: Path) -> None:
    workers = Workers(numbered, 2)
    assert {number for _, number in workers(range(6))} == {"0", "1"}
    workers.close()


def test_a_process_that_dies_idle_costs_nothing(workers: Workers, tmp_path: Path) -> None:
    jobs = [(str(tmp_path), number) for number in range(4)]
    (_, (_, process)), *_ = list(workers(jobs))
    os.kill(process, signal.SIGKILL)
    time.sleep(0.5)
    for _ in range(2):
        found = dict(workers(jobs))
        assert [found[position][0] for position in range(4)] == [0, 1, 2, 3]
    workers.close()


def test_processes_that_cannot_start_are_no_fault_of_a_job(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from lapt.evaluators.workers import Workers\n"
        "print(list(Workers(abs, 2)([-1, -2])))\n"  # without if __name__ == "__main__"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert "WorkersError: expected processes that start" in done.stderr
    assert "Crashed" not in done.stdout


STOPS = """
import os, signal, sys, time
from lapt.errors import release
from lapt.evaluators.workers import Workers

def job(number):
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return number

if __name__ == "__main__":
    workers = Workers(job, 2)
    try:
        print("ready", flush=True)
        for position, result in workers(range(int(sys.argv[1]), 60)):
            print("one", flush=True)
            if sys.argv[2] == "enough":
                break
    except KeyboardInterrupt as stopped:
        release(stopped)
    print("over", flush=True)
"""


def stopped(tmp_path: Path, first: int, how: str, after: str, seconds: float) -> str:
    """The output of a program of two processes that gets a Ctrl-C so many seconds after the line ``after``."""
    script = tmp_path / "stops.py"
    script.write_text(STOPS)
    process = subprocess.Popen(
        [sys.executable, str(script), str(first), how],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.strip() == after:
            break
    if how == "Ctrl-C":
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return "".join([*said, rest])


@pytest.mark.parametrize(("after", "seconds"), [("ready", 0.05), ("ready", 0.3), ("one", 0.0), ("one", 0.2)])
@pytest.mark.parametrize("first", [0, 12])  # the second: while the pool breaks
def test_a_ctrl_c_ends_all_processes_and_shows_no_traceback(
    tmp_path: Path, first: int, after: str, seconds: float
) -> None:
    said = stopped(tmp_path, first, "Ctrl-C", after, seconds)
    assert set(said.split()) <= {"ready", "one", "over"}, said
    assert said.endswith("over\n")


@pytest.mark.parametrize("first", [0, 12])
def test_whoever_has_enough_ends_all_processes_too(tmp_path: Path, first: int) -> None:
    said = stopped(tmp_path, first, "enough", "over", 0.0)
    assert said.split() == ["ready", "one", "over"], said


def test_no_place_for_locks_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import multiprocessing.synchronize

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(multiprocessing.synchronize.SemLock, "__init__", refused)
    with pytest.raises(WorkersError, match=r"expected a /dev/shm .*; got Permission denied; mount"):
        list(Workers(abs, 2)([-1]))


def _in_a_child(folder: str) -> None:
    """Leave warm processes behind, as an evaluator does that nobody closes."""
    list(Workers(visit, 1)([(folder, 1)]))


@pytest.mark.parametrize("start", ["spawn", "fork"])
def test_a_child_process_that_evaluated_ends(tmp_path: Path, start: str) -> None:
    child = multiprocessing.get_context(start).Process(target=_in_a_child, args=(str(tmp_path),))
    child.start()
    child.join(60)
    ended = child.exitcode
    if ended is None:
        child.kill()
    assert ended == 0
    assert visits(tmp_path) == {1: 1}
