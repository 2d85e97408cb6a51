"""Tables of the studies that vary one factor, with a column for each level or a row for each variant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flows.studies.rows import Row, StudyResult
from lapt.report.tables import Table, numbers


def p_text(p_value: float | None) -> str:
    return "-" if p_value is None else f"{p_value:.3f}" if p_value >= 0.001 else "<0.001"


# --- source evaluations --------------------------------------------------------------------------------------------
def source_budget_tables(result: StudyResult) -> Iterator[Table]:
    """One table for each target, with a row for each method and a column for each number of source evaluations.

    The last rows are the evaluations of the target, and of source and target together.
    """
    targets = list(dict.fromkeys(row.target for row in result.rows))
    budgets = sorted({row.source_budget for row in result.rows if row.source_budget is not None})
    for target in targets:
        rows = [row for row in result.rows if row.target == target]
        lines = []
        for method in dict.fromkeys(row.method for row in rows):
            of = {row.source_budget: row for row in rows if (row.method, row.quantity) == (method, "rank")}
            lines.append((method, *(_both(of.get(budget)) for budget in budgets)))
        for label, quantity in (("target cost", "evaluations"), ("total cost", "total_evaluations")):
            costs = [_cost([row for row in rows if row.quantity == quantity], budget) for budget in budgets]
            lines += [(label, *costs)] if any(costs) else []
        levels = numbers(*(f"{budget:,}" if budget else "none" for budget in budgets))
        yield Table.of(["from the source", *levels], lines, f"{target}: rank, median/mean")
    found = [row for row in result.rows if row.quantity == "rank_difference" and row.target == "mean"]
    budgets, lines = [budget for budget in budgets if budget], []
    for method in dict.fromkeys(row.method for row in found if row.source_budget):
        of = {row.source_budget: row for row in found if row.method == method}
        baseline = next(row.baseline or "" for row in of.values())
        lines.append((method, *(_signed(of.get(budget)) for budget in budgets), baseline))
    if lines:
        columns = ["from the source", *numbers(*(f"{budget:,}" for budget in budgets)), "baseline"]
        yield Table.of(columns, lines, "p against search alone (mean of targets)")


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
    """The p value with its direction. An arrow down is a lower rank than the baseline's, which is better."""
    if row is None or row.mean is None:
        return ""
    return f"{'↓' if row.mean < 0 else '↑'} {p_text(row.p_value)}"


# --- variants ------------------------------------------------------------------------------------------------------
def variant_tables(result: StudyResult) -> Iterator[Table]:
    """A table of mean ranks with their distance from the whole, then a table with a column for each target."""
    names = {row.who: f"{row.method}: {row.variant}" for row in result.rows}
    overall = [row for row in result.rows if row.target == "mean"]
    differences = {row.who: row for row in overall if row.quantity == "rank_difference"}
    lines = []
    for row in (row for row in overall if row.quantity == "rank"):
        difference = differences.get(row.who)
        held = ("", "") if difference is None else (_interval(difference), p_text(difference.p_value))
        lines.append((names[row.who], _interval(row), *held))
    columns = ["variant", *numbers("rank", "less that of full", "p")]
    yield Table.of(columns, lines, f"{result.heading}: mean rank over the targets")
    targets = [target for target in dict.fromkeys(row.target for row in result.rows) if target != "mean"]
    for method in dict.fromkeys(who[0] for who in names):
        ranks: list[tuple[str, ...]] = []
        for who in (who for who in names if who[0] == method):
            of = {row.target: row for row in result.rows if (row.who, row.quantity) == (who, "rank")}
            ranks.append((who[2] or "", *("" if of[t].mean is None else f"{of[t].mean:.1f}" for t in targets)))
        yield Table.of(["variant", *numbers(*targets)], ranks, f"{method}: mean rank a target")


def _interval(row: Row) -> str:
    if row.mean is None:
        return ""
    return f"{row.mean:.1f} [{row.ci_low:.1f}, {row.ci_high:.1f}]" if row.seeds > 1 else f"{row.mean:.1f}"


# --- refined spaces ------------------------------------------------------------------------------------------------
def space_tables(result: StudyResult) -> Iterator[Table]:
    """Two tables for each target: the share of Omega's best inside, and the quantiles of the scores inside."""
    for target in dict.fromkeys(row.target for row in result.rows):
        whos = list(dict.fromkeys(row.who for row in result.rows if row.target == target))
        of = {(row.who, row.quantity): row.mean or 0.0 for row in result.rows if row.target == target}
        tops = ("top_0.1%", "top_1%", "top_5%")
        lines = []
        for who in whos:
            kept = [f"{of[who, f'{top}_kept']:.2f} x{of[who, f'{top}_lift']:.1f}" for top in tops]
            size, best = (f"{of[who, quantity]:,.0f}" for quantity in ("space_size", "best_inside"))
            lines.append((who[1] or WHOLE, size, *kept, best))
        columns = ["reasoner", *numbers("size", *(top.replace("_", " ") for top in tops), "best")]
        yield Table.of(columns, lines, f"{target}: kept of Omega's top, and lift inside")
        quantiles = [quantity for (who, quantity) in of if who == whos[0] and quantity.startswith("ecdf_at_q")]
        yield Table.of(
            ["reasoner", *numbers(*(f"below q{quantity.removeprefix('ecdf_at_q')}" for quantity in quantiles))],
            [(who[1] or WHOLE, *(f"{of[who, quantity]:.2f}" for quantity in quantiles)) for who in whos],
        )


WHOLE = "(the whole space)"
