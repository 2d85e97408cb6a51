"""A study as one task; its jobs run in their own processes."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger

from lapt.report.tables import Table, text
from tasks import artifacts
from tasks.step import step

EVERY = 20
"""Number of progress lines that a study logs."""


@step(name="run-study", task_run_name="{name}")
def run_comparison(study: Any, *, name: str) -> Any:
    """Run a study that ``flows.studies.prepared`` made, and show its rows as an artifact."""
    logger = get_run_logger()

    def heard(done: int, total: int) -> None:
        if total and done * EVERY // total > (done - 1) * EVERY // total:
            logger.info("%d of %d jobs", done, total)

    result = study.run(heard)
    columns = ("method", "target", "quantity", "mean", "ci_low", "ci_high", "seeds", "published")
    rows = ([text(getattr(row, column)) for column in columns] for row in result.rows)
    artifacts.table(Table.of(columns, rows), f"Study {name}", "study", name)
    return result
