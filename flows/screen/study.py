"""A study in the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager

from flows.screen.console import out, print_table
from flows.screen.counting import counting
from flows.studies.comparison import Comparison
from flows.studies.pareto import Pareto
from flows.studies.quality import Quality
from flows.studies.rows import StudyResult
from flows.studies.show.tables import remarks, tables
from flows.studies.transfer import Transfer
from lapt.pipeline.wording import lasting


def study_progress(
    comparison: Comparison | Quality | Transfer | Pareto,
) -> AbstractContextManager[Callable[[int, int], None]]:
    """Show the progress of a study in jobs."""
    return counting(f"{comparison.title}, {comparison.seeds} seed{'s' if comparison.seeds > 1 else ''}", "jobs")


def show_study(result: StudyResult) -> None:
    """Print the tables, the remarks and the notes of a study."""
    for table in tables(result):
        print_table(table)
    for remark in remarks(result):
        out.print(remark, soft_wrap=True)
    for note in result.notes:
        out.print(f"* {note}", style="dim")
    out.print(f"* took {lasting(result.seconds)}", style="dim")


def as_json(result: StudyResult) -> str:
    """The study as indented JSON, with one curve a line."""
    said = json.dumps(result.model_dump(mode="json", exclude={"curves"}), indent=2)
    curves = ",\n    ".join(curve.model_dump_json() for curve in result.curves)
    return f'{said[:-2]},\n  "curves": [\n    {curves}\n  ]\n}}'
