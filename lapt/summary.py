"""What a run found and why, as one page of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from lapt.config import Pipeline
from lapt.principles import Principles
from lapt.reasoning.ledger import Ledger
from lapt.results import FinalResult, Found, RunResult, TargetResult
from lapt.steps import SOURCE_RANKING

Learned = Mapping[str, Sequence[tuple[int, Principles]]]
"""Task -> (iteration, the principles that it left behind), in order; iteration 0 is the source's."""


def summary(pipeline: Pipeline, result: RunResult, learned: Learned, ledger: Ledger | None = None) -> str:
    """``ledger``: what a language model did in the run, where one reasoned."""
    source = pipeline.source
    lines = [
        f"# {pipeline.name}, run {result.run_id}",
        "",
        f"Principles learned from {source.archive.described} of {source.task}, by the `{pipeline.reasoner.named}` "
        f"reasoner; {pipeline.budget} evaluations a target, "
        f"{pipeline.adaptation.iterations} iterations, search method {pipeline.search.method}, seed {pipeline.seed}.",
        "",
        "| target | method | validation | test | evaluations | paid now |",
        "|---|---|---|---|---|---|",
    ]
    for target in result.targets:
        for method, found in rows_of(target, pipeline.label):
            figures = f"{shown(found.validation, found.unit)} | {shown(found.test, found.unit)}"
            lines.append(f"| {target.task} | {method} | {figures} | {found.evaluations} | {found.paid_now} |")
    metrics = dict.fromkeys(f"{target.task}: {measured(target)}" for target in result.targets)
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
        lines.append(f"* {target.task}: `{target.architecture}`")
        if target.controls:
            lines[-1] += f" ({against(target)})"
        if target.final is not None:
            lines[-1] += f": {cost_of(target, target.final)}"
    lines += ["", f"## Principles learned from {source.task}", "", *_statements(learned[source.task][-1][1])]
    for target in result.targets:
        lines += ["", *_adapted(target, learned[target.task])]
    if ledger is not None:
        lines += ["", *_language_model(ledger)]
    return "\n".join([*lines, ""])


def rows_of(target: TargetResult, label: str) -> Iterator[tuple[str, Found]]:
    """(method, what it found): LAPT first, by its ``label``, then the controls."""
    yield label, target
    for control in target.controls:
        yield control.method, control


def named(control: str) -> str:
    """What a control is, in words."""
    return "source ranking" if control == SOURCE_RANKING else f"{control} search"


def against(target: TargetResult) -> str:
    """How far what was found is from what the controls found, by validation; empty without controls."""
    said = []
    for control in target.controls:
        if target.validation is None or control.validation is None:
            said.append(f"no comparison with {named(control.method)}")
            continue
        gain = (target.validation - control.validation) * (1 if target.higher_is_better else -1)
        size = f"{abs(gain):.3g}{' points' if target.unit == '%' else f' {target.unit}' if target.unit else ''}"
        other = named(control.method)
        said.append(f"{'better' if gain > 0 else 'worse'} than {other} by {size}" if gain else f"as good as {other}")
    return ", ".join(said)


def caution(pipeline: Pipeline) -> str:
    """What a reader of one run's figures must know."""
    said = "One run of one seed: differences of this size may be luck."
    if pipeline.evaluator.kind == "supernet":
        said += " Each search inherits the weights of its own supernets, so their validation scores compare roughly."
    return said


def measured(found: Found) -> str:
    """The metric in words, and its direction where lower is better."""
    return f"{found.metric.replace('_', ' ')}{'' if found.higher_is_better else ', lower is better'}"


def cost_of(found: Found, final: FinalResult) -> str:
    """The size of a network that was found, and what finding and training it took of one device."""
    size = f"{final.parameters or 0:,} parameters, {(final.flops or 0) / 1e6:,.1f}M multiply-adds"
    failed = f"; its training failed: {final.error}" if final.error else ""
    search, training = lasting(found.device_seconds), lasting(final.device_seconds)
    return f"{size}; {search} of one device for the search on the target, {training} for its final training{failed}"


def lasting(seconds: float) -> str:
    """In the unit that makes it readable: 3.2 s, 5.4 min, 7.5 h, 2.3 days."""
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def shown(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.4g}{' ' + unit if unit else ''}"


def _adapted(target: TargetResult, learned: Sequence[tuple[int, Principles]]) -> list[str]:
    steps = ", ".join(f"{iteration}: {principles.origin.step}" for iteration, principles in learned)
    lines = [f"## {target.task}", "", f"Iterations: {steps}. The last refined space has {target.space_size:,} cells."]
    if target.stopped:
        lines += ["", f"It ended early: {target.stopped}."]
    return [*lines, "", *_statements(learned[-1][1])] if learned else lines


def _statements(principles: Principles) -> list[str]:
    lines = []
    for number, principle in enumerate(principles.principles, start=1):
        # Counted statements are our own words; a model's may be anything.
        lines.append(f"{number}. {literal(principle.statement) if principle.draws else principle.statement}")
        if principle.rationale:
            lines[-1] += f" {literal(principle.rationale)}"
        if principle.draws:
            lines[-1] += f" ({100 * principle.support:.0f} % of the architectures read do so)"
    if principles.origin.instead_of:
        lines += ["", f"Stated by counting: {principles.origin.instead_of} gave nothing that could be used."]
    return lines


def _language_model(ledger: Ledger) -> list[str]:
    lines = ["## Language model", "", paid(ledger)]
    if ledger.spread is not None:
        lines += ["", f"Two draws of a refined space disagree by {ledger.spread:.2f} (0: alike, 1: nothing shared)."]
    return lines


def paid(ledger: Ledger) -> str:
    """What a language model was asked in a run, and what that cost."""
    cost = "" if ledger.cost is None else f", {ledger.cost:.4g} in the currency of its prices"
    return (
        f"{ledger.model}: {ledger.calls} calls ({ledger.paid_now} of them now, the others from the store), "
        f"{ledger.invalid} replies that could not be used, {ledger.tokens_in:,} tokens in and {ledger.tokens_out:,} "
        f"out{cost}, {ledger.seconds:.1f} s."
    )


def literal(text: str) -> str:
    """Text that a model may have written, as Markdown that shows it literally."""
    return re.sub(r"([\\`*_{}\[\]<>#|!~])", r"\\\1", " ".join(text.split()))
