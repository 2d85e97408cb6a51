"""Prefect artifacts of a run: small tables and pages. Each has a key of pipeline, task and kind.

The Prefect UI reads all of it as Markdown: descriptions and the cells of tables too.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Sequence
from typing import Any

from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from lapt.archive import Archive
from lapt.base.digests import short
from lapt.evaluation import Evaluation, best
from lapt.pipeline.results import RunResult
from lapt.pipeline.wording import literal
from lapt.principles import Principles
from lapt.report import run_tables
from lapt.report.history import Search
from lapt.report.tables import Table, as_markdown
from lapt.spaces import SearchSpace


def archive(pipeline: str, built: Archive) -> None:
    shown = run_tables.leaderboard(Search.of("", built.space, built.entries, built.entries[0].metric), 20).without(
        "evaluation", "iteration"
    )
    said = (
        f"The best {len(shown.rows)} of an archive of {len(built.entries)}, chosen from {built.chosen_from} "
        f"evaluations on {literal(built.task)}"
    )
    table(shown, said, pipeline, built.task, "archive")


def principles(pipeline: str, task: str, stated: Principles) -> None:
    lines = [f"# Principles for {literal(task)}, version {stated.version}", ""]
    lines += [f"{number}. {literal(p.statement)}" for number, p in enumerate(stated.spoken, start=1)]
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


def refuted(pipeline: str, task: str, adviser: str, said: str, statements: Sequence[str]) -> None:
    """Show an adviser whose principles do not hold on the task, with these principles."""
    lines = [f"# {literal(adviser)} is no adviser for {literal(task)}", "", f"{literal(said)}:", ""]
    create_markdown_artifact(
        "\n".join([*lines, *(f"* {literal(statement)}" for statement in statements)]),
        key=_key(pipeline, task, f"refuted-{adviser}"),
        description=literal(said),
    )


def refined_space(pipeline: str, task: str, g: int, whole: SearchSpace, refined: SearchSpace) -> None:
    rows = [
        (
            before.name,
            ", ".join(after.operators),
            ", ".join(o for o in before.operators if o not in after.operators) or "-",
        )
        for before, after in zip(whole.layers, refined.layers, strict=True)
    ]
    said = f"Refined space for {literal(task)}, iteration {g}: {refined.size:,} of {whole.size:,} architectures"
    table(Table.of(["layer", "operators kept", "dropped"], rows), said, pipeline, task, "space")


def leaderboard(pipeline: str, task: str, space: SearchSpace, evaluations: Sequence[Evaluation]) -> None:
    """Show the best evaluations of a search, and the best architecture as a picture."""
    if not evaluations:
        return
    shown = run_tables.leaderboard(Search.of("", space, evaluations, evaluations[-1].metric), 20).without("iteration")
    said = f"The best {len(shown.rows)} of {len(evaluations)} evaluations on {literal(task)}, by validation"
    table(shown, said, pipeline, task, "leaderboard")
    from lapt.report.cells import cell_pictures  # matplotlib takes a second: no start waits for it

    incumbent = best(evaluations)
    for said, picture in cell_pictures(space, incumbent.architecture) if incumbent else ():
        create_image_artifact(
            f"data:image/png;base64,{base64.b64encode(picture).decode()}",
            key=_key(pipeline, task, said.split(";")[0]),
            description=f"The best architecture on {literal(task)}: {said}",
        )


class SearchProgress:
    """Progress of a search: the share of its ``budget`` that is spent, and the incumbent."""

    SECONDS = 2.0
    """Time between two updates, each of which is a request."""

    def __init__(self, pipeline: str, task: str, budget: int) -> None:
        self._task, self._budget, self._told = task, budget, time.monotonic()
        self._artifact: Any = create_progress_artifact(
            0.0, key=_key(pipeline, task, "progress"), description=f"{budget} evaluations on {literal(task)}"
        )

    def evaluated(self, done: int, incumbent: str, *, last: bool = False) -> None:
        if last or time.monotonic() - self._told > self.SECONDS:
            self._told = time.monotonic()
            progress = 100.0 if last else min(100 * done / self._budget, 100.0)
            said = f"{done} of {self._budget} evaluations on {literal(self._task)}, best {literal(incumbent)}"
            update_progress_artifact(self._artifact, progress=progress, description=said)


def targets(result: RunResult, label: str) -> None:
    """Show the results for each target, with the controls beside it."""
    said = f"Run {result.run_id}: the best architecture a target; for the page: lapt report {result.run_id}"
    table(run_tables.results(result, label), said, result.pipeline, "targets")


def table(shown: Table, description: str, *key: str) -> None:
    """Show a table under a key made of these parts. ``description``: Markdown."""
    names = [literal(column.name) for column in shown.columns]
    rows = [dict(zip(names, map(as_markdown, shown.columns, row.cells), strict=True)) for row in shown.rows]
    create_table_artifact(rows, key=_key(*key), description=description)


def _key(*parts: str) -> str:
    """A key in the characters that Prefect takes. A part that has none of them is replaced by its digest."""
    return "-".join(re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") or short(part) for part in parts)
