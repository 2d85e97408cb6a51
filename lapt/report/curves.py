"""The incumbents of a search and of its controls."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from lapt.report.figures import legend_below
from lapt.report.history import Search, Trial

SETTLED = 3
"""Number of the first evaluation whose incumbent sets the range of the axis. Earlier ones may lie outside."""


def incumbents(axes: Any, searches: Sequence[Search]) -> None:
    """Draw a line for each search, broken where a new evaluator begins, and the first search's evaluations as dots."""
    if not any(trial.incumbent is not None for search in searches for trial in search.trials):
        axes.text(0.5, 0.5, "no evaluation succeeded", ha="center", transform=axes.transAxes)
        return
    for place, search in enumerate(searches):
        (line,) = axes.plot([], [], label=search.method)
        for _, of_one in groupby(search.trials, key=lambda trial: trial.fingerprint):
            known = [trial for trial in of_one if trial.incumbent is not None]
            x, y = [trial.ordinal for trial in known], [trial.incumbent for trial in known]
            axes.step(x, y, where="post", color=line.get_color(), linestyle=line.get_linestyle())
            if len(known) == 1:
                axes.plot(x, y, marker="_", color=line.get_color())
        if place == 0:
            scored = [trial for trial in search.trials if trial.value is not None]
            values = [trial.value for trial in scored]
            axes.plot(
                [trial.ordinal for trial in scored], values, ".", color=line.get_color(), alpha=0.45, markersize=4
            )
            _iterations(axes, search.trials, line.get_color())
    low, high = _reach(searches)
    axes.set_ylim(low, high)
    one = searches[0]
    axes.set_xlabel("evaluations")
    axes.set_ylabel(f"validation {one.metric.replace('_', ' ')}{f' ({one.unit})' if one.unit else ''}")
    axes.xaxis.get_major_locator().set_params(integer=True)
    legend_below(axes)


def some_outside(searches: Sequence[Search]) -> bool:
    """Whether an evaluation of the first search lies outside of what is drawn."""
    if not any(trial.incumbent is not None for search in searches for trial in search.trials):
        return False
    low, high = _reach(searches)
    return any(trial.value is not None and not low <= trial.value <= high for trial in searches[0].trials)


def _iterations(axes: Any, trials: Sequence[Trial], colour: str) -> None:
    """Draw a vertical line where an iteration begins."""
    firsts = [next(group).ordinal for _, group in groupby(trials, key=lambda trial: trial.iteration)]
    for first in firsts[1:]:
        axes.axvline(first - 0.5, color=colour, linewidth=0.7, linestyle=":", alpha=0.7)


def _reach(searches: Sequence[Search]) -> tuple[float, float]:
    """Range of the axis: the incumbents from SETTLED on, with some room."""
    shown = [
        trial.incumbent
        for search in searches
        for trial in search.trials
        if trial.incumbent is not None and (trial.ordinal >= SETTLED or len(search.trials) < SETTLED)
    ] or [trial.incumbent for search in searches for trial in search.trials if trial.incumbent is not None]
    low, high = min(shown), max(shown)
    room = (high - low or abs(high) or 1.0) * 0.12
    return low - room, high + room
