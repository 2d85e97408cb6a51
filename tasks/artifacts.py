"""Artifacts of a run in the Prefect UI: small tables and pages, one key for each pipeline, task and kind.

The UI renders all texts as Markdown, even descriptions and the cells of tables.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Sequence

from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from lapt.archive import Archive
from lapt.base.digests import short
from lapt.evaluation import Evaluation, best, top
from lapt.pipeline.results import RunResult
from lapt.pipeline.wording import code, literal, rows_of
from lapt.principles import Principles
from lapt.spaces import SearchSpace


def archive(pipeline: str, built: Archive) -> None:
    shown = [
        {
            "rank": rank,
            "architecture": code(built.space.encode(entry.architecture)),
            literal(entry.metric.name): entry.value,
        }
        for rank, entry in enumerate(built.entries[:20], start=1)
    ]
    create_table_artifact(
        shown,
        key=_key(pipeline, built.task, "archive"),
        description=f"The best {len(shown)} of an archive of {len(built.entries)}, chosen from {built.chosen_from} "
        f"evaluations on {literal(built.task)}",
    )


def principles(pipeline: str, task: str, stated: Principles) -> None:
    lines = [f"# Principles for {literal(task)}, version {stated.version}", ""]
    lines += [f"{number}. {literal(p.statement)}" for number, p in enumerate(stated.principles, start=1)]
    lines += ["", f"Step: {stated.origin.step}. Reasoner: {literal(stated.origin.reasoner)}. Id: `{stated.id}`"]
    lines += [f", from `{stated.parent}`."] if stated.parent else ["."]
    if stated.dropped:
        lines += [
            "",
            "Not carried over from the source space:",
            "",
            *(f"* {literal(item)}" for item in stated.dropped),
        ]
    create_markdown_artifact(
        "\n".join(lines),
        key=_key(pipeline, task, "principles"),
        description=f"Design principles for {literal(task)}, version {stated.version}",
    )


def refined_space(pipeline: str, task: str, g: int, whole: SearchSpace, refined: SearchSpace) -> None:
    rows = [
        {
            "layer": before.name,
            "operators kept": ", ".join(after.operators),
            "dropped": ", ".join(o for o in before.operators if o not in after.operators) or "-",
        }
        for before, after in zip(whole.layers, refined.layers, strict=True)
    ]
    create_table_artifact(
        rows,
        key=_key(pipeline, task, "space"),
        description=f"Refined space for {literal(task)}, iteration {g}: {refined.size:,} of {whole.size:,} "
        "architectures",
    )


def leaderboard(pipeline: str, task: str, space: SearchSpace, evaluations: Sequence[Evaluation]) -> None:
    """The best evaluations of a search, and the cell of the best one."""
    if not evaluations:
        return
    metric = evaluations[-1].metric
    rows = [
        {
            "rank": rank,
            "architecture": code(space.encode(found.architecture)),
            literal(f"{metric.name} {metric.unit}"): found.value,
            "parameters": found.parameters,
            "score from": found.origin,
        }
        for rank, found in enumerate(top(evaluations, 20), start=1)
    ]
    create_table_artifact(
        rows,
        key=_key(pipeline, task, "leaderboard"),
        description=f"The best {len(rows)} of {len(evaluations)} evaluations on {literal(task)}, by validation",
    )
    from lapt.report.cells import cell_pictures  # matplotlib takes a second: no start waits for it

    incumbent = best(evaluations)
    for said, picture in cell_pictures(space, incumbent.architecture) if incumbent else ():
        create_image_artifact(
            f"data:image/png;base64,{base64.b64encode(picture).decode()}",
            key=_key(pipeline, task, said.split(";")[0]),
            description=f"The best architecture on {literal(task)}: {said}",
        )


class SearchProgress:
    """A progress bar of a search: the spent share of its ``budget``, and the incumbent."""

    SECONDS = 2.0
    """Seconds between two updates, each of which is a request."""

    def __init__(self, pipeline: str, task: str, budget: int) -> None:
        self._task, self._budget, self._told = task, budget, time.monotonic()
        self._artifact = create_progress_artifact(
            0.0, key=_key(pipeline, task, "progress"), description=f"{budget} evaluations on {literal(task)}"
        )

    def evaluated(self, done: int, incumbent: str, *, last: bool = False) -> None:
        if last or time.monotonic() - self._told > self.SECONDS:
            self._told = time.monotonic()
            progress = 100.0 if last else min(100 * done / self._budget, 100.0)
            said = f"{done} of {self._budget} evaluations on {literal(self._task)}, best {literal(incumbent)}"
            update_progress_artifact(self._artifact, progress=progress, description=said)


def targets(result: RunResult, label: str) -> None:
    """The result for each target, with the controls beside it."""
    rows = [
        {
            "target": literal(target.task),
            "method": method,
            "validation": found.validation,
            "test": found.test,
            "evaluations": found.evaluations,
            "architecture": code(found.architecture) if found.architecture else "none could be scored",
        }
        for target in result.targets
        for method, found in rows_of(target, label)
    ]
    create_table_artifact(
        rows,
        key=_key(result.pipeline, "targets"),
        description=f"Run {result.run_id}: the best architecture a target; for the page: lapt report {result.run_id}",
    )


def _key(*parts: str) -> str:
    """A key of the characters that Prefect allows. A part without any of them is replaced by its digest."""
    return "-".join(re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") or short(part) for part in parts)
