"""Plots of a study: incumbents against evaluations and cost, ranks (or scores where there are none) as boxes, the
scores of refined spaces as distributions, and pairs of tasks as a heat map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from flows.studies.quality import ECDF
from flows.studies.rows import Anytime, ParetoResult, Row, StudyResult, TransferResult
from flows.studies.show.fronts import hypervolumes
from flows.studies.show.pairs import heat_map
from lapt.errors import ConfigError
from lapt.report.figures import PRINT, Draw, legend_below, style

FORMATS = ("svg", "png")
PAIRS = "pairs"
"""Title of the plot of all pairs of tasks."""


def plots(result: StudyResult, folder: Path) -> list[Path]:
    """Write the plots of each target as SVG and PNG, and return their paths.

    Raises ConfigError for a folder that cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"a folder at {folder}", str(error), "name another") from None
    written = []
    for target in subjects(result):
        for name, draw in drawings(result, target):
            written += _written(
                folder / f"{result.heading}-{target}-{name}".replace(",", "").replace(" ", "-"), target, draw
            )
    return written


def subjects(result: StudyResult) -> list[str]:
    """The targets, each of which has plots of its own, or ``PAIRS`` where one plot has all pairs of tasks."""
    if isinstance(result, TransferResult):
        return [PAIRS] if result.pairs else []
    if isinstance(result, ParetoResult):
        return list(dict.fromkeys(curve.target for curve in result.hypervolumes))
    return list(dict.fromkeys([*(curve.target for curve in result.curves), *(row.target for row in result.rows)]))


def drawings(result: StudyResult, target: str) -> Iterator[tuple[str, Draw]]:
    """(kind, drawing) of the plots that the study has: anytime, ranks or validation, cost, ecdf, heatmap,
    hypervolume."""
    if isinstance(result, TransferResult):
        yield "heatmap", partial(heat_map, result=result)
        return
    if isinstance(result, ParetoResult):
        yield "hypervolume", partial(hypervolumes, curves=[one for one in result.hypervolumes if one.target == target])
        return
    curves = [curve for curve in result.curves if curve.target == target]
    inside = [row for row in result.rows if row.target == target and row.quantity.startswith(ECDF)]
    if curves:
        yield "anytime", partial(_anytime, curves=curves)
        yield "ranks" if curves[0].rank else "validation", partial(_boxes, curves=curves)
    if any(curve.source_budget for curve in curves):
        yield "cost", partial(_anytime, curves=curves, cost=True)
    if inside:
        yield "ecdf", partial(_distributions, rows=inside)


def _written(path: Path, target: str, draw: Draw) -> list[Path]:
    paths = [path.with_name(f"{path.name}.{suffix}") for suffix in FORMATS]
    with mpl.rc_context({**style(PRINT), "figure.facecolor": PRINT.paper}):
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        axes.set_title(target)
        for written in paths:
            figure.savefig(written, dpi=150)
    return paths


def _anytime(axes: Any, curves: Sequence[Anytime], *, cost: bool = False) -> None:
    """Draw incumbents against evaluations. ``cost``: those of the source are added, before the target's."""
    ranked = bool(curves[0].rank)
    for curve in curves:
        before = (curve.source_budget or 0) if cost else 0
        paid = [before + n for n in curve.evaluations]
        scores = [np.nan if value is None else value for value in curve.validation]
        axes.step(paid, curve.rank if ranked else scores, where="post", label=named(curve))
    longest = max(curve.evaluations[-1] for curve in curves)
    axes.set_xlabel("evaluations of source and target" if cost else "evaluations")
    if ranked:
        axes.set(ylabel="mean rank of the incumbent")
        _logarithmic(axes, "y")
    else:
        axes.set_ylabel("mean validation score of the incumbent")
    if cost or longest > 2 * min(curve.budget for curve in curves):
        _logarithmic(axes, "x")  # baselines that run on would squeeze LAPT's budget into a corner
    legend_below(axes)


def _distributions(axes: Any, rows: Sequence[Row]) -> None:
    """Draw the ECDF of the scores in each space over the quantiles of the whole. Below the diagonal is better."""
    for who in dict.fromkeys(row.who for row in rows):
        mine = {int(row.quantity.removeprefix(ECDF)) / 100: row.mean for row in rows if row.who == who}
        points = {0.0: 0.0, **dict(sorted(mine.items())), 1.0: 1.0}
        method, reasoner, *_ = who
        axes.plot(list(points), list(points.values()), marker=".", label=reasoner or f"{method}: the whole space")
    axes.set(xlabel="quantile of the whole space", ylabel="share that scores no higher")
    legend_below(axes)


def _boxes(axes: Any, curves: Sequence[Anytime]) -> None:
    ranked = bool(curves[0].rank)
    runs = [curve.ranks if ranked else curve.validations for curve in curves]
    axes.boxplot(runs, orientation="horizontal", showmeans=True)
    axes.set_yticks(range(1, len(curves) + 1), [named(curve) for curve in curves], fontsize="small")
    axes.invert_yaxis()
    what = "rank" if ranked else "validation score"
    axes.set(xlabel=f"{what} after {curves[0].budget} evaluations")
    if ranked:
        _logarithmic(axes, "x")


def _logarithmic(axes: Any, which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with whole numbers at the ticks."""
    axes.set(**{f"{which}scale": "log"})
    axis = getattr(axes, f"{which}axis")
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1.0, 3.0) if high / max(low, 1.0) < 3_000 else (1.0,)))
    axis.set_major_formatter("{x:,.0f}")
    axis.set_minor_formatter(NullFormatter())


def named(curve: Anytime) -> str:
    source = [f"{curve.source_budget:,} from the source"] if curve.source_budget else []
    return ", ".join([part for part in (curve.method, curve.reasoner, curve.variant) if part] + source)
