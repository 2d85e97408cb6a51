"""Processes that evaluate: what is lost when one of them dies, and what is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lapt.evaluators.workers import Crashed, Workers
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
