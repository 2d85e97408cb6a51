"""Progress of work that is counted: a bar, or lines where standard error is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from flows.screen.console import SAID_SECONDS, err
from lapt.pipeline.wording import lasting


@contextmanager
def counting(what: str, things: str) -> Iterator[Callable[[int, int], None]]:
    """Show one bar with the time left, or a line now and then where standard error is no terminal.

    Yields a function that takes (done, total), in ``things``.
    """
    columns = (TextColumn("{task.description}", markup=False), BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns,
        TextColumn("left"),
        TimeRemainingColumn(),
        console=err,
        disable=not err.is_terminal,
        speed_estimate_period=600,  # one may take minutes: 30 s, the default, would forget the last one
    ) as bar:
        line = bar.add_task(what, total=None)
        began = said = time.monotonic()
        known: int | None = None  # what the store had

        def heard(done: int, total: int) -> None:
            nonlocal said, known
            bar.update(line, completed=done, total=total)
            now, first = time.monotonic(), known is None
            known = done if known is None else known
            if err.is_terminal or not (first or now - said > SAID_SECONDS):
                return
            said = now
            left = (now - began) / (done - known) * (total - done) if done > known else None
            later = "" if left is None else f", about {lasting(left)} left"
            err.print(f"{what}: {done:,} of {total:,} {things}{later}", soft_wrap=True)

        yield heard
