"""What the Prefect UI shows of a run: small tables and pages, one key a pipeline, task and kind."""

from __future__ import annotations

import re

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from lapt.archive import Archive
from lapt.principles import Principles
from lapt.results import RunResult
from lapt.spaces import SearchSpace
from lapt.summary import literal


def archive(pipeline: str, built: Archive) -> None:
    shown = [
        {"rank": rank, "architecture": built.space.encode(entry.architecture), entry.metric.name: entry.value}
        for rank, entry in enumerate(built.entries[:20], start=1)
    ]
    create_table_artifact(
        shown,
        key=_key(pipeline, built.task, "archive"),
        description=f"The best {len(shown)} of an archive of {len(built.entries)}, chosen from {built.chosen_from} "
        f"evaluations on {built.task}",
    )


def principles(pipeline: str, task: str, stated: Principles) -> None:
    lines = [f"# Principles for {task}, version {stated.version}", ""]
    lines += [f"{number}. {literal(p.statement)}" for number, p in enumerate(stated.principles, start=1)]
    lines += ["", f"Step: {stated.origin.step}. Reasoner: {stated.origin.reasoner}. Id: `{stated.id}`"]
    lines += [f", from `{stated.parent}`."] if stated.parent else ["."]
    if stated.dropped:
        lines += [
            "",
            "Not carried over from the source space:",
            "",
            *(f"* {literal(item)}" for item in stated.dropped),
        ]
    create_markdown_artifact(
        "\n".join(lines), key=_key(pipeline, task, "principles"), description=f"Design principles for {task}"
    )


def refined_space(pipeline: str, task: str, whole: SearchSpace, refined: SearchSpace) -> None:
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
        description=f"Refined space for {task}: {refined.size:,} of {whole.size:,} architectures",
    )


def leaderboard(result: RunResult) -> None:
    rows = [
        {
            "target": target.task,
            "architecture": target.architecture or "none could be scored",
            "validation": target.validation,
            "test": target.test,
            "evaluations": target.evaluations,
        }
        for target in result.targets
    ]
    create_table_artifact(
        rows, key=_key(result.pipeline, "targets"), description=f"Run {result.run_id}: the best architecture a target"
    )


def _key(*parts: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
