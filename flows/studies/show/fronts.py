"""The study of fronts: tables of hypervolumes and of ranks under caps, and hypervolumes over evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import NullFormatter

from flows.studies.pareto import FEASIBLE_RANK, HYPERVOLUME, TO_REFERENCE
from flows.studies.rows import FrontCurve, ParetoResult, Row
from flows.studies.show.factors import p_text
from lapt.report.figures import legend_below
from lapt.report.tables import Column, Table, numbers


def front_tables(result: ParetoResult) -> Iterator[Table]:
    """For each task and device: hypervolumes after two budgets, evaluations to the reference's, ranks under caps."""
    for target in dict.fromkeys(row.target for row in result.rows):
        rows = [row for row in result.rows if row.target == target]
        areas = [row for row in rows if row.quantity == HYPERVOLUME]
        if areas:
            yield _areas(areas, f"{result.heading}: {target}, share of the true front's hypervolume")
            yield _tests(areas, [row for row in rows if row.quantity == TO_REFERENCE])
        ranks = [row for row in rows if row.quantity == FEASIBLE_RANK]
        if ranks:
            yield _ranks(ranks, f"{result.heading}: {target}, rank under a cap after {ranks[0].budget} evaluations")


def hypervolumes(axes: Any, curves: Sequence[FrontCurve]) -> None:
    """Draw the missing share against evaluations, on logarithmic axes, with bands of the intervals."""
    for curve in curves:
        at = np.arange(1, len(curve.mean) + 1)
        (line,) = axes.plot(at, _missing(curve.mean), label=curve.method)
        axes.fill_between(
            at, _missing(curve.high), _missing(curve.low), color=line.get_color(), alpha=0.15, linewidth=0
        )
    axes.set(xlabel="evaluations", ylabel="missing share of the hypervolume", xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    legend_below(axes)


def _missing(shares: Sequence[float]) -> Any:
    return np.maximum(1 - np.array(shares), 1e-5)


def _areas(rows: Sequence[Row], caption: str) -> Table:
    budgets, of = _by_budget(rows)
    lines = [(method, *(_interval(mine[n], 4) for n in budgets)) for method, mine in of.items()]
    return Table.of([Column("method", least=16), *numbers(*(f"after {n}" for n in budgets))], lines, caption)


def _tests(areas: Sequence[Row], reached: Sequence[Row]) -> Table:
    """The p values of the hypervolumes, and the evaluations to the reference's with theirs, if it ran."""
    (budgets, of), to_reference = _by_budget(areas), {row.method: row for row in reached}
    lines = []
    for method, mine in of.items():
        row = to_reference.get(method)
        last = ("", "", "")
        if row is not None:
            last = (_interval(row, 1), f"{row.seeds - row.censored} of {row.seeds}", _p(row))
        lines.append((method, *(_p(mine[n]) for n in budgets), *last))
    names = [*(f"p, {n}" for n in budgets), "evaluations to nsga2's", "reached", "p"]
    table = Table.of([Column("method", least=16), *numbers(*names)], lines)
    return table if to_reference else table.without(*names[-3:])


def _by_budget(rows: Sequence[Row]) -> tuple[list[int], dict[str, dict[int, Row]]]:
    """The numbers of evaluations, and the rows by method and number."""
    of: dict[str, dict[int, Row]] = {}
    for row in rows:
        of.setdefault(row.method, {})[row.budget or 0] = row
    return sorted({row.budget or 0 for row in rows}), of


def _ranks(rows: Sequence[Row], caption: str) -> Table:
    methods = list(dict.fromkeys(row.method for row in rows))
    lines = []
    for cap in dict.fromkeys(row.variant for row in rows):
        of = {row.method: row for row in rows if row.variant == cap}
        lines.append((cap or "", *("" if method not in of else _median(of[method]) for method in methods)))
    return Table.of(["cap", *numbers(*(f"{method}, median (mean)" for method in methods))], lines, caption)


def _median(row: Row) -> str:
    return f"{row.median:g} ({row.mean:,.1f})"


def _interval(row: Row, digits: int) -> str:
    return f"{row.mean:.{digits}f} [{row.ci_low:.{digits}f}, {row.ci_high:.{digits}f}]"


def _p(row: Row) -> str:
    return "" if row.baseline is None else p_text(row.p_value)
