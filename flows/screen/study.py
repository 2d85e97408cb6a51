"""What the terminal shows of a study."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from rich.table import Table

from flows.screen.console import LOOK, out, print_table
from flows.screen.counting import counting
from flows.screen.factors import p_text, source_budget_tables, space_tables, variant_tables
from flows.screen.literature import published_table
from flows.studies.comparison import Comparison
from flows.studies.count.contrasts import DIFFERENCE
from flows.studies.literature import TABLES
from flows.studies.quality import REFINED, Quality
from flows.studies.rows import Row, StudyResult, Who
from lapt.pipeline.wording import lasting


def study_progress(comparison: Comparison | Quality) -> AbstractContextManager[Callable[[int, int], None]]:
    """How many jobs of a study are done."""
    return counting(f"{comparison.title}, {comparison.seeds} seed{'s' if comparison.seeds > 1 else ''}", "jobs")


def show_study(result: StudyResult) -> None:
    """The tables, and what is to be known of them."""
    for table in tables(result):
        print_table(table)
    for remark in remarks(result):
        out.print(remark, soft_wrap=True)
    for note in result.notes:
        out.print(f"* {note}", style="dim")
    out.print(f"* took {lasting(result.seconds)}", style="dim")


def tables(result: StudyResult) -> Iterator[Table]:
    """Those of a target: our figures with intervals, and the published ones or the spread of the draws beside them."""
    if result.study in TABLES:
        yield published_table(result)
    elif any(row.source_budget for row in result.rows):
        yield from source_budget_tables(result)
    elif any(row.method == REFINED for row in result.rows):
        yield from space_tables(result)
    elif result.study == "ablation" and any(row.quantity == "rank" for row in result.rows):
        yield from variant_tables(result)
    else:
        yield from _method_tables(result)


def remarks(result: StudyResult) -> Iterator[str]:
    """What a row does not say of itself."""
    yield from _stand_ins(result.rows)
    for failure in result.failures:
        yield f"not compared: {failure}"


def _method_tables(result: StudyResult) -> Iterator[Table]:
    names = _names(result.rows)
    drawn = any(row.sd_search is not None or row.sd_draws is not None for row in result.rows)
    for target in dict.fromkeys(row.target for row in result.rows if row.target != "mean"):
        rows = [row for row in result.rows if row.target == target]
        ranked = any(row.quantity == "rank" for row in rows)
        for table in (_values,) if not ranked else (_draws, _principles) if drawn else (_first, _second):
            yield table(f"{result.heading}: {target}", rows, names)
        yield from _losses(rows, names)
        yield from _differences(rows, names)
    overall = [row for row in result.rows if row.target == "mean"]
    if overall and (drawn or len({row.target for row in result.rows}) > 2):
        yield (_draws if drawn else _ranks)(f"{result.heading}: mean over the targets", overall, names)
        yield from _differences(overall, names)


def _names(rows: Sequence[Row]) -> dict[Who, str]:
    """Who -> what tells them apart: method, reasoner, variant, as far as they differ."""
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


def _table(title: str | None, first: str, *others: str) -> Table:
    table = Table(title=title, **LOOK)
    table.add_column(first, min_width=24 if first == "who" else 16, overflow="fold")
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


# --- against the published rows ----------------------------------------------------------------------------
def _first(title: str, rows: Sequence[Row], names: Mapping[Who, str]) -> Table:
    split = "test" if any(row.quantity == "test" for row in rows) else "validation"
    published = any(row.published for row in rows)
    table = _table(title, "method", "archs", "hits", f"{split} at the end", *(["published"] if published else []))
    for who, mine in _by_who(rows).items():
        archs, hits, value = (_of(mine, quantity) for quantity in ("archs_to_top_0.1%", "hit_rate", split))
        cited = " / ".join(row.published for row in (archs, value) if row is not None and row.published)
        table.add_row(
            names[who],
            "not run" if archs is None or archs.mean is None else _archs(archs),
            _plain(hits, 2),
            "" if value is None or value.mean is None else _interval(value, _digits(value)),
            *([cited] if published else []),
        )
    return table


def _archs(row: Row) -> str:
    """A mean with its interval; a median where seeds that missed would make the mean a bound; a bound if all missed."""
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


def _second(title: str, rows: Sequence[Row], names: Mapping[Who, str]) -> Table:
    """The same runs by other definitions: the scripts' rule, and every method at LAPT's budget."""
    short = min(row.budget for row in rows if row.quantity == "rank" and row.budget)
    values = [split for split in ("validation", "test") if any(row.quantity == split for row in rows)]
    shown = [f"rank at {short}", *(f"{split} at {short}" for split in values)]
    table = _table(None, "method", *shown, "to the best")
    for who, mine in _by_who(rows).items():
        here = {row.quantity: row for row in mine if row.budget == short}
        best = _of(mine, "archs_to_best_if_found")
        if best is None:
            continue
        table.add_row(
            names[who],
            _plain(here.get("rank"), 1),
            *(_spread(here.get(split)) for split in values),
            ("" if best.mean is None else f"{best.mean:.1f} in ") + f"{best.seeds} of {best.seeds + best.censored}",
        )
    return table


def _values(title: str, rows: Sequence[Row], names: Mapping[Who, str]) -> Table:
    """Scores of a space that cannot be ranked, at LAPT's budget, and at the longest where that is another."""
    budgets = sorted({row.budget for row in rows if row.budget and row.quantity == "validation"})
    table = _table(title, "method", *(heading for b in budgets for heading in (f"validation at {b}", "±")))
    for who, mine in _by_who(rows).items():
        at = {row.budget: row for row in mine if row.quantity == "validation"}
        found = [at.get(budget) for budget in budgets]
        table.add_row(names[who], *(cell for row in found for cell in _with_deviation(row)))
    return table


def _ranks(title: str, rows: Sequence[Row], names: Mapping[Who, str]) -> Table:
    """Ranks over all targets at LAPT's budget, and at the longest where that is another."""
    budgets = sorted({row.budget for row in rows if row.budget})
    shown = dict.fromkeys((budgets[0], budgets[-1]))
    published = any(row.published for row in rows)
    table = _table(title, "method", *(f"rank at {b}" for b in shown), *(["published"] if published else []))
    for who, mine in _by_who(rows).items():
        at = {row.budget: row for row in mine if row.mean is not None and row.quantity == "rank"}
        cells = [_interval(at[budget], 1) if budget in at else "" for budget in shown]
        table.add_row(names[who], *cells, *([mine[0].published or ""] if published else []))
    return table


def _with_deviation(row: Row | None) -> tuple[str, str]:
    if row is None or row.mean is None:
        return ("", "") if row is None else ("-", "-")
    return _interval(row, _digits(row)), "-" if row.sd is None else f"{row.sd:.2f}"


def _losses(rows: Sequence[Row], names: Mapping[Who, str]) -> Iterator[Table]:
    """What did not count or could not be scored; nothing where all went well."""
    lost = [quantity for quantity in _LOST if any(row.quantity == quantity for row in rows)]
    if not lost:
        return
    table = _table(None, "method", *(_LOST[quantity] for quantity in lost))
    for who, mine in _by_who(rows).items():
        found = {row.quantity: row for row in mine}
        if any(quantity in found for quantity in lost):
            table.add_row(names[who], *(_lost(found.get(quantity)) for quantity in lost))
    yield table


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


def _differences(rows: Sequence[Row], names: Mapping[Who, str]) -> Iterator[Table]:
    """Paired with the baseline at LAPT's budget; nothing where nothing has one."""
    found = [row for row in rows if row.quantity.endswith(DIFFERENCE)]
    if not found:
        return
    what = found[0].quantity.removesuffix(DIFFERENCE)
    table = _table(None, "method", f"{what} - baseline's", "p", "baseline")
    for row in found:
        table.add_row(
            names[row.who], _interval(row, 1 if what == "rank" else 3), p_text(row.p_value), row.baseline or ""
        )
    yield table


def _spread(row: Row | None) -> str:
    if row is None or row.mean is None:
        return "" if row is None else "-"
    digits = _digits(row)
    return f"{row.mean:.{digits}f}" if row.sd is None else f"{row.mean:.{digits}f} ± {row.sd:.{digits}f}"


def _digits(row: Row) -> int:
    """Behind the point: two of a percentage, four of a loss below one."""
    return 2 if abs(row.mean or 0.0) >= 10 else 3 if abs(row.mean or 0.0) >= 1 else 4


# --- draws of a reasoner -----------------------------------------------------------------------------------
def _draws(title: str, rows: Sequence[Row], names: Mapping[Who, str]) -> Table:
    """How good, and how far that hangs on the reasoner's draw and on the search's seed."""
    hits = any(row.quantity == "hit_rate" for row in rows)
    table = _table(title, "who", "rank", "± draws", "± seeds", *(["hits"] if hits else []))
    for who, mine in _by_who(rows).items():
        rank = _of(mine, "rank")
        if rank is None or rank.mean is None:
            continue
        searches = rank.sd if rank.draws == 1 else rank.sd_search
        table.add_row(
            names[who],
            _interval(rank, 1),
            "-" if rank.sd_draws is None else f"{rank.sd_draws:.1f}",
            "-" if searches is None or rank.seeds < 2 else f"{searches:.1f}",
            *([_plain(_of(mine, "hit_rate"), 2)] if hits else []),
        )
    return table


def _principles(title: str, rows: Sequence[Row], names: Mapping[Who, str]) -> Table:
    """What was learned, before any search; and how soon the search was good."""
    table = _table(None, "who", "support", "space", "its best", "archs")
    for who, mine in _by_who(rows).items():
        shown = [_plain(_of(mine, q), digits) for q, digits in (("support", 2), ("space_size", 0), ("best_inside", 1))]
        archs = _of(mine, "archs_to_top_0.1%")
        table.add_row(names[who], *shown, "" if archs is None else _archs(archs))
    return table


def _stand_ins(rows: Sequence[Row]) -> Iterator[str]:
    for who, mine in _by_who(rows).items():
        share = max((row.mean or 0.0 for row in mine if row.quantity == "stood_in"), default=0.0)
        if share:
            named = ", ".join(str(part) for part in who if part)
            yield f"{named}: counting or chance stood in, in {share:.0%} of the runs"


def _plain(row: Row | None, digits: int) -> str:
    return "" if row is None or row.mean is None else f"{row.mean:,.{digits}f}"


def as_json(result: StudyResult) -> str:
    """Indented, but for the curves: one a line."""
    said = json.dumps(result.model_dump(mode="json", exclude={"curves"}), indent=2)
    curves = ",\n    ".join(curve.model_dump_json() for curve in result.curves)
    return f'{said[:-2]},\n  "curves": [\n    {curves}\n  ]\n}}'
