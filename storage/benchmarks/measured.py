"""Tables made of the user's own measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lapt.pipeline.benchmarking import Measured, Scores
from lapt.spaces import Space
from storage.benchmarks.checks import column_name
from storage.benchmarks.kinds import CountColumn, Declaration, TaskColumns
from storage.benchmarks.tables import BenchmarkInfo, write_table


def write_measured(
    name: str,
    space: Space,
    architectures: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    tasks: Mapping[str, Measured],
    target: Path,
) -> BenchmarkInfo:
    """Write one row per canonical architecture, sorted.

    Columns: "<task>/validation" is the mean over its seeds, "<task>/seed N" one training (null where there was none),
    "<task>/<measure>" the mean of any other measure. Scores have single precision. ``sizes``: parameters and flops of
    each backbone by the published definition, the same for every task.
    """
    columns: dict[str, pa.Array[Any]] = {"architecture": pa.array(architectures, pa.string())}
    for task, measured in tasks.items():
        sign = 1.0 if measured.metric.higher_is_better else -1.0
        columns[column_name(task, "validation")] = _single(sign * measured.means)
        for measure in measured.measures:
            columns[f"{task}/{measure}"] = _single(measured.measure(measure))
        for seed, scores in enumerate(measured.scores.T):
            columns[f"{task}/seed {seed}"] = _single(sign * scores)
    for at, count in enumerate(("parameters", "flops")):
        columns[count] = pa.array([size[at] for size in sizes], pa.int64())
    declaration = Declaration(
        name=name,
        space=space,
        canonical=True,
        parameters=CountColumn(column="parameters"),
        flops=CountColumn(column="flops"),
        tasks={
            task: TaskColumns(
                validation=column_name(task, "validation"),
                metric=measured.metric.name,
                unit=measured.metric.unit,
                higher_is_better=measured.metric.higher_is_better,
            )
            for task, measured in tasks.items()
        },
    )
    return write_table("measured", declaration, pa.table(columns), target)


def _single(values: Scores) -> pa.Array[Any]:
    return pa.array(values.astype(np.float32), pa.float32(), mask=np.isnan(values))
