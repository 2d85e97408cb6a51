"""The estimate of a run in the terminal."""

from __future__ import annotations

from flows.estimate import Estimate
from flows.screen.console import out, print_table
from lapt.evaluators.config import TrainingEvaluation
from lapt.pipeline.config import Pipeline
from lapt.pipeline.wording import lasting
from lapt.report.tables import Table, numbers


def show_estimate(pipeline: Pipeline, found: Estimate) -> None:
    """Print the parts of a run with their durations, the whole, and what the estimate rests on."""
    rows = [
        (one.part.task, one.part.described, f"{one.part.paid:,}", f"{one.part.looked_up:,}", _lasting(one.seconds))
        for one in found.parts
    ]
    columns = ["task", "part", *numbers("paid", "looked up", "time")]
    print_table(Table.of(columns, rows, f"{pipeline.title}: what it would do"), keys=2)
    whole = "" if found.seconds is None else f": {found.seconds.described} on this machine"
    out.print(f"{found.counted[0].upper()}{found.counted[1:]}{whole}.", soft_wrap=True)
    for line in found.basis:
        out.print(f"  {line}", soft_wrap=True)
    out.print(f"About {_size(found.disk_bytes)} in the store: weights, rows, Prefect's history.", soft_wrap=True)
    if found.cache_bytes:
        decoded = f"{_size(found.cache_bytes)} of decoded images in the cache (LAPT_CACHE)"
        out.print(f"{decoded}, written just now to be measured with; the run reads them from there.", soft_wrap=True)
    if isinstance(pipeline.evaluator, TrainingEvaluation):
        out.print(
            "With --trial 8 in place of --dry-run, 16 trainings a target show whether scores tell networks apart."
        )
    out.print("Dry run: nothing was trained to its end, and nothing stored.", style="dim")


def _lasting(seconds: object) -> str:
    expected = getattr(seconds, "expected", None)
    if expected is None:
        return "-"
    return "seconds" if expected == 0 else lasting(float(f"{expected:.3g}"))


def _size(count: int) -> str:
    return f"{count / 1e9:.2g} GB" if count >= 1e9 else f"{max(1, round(count / 1e6)):,} MB"
