"""What the terminal shows of published networks: the paper's figures, and what is measured here beside them."""

from __future__ import annotations

from rich.table import Table

from flows.screen.console import LOOK
from flows.studies.rows import Row, StudyResult
from lapt.pipeline.published import OURS


def published_table(result: StudyResult) -> Table:
    """One line a network."""
    of = {(row.method, row.quantity): row for row in result.rows}
    sized = any(row.published for row in result.rows if row.quantity == "parameters")
    table = Table(title=f"{result.heading}: {result.rows[0].target}", **LOOK)
    table.add_column("architecture", overflow="fold")
    for heading in (
        "test %\npublished",
        "test %\nhere",
        "GPU days\npublished",
        *(["params\npublished"] if sized else []),
        "params\nhere",
        "mult-adds\nhere",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for method in result.methods:
        test, days, parameters, flops = (of[method, q] for q in ("test", "gpu_days", "parameters", "flops"))
        table.add_row(
            method,
            test.published,
            _accuracy(test),
            days.published,
            *([parameters.published] if sized else []),
            _millions(parameters, 2),
            _millions(flops, 0),
        )
    return table


def _accuracy(row: Row) -> str:
    if row.mean is not None:
        return f"{row.mean:.2f}"
    return "not run at\nfull scale" if row.method == OURS else "not run"


def _millions(row: Row, digits: int) -> str:
    return "-" if row.mean is None else f"{row.mean / 1e6:,.{digits}f}M"
