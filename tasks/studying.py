"""A study as one task; its jobs run in their own processes."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_table_artifact

from tasks.step import step

EVERY = 20
"""Number of progress lines that a study logs."""


@step(name="run-study", task_run_name="{name}")
def run_comparison(study: Any, *, name: str) -> Any:
    """Run a study and publish its rows as an artifact. ``study``: from ``flows.studies.prepared``."""
    logger = get_run_logger()

    def heard(done: int, total: int) -> None:
        if total and done * EVERY // total > (done - 1) * EVERY // total:
            logger.info("%d of %d jobs", done, total)

    result = study.run(heard)
    columns = ("method", "target", "quantity", "mean", "ci_low", "ci_high", "seeds", "published")
    rows = [{column: getattr(row, column) for column in columns} for row in result.rows]
    create_table_artifact(rows, key=f"study-{name}".lower(), description=f"Study {name}")
    return result
