"""Progress of a run where there is no terminal: lines with the pace, the incumbent and the time left."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from flows.screen import progress as screen
from flows.screen.progress import Pace, RunProgress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    ticking = Clock()
    monkeypatch.setattr(screen.time, "monotonic", ticking)
    return ticking


def test_the_time_left_is_that_of_the_pace_so_far(clock: Clock) -> None:
    pace = Pace(20)
    assert (pace.each, pace.left) == (None, "")
    clock.now = 30.0  # processes start
    pace.reached(2)
    assert (pace.each, pace.left) == (None, "")
    clock.now = 60.0
    pace.reached(5)
    assert (pace.each, pace.left) == (10.0, "about 2:30 left")
    clock.now = 3630.0
    pace.reached(6)
    assert pace.left == "about 3:30:00 left"
    pace.reached(20)
    assert pace.left == ""


def test_lines_say_how_far_a_search_is(clock: Clock) -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=False, width=200)
    with Progress(TextColumn("{task.description}"), console=console, disable=True) as bars:
        heard = RunProgress(bars)
        heard.stage("adapting to digits")
        heard.target("digits", 4)
        for done in range(1, 5):
            clock.now += 3.0
            heard.scored("digits")
            heard.evaluated("digits", done, f"{90 + done} %")
        heard.target("look-up", 1000)
        for done in range(1, 1001):
            clock.now += 0.001
            heard.evaluated("look-up", done, "1 %")
    lines = text.getvalue().splitlines()
    assert lines[0] == "adapting to digits"
    assert lines[1] == "  digits: 1 of 4"
    assert lines[2] == "  digits: 2 of 4, 3.0 s each, best 91 %, about 0:06 left"
    assert len(lines) == 5
