"""The study of every pair of tasks: a matrix as a table and as a heat map."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from flows.studies.rows import Counts, Pair, TransferResult
from flows.studies.show.factors import p_text
from flows.studies.transfer import MARKS, TUNED
from lapt.report.tables import Column, Table, numbers

LEAST = 9
"""Characters to which headings and names of tasks may be folded: seven tasks then fit 80 columns."""


def pair_tables(result: TransferResult) -> Iterator[Table]:
    """The matrix, with sources as rows and targets as columns; the counts; the pairs that help or hurt."""
    method, search = result.methods
    sources, targets = _tasks(result.pairs)
    of = {(pair.source, pair.target): pair for pair in result.pairs}
    lines = [(source, *(_cell(of.get((source, target))) for target in targets)) for source in sources]
    means = [np.mean([pair.difference for pair in result.pairs if pair.target == target]) for target in targets]
    lines.append(("mean", *(_figure(float(mean)) for mean in means)))
    columns = [Column("from", least=LEAST), *(Column(target, number=True, least=LEAST) for target in targets)]
    yield Table.of(columns, lines, f"{result.heading}: log2 of the rank of {method} over that of {search} alone")
    groups = {"all": None, "tuned on": result.tuned, "not tuned on": result.not_tuned}
    counted = [(name, *_counted(group or _overall(result))) for name, group in groups.items()]
    shown = counted if result.tuned.pairs else counted[:1]
    yield Table.of(["pairs", *numbers("number", "help", "neither", "hurt", "mean", "rank times")], shown)
    said = sorted((pair for pair in result.pairs if pair.verdict != "neither"), key=lambda pair: -pair.difference)
    rows = [(pair.source, pair.target, *_said(pair)) for pair in said]
    if rows:
        yield Table.of(["from", "to", *numbers("log2 ratio", "p"), "verdict"], rows, "pairs that hurt or help")


def heat_map(axes: Any, result: TransferResult) -> None:
    """Draw the matrix in colours: blue where LAPT has the lower rank, red where it has the higher one."""
    sources, targets = _tasks(result.pairs)
    values = np.full((len(sources), len(targets)), np.nan)
    for pair in result.pairs:
        values[sources.index(pair.source), targets.index(pair.target)] = pair.difference
    most = max(1.0, float(np.nanmax(np.abs(values))))
    figure = axes.figure
    figure.set_figwidth(max(figure.get_figwidth(), 2.6 + 0.72 * len(targets)))
    figure.set_figheight(max(figure.get_figheight(), 1.7 + 0.42 * len(sources)))
    edges = np.arange(len(targets) + 1) - 0.5, np.arange(len(sources) + 1) - 0.5
    drawn = axes.pcolormesh(*edges, np.ma.masked_invalid(values), cmap="RdBu_r", vmin=-most, vmax=most, linewidth=0)
    for pair in result.pairs:
        at = targets.index(pair.target), sources.index(pair.source)
        dark = abs(pair.difference) > 0.6 * most
        axes.text(
            *at,
            _cell(pair),
            ha="center",
            va="center",
            fontsize=9,
            color="#ffffff" if dark else "#111111",
            fontweight="normal" if pair.verdict == "neither" else "bold",
        )
    axes.set_xticks(range(len(targets)), targets, rotation=30, ha="right", rotation_mode="anchor", fontsize=9)
    axes.set_yticks(range(len(sources)), sources, fontsize=9)
    axes.set(xlabel="target", ylabel="source")
    axes.grid(visible=False)
    axes.invert_yaxis()
    method, search = result.methods
    figure.colorbar(drawn, ax=axes, label=f"log2(rank of {method} / rank of {search})").outline.set_visible(False)


def _tasks(pairs: Sequence[Pair]) -> tuple[list[str], list[str]]:
    """Sources and targets in one order, as far as they are the same tasks."""
    order = list(dict.fromkeys([*(pair.source for pair in pairs), *(pair.target for pair in pairs)]))
    sources, targets = ({getattr(pair, end) for pair in pairs} for end in ("source", "target"))
    return [task for task in order if task in sources], [task for task in order if task in targets]


def _cell(pair: Pair | None) -> str:
    if pair is None:
        return ""
    return f"{TUNED if pair.tuned else ''}{MARKS[pair.verdict]}{_figure(pair.difference)}"


def _figure(value: float) -> str:
    """The value with its sign and two digits behind the point, one from 10 on."""
    return f"{value:+.{1 if abs(value) >= 9.995 else 2}f}"


def _interval(mean: float, low: float | None, high: float | None) -> str:
    return _figure(mean) if low is None or high is None else f"{_figure(mean)} [{_figure(low)}, {_figure(high)}]"


def _said(pair: Pair) -> tuple[str, str, str]:
    word = f"{MARKS[pair.verdict]} {pair.verdict}{f' {TUNED}' if pair.tuned else ''}"
    return _interval(pair.difference, pair.ci_low, pair.ci_high), p_text(pair.p_value), word


def _overall(result: TransferResult) -> Counts:
    said = result.model_dump(include=set(Counts.model_fields) - {"pairs"})
    return Counts(pairs=len(result.pairs), **said)


def _counted(group: Counts) -> tuple[str, ...]:
    numbers_of = (str(number) for number in (group.pairs, group.helps, group.neither, group.hurts))
    if group.mean is None:
        return (*numbers_of, "", "")
    return (*numbers_of, _interval(group.mean, group.ci_low, group.ci_high), f"{math.pow(2, group.mean):.2f}")
