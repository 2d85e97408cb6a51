"""What a run found and why, as one page of Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lapt.config import Pipeline
from lapt.principles import Principles
from lapt.results import Found, RunResult, TargetResult

Learned = Mapping[str, Sequence[tuple[int, Principles]]]
"""Task -> (iteration, the principles that it left behind), in order; iteration 0 is the source's."""


def summary(pipeline: Pipeline, result: RunResult, learned: Learned) -> str:
    source = pipeline.source
    lines = [
        f"# {pipeline.name}, run {result.run_id}",
        "",
        f"Principles learned from the best {source.archive.size} of {source.archive.evaluations} architectures of "
        f"{source.task}, by the `{pipeline.reasoner.kind}` reasoner; {pipeline.budget} evaluations a target, "
        f"{pipeline.adaptation.iterations} iterations, search method {pipeline.search.method}, seed {pipeline.seed}.",
        "",
        "| target | method | validation | test | evaluations | paid now |",
        "|---|---|---|---|---|---|",
    ]
    for target in result.targets:
        for method, found in rows_of(target, pipeline.search.method):
            figures = f"{shown(found.validation, found.unit)} | {shown(found.test, found.unit)}"
            lines.append(f"| {target.task} | {method} | {figures} | {found.evaluations} | {found.paid_now} |")
    metrics = dict.fromkeys(f"{target.task}: {target.metric}" for target in result.targets)
    lines += [
        "",
        f"Metrics: {'; '.join(metrics)}. Validation chose the architecture, so it flatters; test is from a training of "
        "its own where the networks are trained. One run of one seed: differences of this size may be luck. Paid now: "
        "evaluations that the store did not already have.",
        "",
        "## What was found",
        "",
    ]
    lines += [f"* {target.task}: `{target.architecture}`" for target in result.targets]
    lines += ["", f"## Principles learned from {source.task}", "", *_statements(learned[source.task][-1][1])]
    for target in result.targets:
        lines += ["", *_adapted(target, learned[target.task])]
    return "\n".join([*lines, ""])


def rows_of(target: TargetResult, method: str) -> Iterator[tuple[str, Found]]:
    """(method, what it found): LAPT first, then the controls."""
    yield f"lapt-{method}", target
    for control in target.controls:
        yield control.method, control


def shown(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.4g}{' ' + unit if unit else ''}"


def _adapted(target: TargetResult, learned: Sequence[tuple[int, Principles]]) -> list[str]:
    steps = ", ".join(f"{iteration}: {principles.origin.step}" for iteration, principles in learned)
    lines = [f"## {target.task}", "", f"Iterations: {steps}. The last refined space has {target.space_size:,} cells."]
    return [*lines, "", *_statements(learned[-1][1])] if learned else lines


def _statements(principles: Principles) -> list[str]:
    return [f"{number}. {principle.statement}" for number, principle in enumerate(principles.principles, start=1)]
