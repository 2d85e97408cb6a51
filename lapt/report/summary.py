"""Results and principles of a run, as one page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lapt.pipeline.config import Pipeline
from lapt.pipeline.results import RunResult, TargetResult
from lapt.pipeline.wording import (
    advice,
    against,
    caution,
    code,
    cost_of,
    ended_early,
    literal,
    losses,
    measured,
    paid,
    rungs,
    within,
)
from lapt.principles import Principles
from lapt.reasoning.language.ledger import Ledger
from lapt.report.run_tables import results
from lapt.report.tables import markdown

Learned = Mapping[str, Sequence[tuple[int, Principles]]]
"""Task -> (iteration, the principles that it left behind), in order; iteration 0 is the source's."""


def summary(pipeline: Pipeline, result: RunResult, learned: Learned, ledger: Ledger | None = None) -> str:
    """The page of a run. ``ledger``: calls of a language model, where one reasoned."""
    source = pipeline.source
    lines = [
        f"# {pipeline.name}, run {result.run_id}",
        "",
        f"Principles learned from {literal(source.described)}, by the "
        f"{code(pipeline.reasoner.named)} "
        f"reasoner; {pipeline.budget} evaluations a target, "
        f"{pipeline.adaptation.iterations} iterations, search method {pipeline.search.method}, seed {pipeline.seed}.",
        "",
        *markdown(results(result, pipeline.label).without("architecture")),
    ]
    lines += [
        line
        for said in (*losses(result, pipeline.label), *ended_early(result), *rungs(result), *advice(result))
        for line in ("", literal(said))
    ]
    metrics = dict.fromkeys(literal(f"{target.task}: {measured(target)}") for target in result.targets)
    lines += [
        "",
        f"Metrics: {'; '.join(metrics)}. Validation chose the architecture, so it flatters; test is from a training of "
        f"its own where the networks are trained. {caution(pipeline)} Paid now: evaluations that the store did not "
        "already have.",
        "",
        "## What was found",
        "",
    ]
    for target in result.targets:
        lines.append(f"* {literal(target.task)}: {code(str(target.architecture))}")
        if target.controls:
            lines[-1] += f" ({literal(against(target))})"
        if kept := within(target, pipeline):
            lines[-1] += f": {literal(kept)}"
        if target.final is not None:
            lines[-1] += f": {literal(cost_of(target, target.final))}"
    lines += ["", f"## Principles learned from {literal(source.named)}", "", *_statements(learned[source.named][-1][1])]
    for target in result.targets:
        lines += ["", *_adapted(target, learned[target.task])]
    if ledger is not None:
        lines += ["", *_language_model(ledger)]
    return "\n".join([*lines, ""])


def _adapted(target: TargetResult, learned: Sequence[tuple[int, Principles]]) -> list[str]:
    steps = ", ".join(f"{iteration}: {principles.origin.step}" for iteration, principles in learned)
    size = f"The last refined space has {target.space_size:,} cells."
    lines = [f"## {literal(target.task)}", "", f"Iterations: {steps}. {size}"]
    return [*lines, "", *_statements(learned[-1][1])] if learned else lines


def _statements(principles: Principles) -> list[str]:
    lines = []
    for number, principle in enumerate(principles.spoken, start=1):
        lines.append(f"{number}. {literal(principle.statement)}")
        if principle.rationale:
            lines[-1] += f" {literal(principle.rationale)}"
        if principle.draws:
            lines[-1] += f" ({100 * principle.support:.0f} % of the architectures read do so)"
    if principles.origin.instead_of:
        lines += ["", f"Stated by counting: {literal(principles.origin.instead_of)} gave nothing that could be used."]
    return lines


def _language_model(ledger: Ledger) -> list[str]:
    lines = ["## Language model", "", literal(paid(ledger))]
    if ledger.spread is not None:
        lines += ["", f"Two draws of a refined space disagree by {ledger.spread:.2f} (0: alike, 1: nothing shared)."]
    return lines
