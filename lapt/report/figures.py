"""Figures: SVG that takes its colours from its page, and PNG pictures for programs that show no SVG.

A drawing is a function of matplotlib axes. Lines take their colours and dashes in order from ``style``; a drawing that
names colours is given a ``Palette``.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from html import escape
from itertools import cycle, groupby, islice
from typing import Any, NamedTuple

import matplotlib as mpl
from cycler import cycler
from matplotlib.figure import Figure

from lapt.report.history import Search, Trial

Draw = Callable[[Any], None]
"""A function that draws on matplotlib axes."""


class Palette(NamedTuple):
    """The colours of a figure.

    ``ink``: text and axes. ``pale``: grids. ``paper``: the background. ``dead``: edges without effect. ``series``:
    lines in order, LAPT's first."""

    ink: str
    pale: str
    paper: str
    dead: str
    series: tuple[str, ...]


PAGE = Palette("#00000a", "#00000b", "#00000c", "#00000d", tuple(f"#0000f{number}" for number in range(1, 8)))
"""Placeholder colours, each for a variable of the page's style sheet."""
PRINT = Palette(
    "#1f2328",
    "#d8dee4",
    "#ffffff",
    "#8c959f",
    ("#0b57d0", "#b3541e", "#1a7f37", "#8250df", "#bf3989", "#6e5a00", "#0e7490"),
)
DASHES = ("-", "--", ":")
"""Dash patterns of lines, for readers who see no colours, and for lines that lie on each other.

With seven colours, no two of the first 21 lines are alike."""
UNIT = 1.45
"""Largest number of pixels for one point of a figure."""


def style(palette: Palette) -> Any:
    """matplotlib's rc parameters."""
    many = len(DASHES) * len(palette.series)
    dashes, colours = (tuple(islice(cycle(each), many)) for each in (DASHES, palette.series))
    return {
        "svg.fonttype": "none",  # text stays text: it is read aloud, searched and copied
        "text.parse_math": False,  # what is printed is other people's text
        "font.family": "sans-serif",
        "font.size": 10.5,
        "text.color": palette.ink,
        "axes.edgecolor": palette.ink,
        "axes.labelcolor": palette.ink,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.prop_cycle": cycler(color=colours, linestyle=dashes),
        "grid.color": palette.pale,
        "grid.linewidth": 0.6,
        "xtick.color": palette.ink,
        "ytick.color": palette.ink,
        "figure.facecolor": "none",
        "legend.frameon": False,
        "legend.fontsize": 9,
        "legend.handlelength": 2.4,
        "boxplot.boxprops.color": palette.ink,
        "boxplot.whiskerprops.color": palette.ink,
        "boxplot.capprops.color": palette.ink,
        "boxplot.flierprops.markeredgecolor": palette.ink,
        "boxplot.medianprops.color": palette.series[1],
        "boxplot.meanprops.markerfacecolor": palette.series[0],
        "boxplot.meanprops.markeredgecolor": palette.series[0],
        "lines.linewidth": 1.8,
    }


def legend_below(axes: Any) -> None:
    """Add a legend in as many columns as there is room for. The figure grows by its rows."""
    figure, labels = axes.figure, axes.get_legend_handles_labels()[1]
    longest = max(map(len, labels))
    columns = max(1, min(len(labels), int(figure.get_figwidth() * 15 // (longest + 8))))
    rows = -(-len(labels) // columns)
    figure.set_figheight(figure.get_figheight() + 0.2 * rows)
    figure.legend(loc="outside lower left", ncols=columns)


def svg(name: str, alt: str, draw: Draw, *, size: tuple[float, float] = (5.0, 3.2)) -> str:
    """The drawing as an SVG element, in the colours of the page.

    ``name``: no other figure of the page has it; ``alt``: for those who do not see it; ``size``: in inches.
    """
    buffer = io.StringIO()
    with mpl.rc_context({**style(PAGE), "svg.hashsalt": name}):
        _drawn(draw, size).savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return _in_page(buffer.getvalue(), name, alt)


def png(draw: Draw, *, size: tuple[float, float] = (5.0, 3.2)) -> bytes:
    """The drawing as a picture on white."""
    buffer = io.BytesIO()
    with mpl.rc_context({**style(PRINT), "figure.facecolor": PRINT.paper}):
        _drawn(draw, size).savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _drawn(draw: Draw, size: tuple[float, float]) -> Figure:
    figure = Figure(figsize=size, layout="constrained")
    draw(figure.add_subplot())
    return figure


_VARIABLES = {PAGE.ink: "ink", PAGE.pale: "pale", PAGE.paper: "paper", PAGE.dead: "dead"} | {
    colour: f"series-{number}" for number, colour in enumerate(PAGE.series, start=1)
}


def _in_page(text: str, name: str, alt: str) -> str:
    """The file as an element: without prolog, in the page's colours, with ids that no other figure has, and a name."""
    body = text[text.index("<svg") :]
    width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', body).groups())  # type: ignore[union-attr]
    opening = (
        f'<svg role="img" aria-label="{escape(alt, quote=True)}" viewBox="0 0 {width:g} {height:g}" '
        f'style="max-width: {width * UNIT:.0f}px" xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    body = opening + body[body.index(">") + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    used = set(re.findall(r"#([\w-]+)[\")]", body))
    body = re.sub(r' id="([\w.-]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", body)
    body = re.sub(r"(href=\"#|url\(#)([\w-]+)", rf"\g<1>{name}-\2", body)
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)  # it would hold for the whole page
    body = re.sub(r" font-family: [^;\"]+;", "", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var(--{variable})")
    return body.strip()


def with_unit(name: str, unit: str) -> str:
    """The name of an axis with its unit."""
    return f"{name.replace('_', ' ')}{f' ({unit})' if unit else ''}"


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
    axes.set_ylabel(f"validation {with_unit(one.metric, one.unit)}")
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
