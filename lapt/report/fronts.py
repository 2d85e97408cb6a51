"""The picture of a search with two objectives: scores against costs, and the front of every method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

from markupsafe import Markup

from lapt.pipeline.config import Pipeline
from lapt.pipeline.results import Found, TargetResult
from lapt.pipeline.wording import rows_of, shown
from lapt.report.figures import legend_below, svg, with_unit
from lapt.report.history import Search, TaskHistory
from lapt.report.run_tables import front as table_of
from lapt.report.tables import Table

REACH = 4
"""Length of the axis of scores, as a multiple of the distance between the best and the median."""
MANY = 10_000
"""A cost from which on ticks are written as 200k."""

UNITS = ("ms", "us", "s", "mb", "kb", "mj", "mw", "w")
"""Endings of a quantity's name that are units."""

Point = tuple[float, float]
"""(cost, score)."""


@dataclass(frozen=True)
class Front:
    """The evaluations of a method as points, those on its front, by rising cost, and its best one."""

    method: str
    points: tuple[Point, ...]
    front: tuple[Point, ...]
    best: Point | None

    @classmethod
    def of(cls, method: str, found: Found, search: Search | None) -> Front:
        """The front of a result. Without costs, as in results of earlier versions, its points are the front."""
        front = tuple((point.cost, point.validation) for point in found.front)
        values = {trial.ordinal: trial.value for trial in search.trials if trial.score is not None} if search else {}
        points = {
            number: (cost, value)
            for number, cost in enumerate(found.costs, start=1)
            if cost is not None and (value := values.get(number)) is not None
        }
        best = front[-1] if front else None
        if search and search.best:
            best = points.get(search.best.ordinal, best)
        return cls(method, tuple(points.values()) or front, front, best)


@dataclass(frozen=True)
class FrontPart:
    """The part of a page: the picture with its note, and the front as a table."""

    picture: Markup
    note: str
    table: Table


def front_part(name: str, pipeline: Pipeline, target: TaskHistory, result: TargetResult | None) -> FrontPart | None:
    """The part on a target's front; None if it has none. ``name``: as of ``svg``."""
    if result is None or not result.front:
        return None
    searches = {one.method: one for one in (target.search, *target.controls) if one is not None}
    fronts = [Front.of(method, found, searches.get(method)) for method, found in rows_of(result, pipeline.label)]
    quantity = pipeline.objectives[1]
    draw = partial(drawn, fronts=fronts, result=result, quantity=quantity)
    outside = _outside(fronts, result.higher_is_better)
    note = (
        f"Dots: evaluations{f' ({outside} more outside)' if outside else ''}; lines: the best score at most at a cost; "
        "star: the architecture above."
    )
    picture = Markup(svg(name, _said(fronts, result, quantity), draw, size=(6.4, 3.6)))
    return FrontPart(picture, note, table_of(result, pipeline))


def drawn(axes: Any, fronts: Sequence[Front], result: Found, quantity: str) -> None:
    """Draw every method's points and front, the first method's above the others, and mark its best score."""
    low, high = _range([cost for one in fronts for cost, _ in one.points])
    for place, one in enumerate(fronts):
        above = 3.0 if place == 0 else 2.0
        (line,) = axes.plot([], [], label=one.method)
        colour = line.get_color()
        x, y = zip(*one.points, strict=True) if one.points else ((), ())
        axes.plot(x, y, ls="", marker=".", color=colour, alpha=0.5, markersize=6, zorder=above - 1, mew=0)
        if one.front:
            costs, scores = zip(*one.front, strict=True)
            axes.step(
                [*costs, high], [*scores, scores[-1]], where="post", color=colour, ls=line.get_linestyle(), zorder=above
            )
            axes.plot(costs, scores, ls="", marker="o", color=colour, markersize=3.5, zorder=above, mew=0)
    first = axes.get_lines()[0].get_color()
    if fronts[0].best is not None:
        label = f"best score of {fronts[0].method}"
        axes.plot(*fronts[0].best, ls="", marker="*", color=first, markersize=13, zorder=5, label=label)
    axes.set_xlim(low, high)
    axes.set_ylim(*_reach(fronts, result.higher_is_better))
    axes.set_xlabel(quantity_named(quantity))
    axes.set_ylabel(f"validation {with_unit(result.metric, result.unit)}")
    if high >= MANY:
        from matplotlib.ticker import EngFormatter

        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    legend_below(axes)


def quantity_named(name: str) -> str:
    """The name of a quantity with the unit that it ends with: "latency (ms)" of latency_ms."""
    if name == "multiply_adds":
        return "multiply-adds"
    stem, _, unit = name.rpartition("_")
    return with_unit(stem, unit) if stem and unit.lower() in UNITS else with_unit(name, "")


def _range(values: Sequence[float]) -> Point:
    low, high = min(values), max(values)
    room = (high - low or abs(high) or 1.0) * 0.05
    return low - room, high + room


def _reach(fronts: Sequence[Front], higher_is_better: bool) -> Point:
    """The range of the axis of scores: cells that compute nothing would leave the others a tenth of it."""
    sign = 1 if higher_is_better else -1
    scores = [sign * score for one in fronts for _, score in one.points]
    best = max(scores)
    lowest = max(min(scores), best - REACH * (best - median(scores))) if len(scores) > 1 else best
    low, high = _range([lowest, best])
    return (low, high) if higher_is_better else (-high, -low)


def _outside(fronts: Sequence[Front], higher_is_better: bool) -> int:
    low, high = _reach(fronts, higher_is_better)
    return sum(not low <= score <= high for one in fronts for _, score in one.points)


def _said(fronts: Sequence[Front], result: Found, quantity: str) -> str:
    """The picture in words."""
    ends = "; ".join(
        f"{one.method} has {len(one.front)} on its front, from {shown(one.front[0][1], result.unit)} at "
        f"{one.front[0][0]:,.4g} to {shown(one.front[-1][1], result.unit)} at {one.front[-1][0]:,.4g}"
        for one in fronts
        if one.front
    )
    return f"{result.task}: {with_unit(result.metric, result.unit)} against {quantity_named(quantity)}; {ends}"
