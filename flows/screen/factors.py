"""What the terminal shows of studies that vary one factor: tables with a column a level, or a row a variant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from flows.screen.console import LOOK
from flows.studies.rows import Row, StudyResult


def p_text(p_value: float | None) -> str:
    return "-" if p_value is None else f"{p_value:.3f}" if p_value >= 0.001 else "<0.001"


# --- source evaluations --------------------------------------------------------------------------------------------
def source_budget_tables(result: StudyResult) -> Iterator[Table]:
    """A table a target: methods down, source evaluations across; below, what target and both together cost."""
    targets = list(dict.fromkeys(row.target for row in result.rows))
    budgets = sorted({row.source_budget for row in result.rows if row.source_budget is not None})
    for target in targets:
        rows = [row for row in result.rows if row.target == target]
        table = Table(title=f"{target}: rank, median/mean", **LOOK)
        table.add_column("from the source", no_wrap=True)
        for budget in budgets:
            table.add_column(f"{budget:,}" if budget else "none", justify="right", no_wrap=True)
        for method in dict.fromkeys(row.method for row in rows):
            of = {row.source_budget: row for row in rows if (row.method, row.quantity) == (method, "rank")}
            table.add_row(method, *(_both(of.get(budget)) for budget in budgets))
        for label, quantity in (("target cost", "evaluations"), ("total cost", "total_evaluations")):
            costs = [_cost([row for row in rows if row.quantity == quantity], budget) for budget in budgets]
            if any(costs):
                table.add_row(label, *costs, style="dim")
        yield table
    found = [row for row in result.rows if row.quantity == "rank_difference" and row.target == "mean"]
    table = Table(title="p against search alone (mean of targets)", **LOOK)
    for heading in ("from the source", *(f"{budget:,}" for budget in budgets if budget), "baseline"):
        table.add_column(heading, justify="left" if heading in ("from the source", "baseline") else "right")
    for method in dict.fromkeys(row.method for row in found if row.source_budget):
        of = {row.source_budget: row for row in found if row.method == method}
        cells = [_signed(of.get(budget)) for budget in budgets if budget]
        table.add_row(method, *cells, next(row.baseline or "" for row in of.values()))
    if table.row_count:
        yield table


def _both(row: Row | None) -> str:
    if row is None or row.mean is None or row.median is None:
        return ""
    return f"{_short(row.median)}/{_short(row.mean)}"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _cost(rows: Sequence[Row], budget: int) -> str:
    found = {row.mean for row in rows if row.source_budget == budget and row.mean is not None}
    return "" if not found else f"{max(found):,.0f}"


def _signed(row: Row | None) -> str:
    """p, with the direction: an arrow down is a lower rank than the baseline's, which is better."""
    if row is None or row.mean is None:
        return ""
    return f"{'↓' if row.mean < 0 else '↑'} {p_text(row.p_value)}"


# --- variants ------------------------------------------------------------------------------------------------------
def variant_tables(result: StudyResult) -> Iterator[Table]:
    """Mean ranks with their distance from the whole, then a column a target."""
    names = {row.who: f"{row.method}: {row.variant}" for row in result.rows}
    overall = [row for row in result.rows if row.target == "mean"]
    differences = {row.who: row for row in overall if row.quantity == "rank_difference"}
    table = Table(title=f"{result.heading}: mean rank over the targets", **LOOK)
    table.add_column("variant", overflow="fold")
    for heading in ("rank", "less that of full", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in (row for row in overall if row.quantity == "rank"):
        difference = differences.get(row.who)
        table.add_row(
            names[row.who],
            _interval(row),
            "" if difference is None else _interval(difference),
            "" if difference is None else p_text(difference.p_value),
        )
    yield table
    targets = [target for target in dict.fromkeys(row.target for row in result.rows) if target != "mean"]
    for method in dict.fromkeys(who[0] for who in names):
        table = Table(title=f"{method}: mean rank a target", **LOOK)
        table.add_column("variant", no_wrap=True)
        for target in targets:  # six of TransNAS-Bench-101's names fit on 80 columns when they are folded
            table.add_column(target.replace("_", "_\n"), justify="right", overflow="fold", max_width=9)
        for who in (who for who in names if who[0] == method):
            of = {row.target: row for row in result.rows if (row.who, row.quantity) == (who, "rank")}
            table.add_row(who[2], *("" if of[t].mean is None else f"{of[t].mean:.1f}" for t in targets))
        yield table


def _interval(row: Row) -> str:
    if row.mean is None:
        return ""
    return f"{row.mean:.1f} [{row.ci_low:.1f}, {row.ci_high:.1f}]" if row.seeds > 1 else f"{row.mean:.1f}"


# --- refined spaces ------------------------------------------------------------------------------------------------
def space_tables(result: StudyResult) -> Iterator[Table]:
    """Two tables a target: what of Omega's best is inside, and where the scores inside lie among Omega's."""
    for target in dict.fromkeys(row.target for row in result.rows):
        whos = list(dict.fromkeys(row.who for row in result.rows if row.target == target))
        of = {(row.who, row.quantity): row.mean or 0.0 for row in result.rows if row.target == target}
        tops = ("top_0.1%", "top_1%", "top_5%")
        table = Table(title=f"{target}: kept of Omega's top, and lift inside", **LOOK)
        for heading in ("reasoner", "size", *(top.replace("_", " ") for top in tops), "best"):
            table.add_column(heading, justify="left" if heading == "reasoner" else "right", no_wrap=True)
        for who in whos:
            kept = [f"{of[who, f'{top}_kept']:.2f} x{of[who, f'{top}_lift']:.1f}" for top in tops]
            size, best = (f"{of[who, quantity]:,.0f}" for quantity in ("space_size", "best_inside"))
            table.add_row(who[1] or "(the whole space)", size, *kept, best)
        yield table
        quantiles = [quantity for (who, quantity) in of if who == whos[0] and quantity.startswith("ecdf_at_q")]
        table = Table(**LOOK)
        table.add_column("reasoner", no_wrap=True)
        for quantity in quantiles:
            table.add_column(f"below q{quantity.removeprefix('ecdf_at_q')}", justify="right")
        for who in whos:
            table.add_row(who[1] or "(the whole space)", *(f"{of[who, quantity]:.2f}" for quantity in quantiles))
        yield table
