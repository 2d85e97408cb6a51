"""Wording of a run's figures and names: the same in the terminal, on pages and in the Prefect UI."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from lapt.base.guessing import Reach
from lapt.evaluators.hand_made import HAND_MADE
from lapt.pipeline.config import Pipeline
from lapt.pipeline.constraints import amount
from lapt.pipeline.results import FinalResult, Found, RunResult, TargetResult, Trial
from lapt.pipeline.steps import SOURCE_RANKING
from lapt.reasoning.language.ledger import Ledger
from lapt.search.searcher import Refuted

LONGER = "train longer (recipe.epochs)"
"""The remedy for scores at chance."""
ALIKE = 0.05
"""The p-value from which on networks count as alike."""


def guessed_source(source: str, score: float, guessing: Reach) -> str:
    """The warning of a source on which networks have learned nothing. ``score``: the middle one of those read, in %."""
    return (
        f"the source {source} scores {score:.3g} % where {guessing.described}: principles learned from it "
        f"mean nothing; {LONGER} or name another source"
    )


def rows_of(target: TargetResult, label: str) -> Iterator[tuple[str, Found]]:
    """(method, its result): LAPT first, under its ``label``, then the controls."""
    yield label, target
    for control in target.controls:
        yield control.method, control


def ended_early(result: RunResult) -> Iterator[str]:
    """Sentences on the limit that ended the run, and on limits of single searches."""
    if result.stopped is not None:
        yield f"The run ended early: {result.stopped}."
    for target in result.targets:
        if target.stopped not in (None, result.stopped):
            yield f"{target.task} ended early: {target.stopped}."


def rungs(result: RunResult) -> Iterator[str]:
    """A sentence a target on the architectures that reached each rung, where trainings stop early."""
    for target in result.targets:
        said = ", ".join(f"{reached} after {epochs}" for epochs, reached in target.rungs)
        if said:
            yield f"{target.task}, architectures that were trained so many epochs: {said}."


def advice(result: RunResult) -> Iterator[str]:
    """Sentences on the weight that each target's scores leave to each adviser."""
    yield from weights(result)
    yield from alarms(result)


def weights(result: RunResult) -> Iterator[str]:
    """A sentence a target on the advisers' weights, where principles order the space."""
    for target in result.targets:
        said = ", ".join(f"{of.adviser} {of.weight:.2f}" for of in target.advice)
        if said:
            yield f"{target.task}, weights of advice after {target.evaluations} evaluations: {said}."


def alarms(result: RunResult) -> Iterator[str]:
    """A sentence on each adviser that a target's scores turned against, and on targets where nothing was learned."""
    for target in result.targets:
        if target.guessing is not None and target.validation is not None:
            yield (
                f"{target.task}: the best scores {target.validation:.3g} % where {target.guessing.described}: "
                f"these networks have learned nothing, and what was found means "
                f"nothing; {LONGER}."
            )
        yield from (f"{refuted(of, target.task)}." for of in target.refuted)


def refuted(of: Refuted, task: str) -> str:
    """The sentence on an adviser that the target's scores turned against."""
    return (
        f"{task}: the principles of {of.adviser} do not hold here: P(weight <= 0) = {of.against:.2f} after "
        f"{of.evaluations} evaluations"
    )


def losses(result: RunResult, label: str) -> Iterator[str]:
    """Sentences on evaluations without a score. ``label``: of LAPT."""
    for target in result.targets:
        for method, found in rows_of(target, label):
            said = [f"{found.failed} of {found.evaluations} evaluations failed"] if found.failed else []
            skipped = "that the table lacks" + (" or the constraints rule out" if found.quantities else "")
            said += [f"{found.lacking:,} asked {skipped}, at no cost"] if found.lacking else []
            if said:
                yield f"{target.task}, {method}: {', '.join(said)}."


def within(found: Found, pipeline: Pipeline) -> str:
    """The constrained quantities of the architecture found, beside their bounds; empty without constraints."""
    said = (
        f"{name} {amount(found.quantities[name])} ({bound.described})"
        for name, bound in pipeline.constraints.items()
        if name in found.quantities
    )
    return ", ".join(said)


def named(control: str) -> str:
    """The name of a control in words."""
    if control in HAND_MADE:
        return HAND_MADE[control]
    return "source ranking" if control == SOURCE_RANKING else f"{control} search"


def against(target: TargetResult) -> str:
    """The difference between LAPT's result and the controls': by test scores, else by validation; empty without
    controls.

    Of accuracies on a known number of test images it has a 95 % interval. What lies within it is as good.
    """
    return ", ".join(_against(target, control) for control in target.controls)


def _against(target: TargetResult, control: Found) -> str:
    tested = target.test is not None and control.test is not None
    mine, theirs = (target.test, control.test) if tested else (target.validation, control.validation)
    other, where = named(getattr(control, "method", "")), " on test" if tested else ""
    if mine is None or theirs is None:
        return f"no comparison with {other}"
    gain = (mine - theirs) * (1 if target.higher_is_better else -1)
    unit = " points" if target.unit == "%" else f" {target.unit}" if target.unit else ""
    error = _error(target, control, mine, theirs) if tested else None
    size = f"{abs(gain):.3g}{unit}" if error is None else f"{abs(gain):.3g} +- {error:.2g}{unit}"
    if not gain or (error is not None and abs(gain) <= error):
        return f"as good as {other}{where}" + ("" if error is None else f" ({gain:+.3g} +- {error:.2g}{unit})")
    return f"{'better' if gain > 0 else 'worse'} than {other} by {size}{where}"


def _error(target: Found, control: Found, mine: float, theirs: float) -> float | None:
    """Half the 95 % interval of a difference of two accuracies in %, as if on different images; None of other metrics.

    By the normal approximation of the binomial, with one image more right and one wrong (Agresti and Caffo 2000).
    """
    sizes = [one.final.tested_on for one in (target, control) if one.final and one.final.tested_on]
    if target.metric != "accuracy" or target.unit != "%" or len(sizes) < 2:
        return None
    variance = 0.0
    for value, size in zip((mine, theirs), sizes, strict=True):
        share = (value / 100 * size + 1) / (size + 2)
        variance += share * (1 - share) / (size + 2)
    return 100 * 1.96 * math.sqrt(variance)


def caution(pipeline: Pipeline) -> str:
    """A warning for the reader of one run's figures."""
    said = "One run of one seed: differences of this size may be luck."
    if pipeline.evaluator.kind == "supernet":
        said += " Each search inherits the weights of its own supernets, so their validation scores compare roughly."
    return said


def measured(found: Found) -> str:
    """The metric in words, and its direction if lower is better."""
    return f"{found.metric.replace('_', ' ')}{'' if found.higher_is_better else ', lower is better'}"


def cost_of(found: Found, final: FinalResult) -> str:
    """The size of the network found, and the cost of its search and its training in seconds of one device."""
    size = f"{final.parameters or 0:,} parameters, {(final.flops or 0) / 1e6:,.1f}M multiply-adds"
    failed = f"; its training failed: {final.error}" if final.error else ""
    training = f"{lasting(final.device_seconds)} for its final training"
    if not found.evaluations:  # hand-made
        return f"{size}; {training}{failed}"
    return f"{size}; {lasting(found.device_seconds)} of one device for the search on the target, {training}{failed}"


def lasting(seconds: float) -> str:
    """A duration in a readable unit: 3.2 s, 5.4 min, 7.5 h, 2.3 days."""
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def shown(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.4g}{' ' + unit if unit else ''}"


def paid(ledger: Ledger) -> str:
    """The calls of a language model in a run, and their cost."""
    cost = "" if ledger.cost is None else f", {ledger.cost:.4g} in the currency of its prices"
    return (
        f"{ledger.model}: {ledger.calls} calls ({ledger.paid_now} of them now, the others from the store), "
        f"{ledger.invalid} replies that could not be used, {ledger.tokens_in:,} tokens in and {ledger.tokens_out:,} "
        f"out{cost}, {ledger.seconds:.1f} s."
    )


# --- other people's text: names, and what a model wrote -------------------------------------------------------
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters of terminals, marks of text direction, and halves of characters. Not: tabs, ends of lines."""
_MARKDOWN = re.compile(r"([\\`*\[\]<#|~&$]|(?<![^\W_])_|_(?![^\W_]))")
"""Characters with a meaning in Markdown; an underscore inside a word has none."""


def visible(text: str) -> str:
    """The text with an escape sequence for each character that a terminal would obey."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def literal(text: str) -> str:
    """Markdown that shows the text literally, in one line."""
    line = _MARKDOWN.sub(r"\\\1", " ".join(visible(text).split()))
    return re.sub(r"^(?:(?=[-+=>])|([0-9]+)(?=[.)](?: |$)))", r"\1\\", line)  # no item of a list, no quotation


def code(text: str) -> str:
    """Markdown code that shows the text, in one line. Architectures contain ~ and _, which Markdown would read as
    marks."""
    line = " ".join(visible(text).split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    room = " " if line[:1] == "`" or line[-1:] == "`" else ""
    return f"{fence}{room}{line}{room}{fence}"


def tried(one: Trial) -> Iterator[str]:
    """Sentences on what a trial showed, and what to do."""
    found, unit = one.noise, " points" if one.unit == "%" else f" {one.unit}" if one.unit else ""
    if found.p < ALIKE:
        yield (
            f"{one.task}: scores tell networks apart (p = {found.p:.2g}). By these figures the best of {one.budget} "
            f"random networks, chosen by its score, is {one.gain:.2g}{unit} better than an average one."
        )
    else:
        yield (
            f"{one.task}: scores do not tell these networks apart (p = {found.p:.2g}): two trainings of one network "
            f"differ as those of two networks do, so a search would choose by luck. Train longer "
            f"(evaluator.recipe.epochs) or hold out more images (evaluator.validation_share); try more networks "
            f"(--trial {2 * found.architectures}); or train one good network for as long as a search takes."
        )
    if one.failed:
        count = len(one.failed)
        yield f"{one.task}: {count} training{'s'[: count > 1]} failed, the first with: {one.failed[0]}"
