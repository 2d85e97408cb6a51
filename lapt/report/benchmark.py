"""The page of a tabular benchmark, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import yaml

from lapt.pipeline.benchmarking import Measured, between_tasks
from lapt.pipeline.config import BenchmarkPlan
from lapt.report.tables import Table, markdown, numbers
from lapt.spaces import space_named


def benchmark_page(
    plan: BenchmarkPlan, tasks: Mapping[str, Measured], versions: Mapping[str, str], processes: int
) -> str:
    """Description of a measured table as Markdown: the measurements, and the noise in them."""
    cells = len(next(iter(tasks.values())).scores)
    again = {task: int(np.isfinite(measured.scores).all(axis=1).sum()) for task, measured in tasks.items()}
    hours = sum(measured.hours for measured in tasks.values())
    space = space_named(plan.space).name
    taus = between_tasks({task: measured.means for task, measured in tasks.items()}).items()
    lines = [
        f"# The {plan.name} benchmark",
        "",
        f"All {cells:,} architectures of {space} that compute different functions, trained from scratch on "
        f"{', '.join(tasks)}. Our own measurements, made by `lapt benchmark build {plan.name}`.",
        "",
        f"Each was trained with one seed; the best {plan.best} of each task and {plan.sample} random ones with "
        f"{plan.seeds} ({', '.join(f'{task}: {count}' for task, count in again.items())}). `<task>/validation` is the "
        "mean over an architecture's seeds, `<task>/seed N` one training. Cells that compute the same function share "
        "a row, that of the canonical one. There is no test split: what is found on the table has to be trained again.",
        "",
        f"{hours:.1f} hours of training, {processes} single-thread processes side by side. "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + ".",
        "",
        "## How far it can be trusted",
        "",
        f"Between seeds, {plan.sample} random architectures:",
        "",
        *markdown(_trust(tasks)),
        "",
        "Kendall's tau between tasks, all architectures:",
        "",
        *markdown(
            Table.of(["tasks", *numbers("Kendall's tau")], [(f"{a}, {b}", f"{tau:.2f}") for (a, b), tau in taus])
        ),
    ]
    declared = yaml.safe_dump(plan.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return "\n".join([*lines, "", "## The plan", "", "```yaml", declared.rstrip(), "```", ""])


def _trust(tasks: Mapping[str, Measured]) -> Table:
    rows = []
    for task, measured in tasks.items():
        metric, found = measured.metric, measured.noise
        sign = 1.0 if metric.higher_is_better else -1.0
        spread = " / ".join(f"{sign * value:.3g}" for value in np.quantile(measured.means, [0, 0.25, 0.5, 0.75, 1]))
        better = "higher is better" if metric.higher_is_better else "lower is better"
        score = ", ".join(filter(None, (metric.name, metric.unit, better)))
        rows.append((task, score, spread, f"{found.tau:.2f}", f"{found.tau_top:.2f}", f"{found.deviation:.2g}"))
    figures = numbers("worst, quartiles, best", "Kendall's tau", "in the best quarter", "sd")
    return Table.of(["task", "score", *figures], rows)
