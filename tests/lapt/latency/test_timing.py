"""Timing, the machine-wide lock and the additive predictor."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from lapt.errors import ConfigError
from lapt.latency import quiet
from lapt.latency.additive import Additive, parts_of
from lapt.latency.timing import Protocol, interleaved
from lapt.spaces import BUILTIN

NAS201, DARTS = BUILTIN["nas201"], BUILTIN["darts"]


# --- timing -----------------------------------------------------------------------------------------------------------
class Machine:
    """A clock in seconds, on which every run takes ``speed`` times as long as said, and the speed drifts."""

    def __init__(self, drift: float = 0.0) -> None:
        self.now, self.speed, self.drift = 0.0, 1.0, drift
        self.ran: list[str] = []

    def clock(self) -> float:
        return self.now

    def run(self, name: str, seconds: float) -> None:
        self.ran.append(name)
        assert not gc.isenabled()
        self.now += seconds * self.speed
        self.speed += self.drift


def test_a_timing_is_the_median_of_single_runs_in_ms() -> None:
    machine, took = Machine(), iter([9, 9, 5, 1, 4, 2, 3])
    found = interleaved(
        lambda: machine.run("network", next(took)),
        lambda: machine.run("reference", 2.0),
        Protocol(warm_up=2, repeats=5),
        clock=machine.clock,
    )
    assert machine.ran[4:] == ["reference", *["network", "reference"] * 5]
    assert (found.q25, found.median, found.q75) == (2000, 3000, 4000)
    assert (found.ratio, found.reference_ms) == (1.5, 2000)
    assert gc.isenabled()


def test_a_machine_that_slows_down_leaves_the_ratio_as_it_is() -> None:
    machine = Machine(drift=0.01)
    network, reference = (lambda: machine.run("network", 3.0)), (lambda: machine.run("reference", 1.0))
    found = interleaved(network, reference, Protocol(repeats=50), clock=machine.clock)
    assert found.median > 3500
    assert found.ratio == pytest.approx(3.0, rel=1e-9)


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"threads": -1}, {"repeats": 2}, {"runtime": "tflite"}])
def test_a_protocol_with_nothing_to_time_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Protocol(**wrong)  # type: ignore[arg-type]


# --- the lock ---------------------------------------------------------------------------------------------------------
@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of this test alone."""
    monkeypatch.setenv(quiet.FOLDER, str(tmp_path))


WORKS = """
import sys, time
from lapt.latency.quiet import pause, working
with working():
    print("works", flush=True)
    while True:
        pause()
        now = time.monotonic()
        time.sleep(0.002)
        print(now, time.monotonic(), flush=True)
"""


def test_work_in_other_processes_pauses_while_a_latency_is_measured() -> None:
    others = [subprocess.Popen([sys.executable, "-c", WORKS], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        for other in others:
            assert other.stdout is not None
            assert other.stdout.readline() == "works\n"
        measured = []
        for _ in range(3):
            with quiet.alone():
                began = time.monotonic()
                time.sleep(0.2)
                measured.append((began, time.monotonic()))
            time.sleep(0.1)  # they go on
    finally:
        for other in others:
            other.kill()
    for other in others:
        said = [line.split() for line in (other.stdout or []) if line.count(".") == 2]
        worked = [(float(began), float(ended)) for began, ended in said]
        assert len(worked) > 20
        for began, ended in measured:
            assert not any(start < ended and stop > began for start, stop in worked)
        assert any(start > measured[-1][1] for start, _ in worked)


def test_work_inside_work_holds_the_lock_once() -> None:
    entered = threading.Event()

    def measure() -> None:
        with quiet.alone():
            entered.set()

    other = threading.Thread(target=measure)
    with quiet.working():
        other.start()
        with quiet.working():
            assert not entered.wait(0.1)
            quiet.pause()  # it was waiting
            assert entered.wait(5)
    other.join()


def test_no_files_no_lock_for_work_and_an_error_for_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(quiet.FOLDER, "/nowhere")
    with quiet.working():
        quiet.pause()
    with pytest.raises(ConfigError, match="LAPT_LATENCY_LOCKS"), quiet.alone():
        pass


def test_the_files_are_for_all_users() -> None:
    before = os.umask(0o077)
    try:
        with quiet.alone():
            pass
    finally:
        os.umask(before)
    for name in (quiet.GATE, quiet.LOCK):
        assert (Path(os.environ[quiet.FOLDER]) / name).stat().st_mode & 0o777 == 0o666


# --- the predictor ----------------------------------------------------------------------------------------------------
CELL = "|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def test_parts_are_live_operators_by_what_they_read() -> None:
    assert parts_of(NAS201, NAS201.decode(CELL)) == {
        ("cell", "input", "nor_conv_3x3"): 1,
        ("cell", "input", "nor_conv_1x1"): 1,
        ("cell", "input", "skip_connect"): 1,
        ("cell", "inside", "nor_conv_3x3"): 2,
    }
    dead = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    assert parts_of(NAS201, NAS201.decode(dead)) == {("cell", "input", "skip_connect"): 1}


@pytest.mark.parametrize("space", [NAS201, DARTS], ids=lambda one: one.name)
def test_an_additive_latency_is_learned(space: object) -> None:
    assert space in (NAS201, DARTS)
    here = NAS201 if space is NAS201 else DARTS
    rng = np.random.default_rng(0)
    truth = {"nor_conv_3x3": 4.0, "nor_conv_1x1": 1.5, "avg_pool_3x3": 0.5, "sep_conv_3x3": 2.0, "sep_conv_5x5": 3.0}

    def latency(count: int) -> tuple[list[object], np.ndarray]:
        drawn = [here.sample(rng) for _ in range(count)]
        return drawn, np.array(
            [3 + sum(truth.get(part[2], 0) * n for part, n in parts_of(here, a).items()) for a in drawn]
        )

    drawn, known = latency(80)
    fitted = Additive.fit(here, drawn, known)  # type: ignore[arg-type]
    others, expected = latency(50)
    off = np.abs(fitted.predict(others) - expected) / expected  # type: ignore[arg-type]
    assert np.median(off) < 0.02
    assert fitted.error < 0.03
    assert all(add >= 0 for _, add in fitted.adds)


def test_the_error_is_of_networks_that_the_fit_did_not_see() -> None:
    """Noise without any structure cannot be predicted, however well it is fitted."""
    rng = np.random.default_rng(0)
    drawn = [NAS201.sample(rng) for _ in range(15)]
    assert Additive.fit(NAS201, drawn, rng.uniform(1, 3, 15)).error > 0.1
