"""The table of published networks, with the paper's figures beside those that are counted here."""

from __future__ import annotations

from flows.studies.published import OURS
from flows.studies.rows import Row, StudyResult
from lapt.report.tables import Table, numbers


def published_table(result: StudyResult) -> Table:
    """One row for each network."""
    of = {(row.method, row.quantity): row for row in result.rows}
    lines = []
    for method in result.methods:
        test, days, parameters, flops = (of[method, q] for q in ("test", "gpu_days", "parameters", "flops"))
        published = [row.published or "" for row in (test, days, parameters)]
        counted = _millions(parameters, 2), _millions(flops, 0)
        lines.append((method, published[0], _accuracy(test), *published[1:], *counted))
    of_accuracy = ("test % published", "test % here", "GPU days published")
    columns = ["architecture", *numbers(*of_accuracy, "params published", "params here", "mult-adds here")]
    table = Table.of(columns, lines, f"{result.heading}: {result.rows[0].target}")
    sized = any(row.published for row in result.rows if row.quantity == "parameters")
    return table if sized else table.without("params published")


def _accuracy(row: Row) -> str:
    if row.mean is not None:
        return f"{row.mean:.2f}"
    return "not run at\nfull scale" if row.method == OURS else "not run"


def _millions(row: Row, digits: int) -> str:
    return "-" if row.mean is None else f"{row.mean / 1e6:,.{digits}f}M"
