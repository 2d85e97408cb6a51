"""Progress of a run: bars in a terminal, lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from flows.running.progress import Listener
from flows.screen.console import SAID_SECONDS, err

SECONDS = 2.0
"""Least time between two lines about the same task, where there are no bars: look-ups would print thousands."""


class Pace:
    """The pace of evaluations on a task, and the time that the rest of them takes at that pace.

    It is measured from the first result on: before it, processes start and stored scores are read.
    """

    def __init__(self, budget: int) -> None:
        self.budget, self.done = budget, 0
        self._first: tuple[float, int] | None = None

    def reached(self, done: int) -> None:
        """Note the number of evaluations that are done."""
        self.done = done
        if self._first is None:
            self._first = time.monotonic(), done

    @property
    def each(self) -> float | None:
        """Seconds an evaluation takes; None before the second result."""
        if self._first is None or self.done == self._first[1]:
            return None
        return (time.monotonic() - self._first[0]) / (self.done - self._first[1])

    @property
    def left(self) -> str:
        """The time left in words; empty where it is not known, or under a second."""
        seconds = round((self.each or 0.0) * (self.budget - self.done))
        if seconds < 1:
            return ""
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        return f"about {hours}:{minutes:02}:{seconds:02} left" if hours else f"about {minutes}:{seconds:02} left"


class RunProgress(Listener):
    """Listener that shows one line for the stage and one bar for each target; only lines where there is no terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._stage = progress.add_task("getting ready", total=None, note="")
        self._targets: dict[str, TaskID] = {}
        self._names: dict[str, str] = {}
        self._paces: dict[str, Pace] = {}
        self._best: dict[str, str] = {}
        self._said = -math.inf

    @property
    def _is_terminal(self) -> bool:
        return self._progress.console.is_terminal

    def stage(self, text: str) -> None:
        if text == self._progress.tasks[self._stage].description:
            return
        self._progress.update(self._stage, description=text)
        if not self._is_terminal:
            self._progress.console.print(text)

    def told(self, text: str) -> None:
        self._progress.console.print(text, soft_wrap=True)

    def target(self, task: str, budget: int, label: str = "") -> None:
        self._names[task] = f"{task}, {label}" if label else task
        self._targets[task] = self._progress.add_task(f"  {self._names[task]}", total=budget, note="")
        self._paces[task], self._said = Pace(budget), time.monotonic()
        self._best.pop(task, None)

    def scored(self, task: str) -> None:
        if task in self._targets:
            self._paces[task].reached(self._paces[task].done + 1)
            self._progress.advance(self._targets[task])
            self._show(task)

    def evaluated(self, task: str, done: int, incumbent: str) -> None:
        self._best[task] = f"best {incumbent}"
        self._paces[task].reached(done)
        self._progress.update(self._targets[task], completed=done)
        self._show(task)

    def _show(self, task: str) -> None:
        """Show the incumbent and the time left; as a line if the last is ``SECONDS`` ago and there are no bars."""
        pace = self._paces[task]
        note = ", ".join(part for part in (self._best.get(task, ""), pace.left) if part)
        self._progress.update(self._targets[task], note=note)
        now = time.monotonic()
        if not self._is_terminal and now - self._said > SECONDS:
            self._said = now
            each = "" if pace.each is None else f"{pace.each:.1f} s each"
            said = (f"{self._names[task]}: {pace.done} of {pace.budget}", each, note)
            self._progress.console.print(f"  {', '.join(filter(None, said))}", soft_wrap=True)

    def epoch(self, label: str, epoch: int, epochs: int, loss: float) -> None:
        if label not in self._targets:
            self._targets[label] = self._progress.add_task(f"  {label}", total=epochs, note="")
        self._progress.update(self._targets[label], completed=epoch, note=f"loss {loss:.3g}")
        now = time.monotonic()
        if not self._is_terminal and (now - self._said > SAID_SECONDS or epoch == epochs):
            self._said = now
            self._progress.console.print(f"{label}: epoch {epoch} of {epochs}, loss {loss:.3g}")

    def target_done(self, task: str) -> None:
        bar = self._targets[task]
        done = self._progress.tasks[[t.id for t in self._progress.tasks].index(bar)].completed
        self._progress.update(bar, total=done or 1, completed=done or 1)


@contextmanager
def run_progress() -> Iterator[Listener]:
    """Show bars for a run, or lines where standard error is no terminal."""
    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        yield RunProgress(progress)
