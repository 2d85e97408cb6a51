"""Tables of a study."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from flows.studies.count.contrasts import DIFFERENCE
from flows.studies.count.figures import PRINTED
from flows.studies.literature import TABLES
from flows.studies.published import BEST
from flows.studies.quality import REFINED
from flows.studies.rows import ParetoResult, Row, StudyResult, TransferResult, Who
from flows.studies.show.factors import p_text, source_budget_tables, space_tables, variant_tables
from flows.studies.show.fronts import front_tables
from flows.studies.show.literature import published_table
from flows.studies.show.pairs import pair_tables
from lapt.report.tables import Column, Table, numbers


def tables(result: StudyResult) -> Iterator[Table]:
    """Tables of each target: figures with intervals, beside the published ones or the spread between draws.

    A table without a caption belongs to the one before.
    """
    for table in filter(lambda table: table.rows or table.caption, _tables(result)):
        yield table.marked(lambda cells: cells[0].startswith("lapt"))


def _tables(result: StudyResult) -> Iterator[Table]:
    if result.study in TABLES:
        yield published_table(result)
    elif isinstance(result, TransferResult):
        yield from pair_tables(result)
    elif isinstance(result, ParetoResult):
        yield from front_tables(result)
    elif any(row.source_budget for row in result.rows):
        yield from source_budget_tables(result)
    elif any(row.method == REFINED for row in result.rows):
        yield from space_tables(result)
    elif result.study == "ablation" and any(row.quantity == "rank" for row in result.rows):
        yield from variant_tables(result)
    else:
        yield from _method_tables(result)


def remarks(result: StudyResult) -> Iterator[str]:
    """Remarks below the tables: reasoners that another stood in for, what broke a cap, and failures."""
    yield from _stand_ins(result.rows)
    if isinstance(result, ParetoResult) and result.infeasible is not None:
        yield f"evaluated over their cap: {result.infeasible:,} of {result.under_caps:,}"
    for failure in result.failures:
        yield f"not compared: {failure}"


def _method_tables(result: StudyResult) -> Iterator[Table]:
    names = _names(result.rows)
    drawn = any(row.sd_search is not None or row.sd_draws is not None for row in result.rows)
    for target in dict.fromkeys(row.target for row in result.rows if row.target != "mean"):
        rows = [row for row in result.rows if row.target == target]
        ranked = any(row.quantity == "rank" for row in rows)
        first, *others = (_values,) if not ranked else (_draws, _principles) if drawn else (_first, _second)
        yield replace(first(rows, names), caption=f"{result.heading}: {target}")
        for of in (*others, _losses, _differences):
            yield of(rows, names)
    overall = [row for row in result.rows if row.target == "mean"]
    if overall and (drawn or len({row.target for row in result.rows}) > 2):
        table = (_draws if drawn else _ranks)(overall, names)
        yield replace(table, caption=f"{result.heading}: mean over the targets")
        yield _differences(overall, names)


def _names(rows: Sequence[Row]) -> dict[Who, str]:
    """Names made of method, reasoner and variant, as far as these differ."""
    found = dict.fromkeys(row.who for row in rows)
    differs = [len({who[part] for who in found if who[part] is not None}) > 1 for part in range(3)]
    differs[2] = any(who[2] for who in found)
    return {
        who: ", ".join(str(part) for part, shown in zip(who[:3], differs, strict=True) if part and shown) or who[0]
        for who in found
    }


def _by_who(rows: Sequence[Row]) -> dict[Who, list[Row]]:
    return {who: [row for row in rows if row.who == who] for who in dict.fromkeys(row.who for row in rows)}


def _of(rows: Sequence[Row], quantity: str) -> Row | None:
    """The row at the longest budget, if it was measured."""
    found = [row for row in rows if row.quantity == quantity]
    return max(found, key=lambda row: row.budget or 0) if found else None


def _lines(
    first: str,
    others: Iterable[str],
    rows: Sequence[Row],
    names: Mapping[Who, str],
    cells: Callable[[Sequence[Row]], Sequence[str] | None],
) -> Table:
    """A table with a row for each of ``names``. ``cells`` makes it from its rows, or None to leave it out."""
    found = ((names[who], cells(mine)) for who, mine in _by_who(rows).items())
    columns = [Column(first, least=24 if first == "who" else 16), *numbers(*others)]
    table = Table.of(columns, [(name, *texts) for name, texts in found if texts is not None])
    return table if any(row.published for row in rows) else table.without("published")


# --- against the published rows ----------------------------------------------------------------------------
def _first(rows: Sequence[Row], names: Mapping[Who, str]) -> Table:
    split = "test" if any(row.quantity == "test" for row in rows) else "validation"

    def cells(mine: Sequence[Row]) -> Sequence[str]:
        archs, hits, value, printed = (
            _of(mine, quantity) for quantity in ("archs_to_top_0.1%", "hit_rate", split, PRINTED)
        )
        unknown = "" if mine[0].method == BEST else "not run"
        return (
            unknown if archs is None or archs.mean is None else _archs(archs),
            _plain(hits, 2),
            "" if value is None or value.mean is None else _interval(value, _digits(value)),
            " / ".join(row.published for row in (archs, value, printed) if row is not None and row.published),
        )

    return _lines("method", ("archs", "hits", f"{split} at the end", "published"), rows, names, cells)


def _archs(row: Row) -> str:
    """A mean with its interval, a median where seeds that missed would make it a bound, or the bound if all missed."""
    if row.budget and row.censored == row.seeds * row.draws:
        return f">{row.budget}"
    if row.censored and row.budget and row.budget > 100:
        median = f">{row.budget}" if row.median and row.median > row.budget else f"{row.median:.0f}"
        return f"median {median}"
    digits = 1 if (row.mean or 0) < 100 else 0
    return _interval(row, digits)


def _interval(row: Row, digits: int) -> str:
    mean = f"{row.mean:,.{digits}f}"
    return mean if row.seeds * row.draws < 2 else f"{mean} [{row.ci_low:,.{digits}f}, {row.ci_high:,.{digits}f}]"


def _second(rows: Sequence[Row], names: Mapping[Who, str]) -> Table:
    """The same runs by other definitions: the scripts' rule, and every method at LAPT's budget."""
    short = min(row.budget for row in rows if row.quantity == "rank" and row.budget)
    values = [split for split in ("validation", "test") if any(row.quantity == split for row in rows)]

    def cells(mine: Sequence[Row]) -> Sequence[str] | None:
        here = {row.quantity: row for row in mine if row.budget == short}
        best = _of(mine, "archs_to_best_if_found")
        if best is None:
            return None
        found = f"{best.seeds} of {best.seeds + best.censored}"
        return (
            _plain(here.get("rank"), 1),
            *(_spread(here.get(split)) for split in values),
            found if best.mean is None else f"{best.mean:.1f} in {found}",
        )

    return _lines("method", [*(f"{q} at {short}" for q in ("rank", *values)), "to the best"], rows, names, cells)


def _values(rows: Sequence[Row], names: Mapping[Who, str]) -> Table:
    """Scores of a space that cannot be ranked, at LAPT's budget, and at the longest where that is another."""
    budgets = sorted({row.budget for row in rows if row.budget and row.quantity == "validation"})

    def cells(mine: Sequence[Row]) -> Sequence[str]:
        at = {row.budget: row for row in mine if row.quantity == "validation"}
        return [cell for budget in budgets for cell in _with_deviation(at.get(budget))]

    return _lines("method", [name for b in budgets for name in (f"validation at {b}", "±")], rows, names, cells)


def _ranks(rows: Sequence[Row], names: Mapping[Who, str]) -> Table:
    """Ranks over all targets at LAPT's budget, and at the longest where that is another."""
    budgets = sorted({row.budget for row in rows if row.budget})
    shown = dict.fromkeys((budgets[0], budgets[-1]))

    def cells(mine: Sequence[Row]) -> Sequence[str]:
        at = {row.budget: row for row in mine if row.mean is not None and row.quantity == "rank"}
        return [*(_interval(at[budget], 1) if budget in at else "" for budget in shown), mine[0].published or ""]

    return _lines("method", [*(f"rank at {budget}" for budget in shown), "published"], rows, names, cells)


def _with_deviation(row: Row | None) -> tuple[str, str]:
    if row is None or row.mean is None:
        return ("", "") if row is None else ("-", "-")
    return _interval(row, _digits(row)), "-" if row.sd is None else f"{row.sd:.2f}"


def _losses(rows: Sequence[Row], names: Mapping[Who, str]) -> Table:
    """Evaluations and seeds that were lost. The table is empty if there are none."""
    lost = [quantity for quantity in _LOST if any(row.quantity == quantity for row in rows)]

    def cells(mine: Sequence[Row]) -> Sequence[str] | None:
        found = {row.quantity: row for row in mine if row.quantity in lost}
        return [_lost(found.get(quantity)) for quantity in lost] if found else None

    return _lines("method", [_LOST[quantity] for quantity in lost], rows, names, cells)


_LOST = {
    "failed": "failed evaluations",
    "lacking": "asked that the table lacks",
    "found_nothing": "seeds that found nothing",
}


def _lost(row: Row | None) -> str:
    if row is None or row.mean is None:
        return "0"
    runs = row.seeds * row.draws
    return f"{row.mean * runs:.0f} of {runs}" if row.quantity == "found_nothing" else f"{row.mean:.1f} a run"


def _differences(rows: Sequence[Row], names: Mapping[Who, str]) -> Table:
    """Differences from the baseline at LAPT's budget. The table is empty if nothing has one."""
    found = [row for row in rows if row.quantity.endswith(DIFFERENCE)]
    what = next((row.quantity.removesuffix(DIFFERENCE) for row in found), "")

    def cells(mine: Sequence[Row]) -> Sequence[str]:
        row, *_ = mine
        return _interval(row, 1 if what == "rank" else 3), p_text(row.p_value), row.baseline or ""

    return _lines("method", (f"{what} - baseline's", "p", "baseline"), found, names, cells)


def _spread(row: Row | None) -> str:
    if row is None or row.mean is None:
        return "" if row is None else "-"
    digits = _digits(row)
    return f"{row.mean:.{digits}f}" if row.sd is None else f"{row.mean:.{digits}f} ± {row.sd:.{digits}f}"


def _digits(row: Row) -> int:
    """Digits behind the point: two for a percentage, four for a loss below one."""
    return 2 if abs(row.mean or 0.0) >= 10 else 3 if abs(row.mean or 0.0) >= 1 else 4


# --- draws of a reasoner -----------------------------------------------------------------------------------
def _draws(rows: Sequence[Row], names: Mapping[Who, str]) -> Table:
    """Ranks, with their spread between draws of the reasoner and between seeds of the search."""

    def cells(mine: Sequence[Row]) -> Sequence[str] | None:
        rank = _of(mine, "rank")
        if rank is None or rank.mean is None:
            return None
        searches = rank.sd if rank.draws == 1 else rank.sd_search
        return (
            _interval(rank, 1),
            "-" if rank.sd_draws is None else f"{rank.sd_draws:.1f}",
            "-" if searches is None or rank.seeds < 2 else f"{searches:.1f}",
            _plain(_of(mine, "hit_rate"), 2),
        )

    table = _lines("who", ("rank", "± draws", "± seeds", "hits"), rows, names, cells)
    return table if any(row.quantity == "hit_rate" for row in rows) else table.without("hits")


def _principles(rows: Sequence[Row], names: Mapping[Who, str]) -> Table:
    """Quality of the principles and of the refined space before any search, and evaluations to the top."""

    def cells(mine: Sequence[Row]) -> Sequence[str]:
        found = [_plain(_of(mine, q), digits) for q, digits in (("support", 2), ("space_size", 0), ("best_inside", 1))]
        archs = _of(mine, "archs_to_top_0.1%")
        return [*found, "" if archs is None else _archs(archs)]

    return _lines("who", ("support", "space", "its best", "archs"), rows, names, cells)


def _stand_ins(rows: Sequence[Row]) -> Iterator[str]:
    for who, mine in _by_who(rows).items():
        share = max((row.mean or 0.0 for row in mine if row.quantity == "stood_in"), default=0.0)
        if share:
            named = ", ".join(str(part) for part in who if part)
            yield f"{named}: counting or chance stood in, in {share:.0%} of the runs"


def _plain(row: Row | None, digits: int) -> str:
    return "" if row is None or row.mean is None else f"{row.mean:,.{digits}f}"
