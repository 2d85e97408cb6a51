"""The size of a store in the terminal, the files that may be deleted, and principles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.filesize import decimal

from flows.screen.console import command, out, print_table, say
from lapt.conditions.files import Judged
from lapt.conditions.sentences import sentence
from lapt.principles import Principles
from lapt.reasoning.experts.grounding import Grounded
from lapt.report.tables import Table, number, numbers
from lapt.spaces import SearchSpace
from storage.upkeep.usage import Leftover, RunSize, Usage

DRY = "Nothing is deleted yet: the same command with --delete does."


def show_usage(usage: Usage, most: int) -> None:
    """Print the size of a store by folder and run. ``most``: runs that are listed."""
    print_table(
        Table.of(
            ["folder", "holds", *numbers("files", "size")],
            [(one.name or "-", one.holds, number(one.files), decimal(one.bytes)) for one in usage.folders],
            f"{usage.store}: {decimal(usage.bytes)} in {usage.files:,} files",
        )
    )
    if usage.runs:
        sizes = [(run.run_id, run.pipeline, number(sum(run.rows.values())), decimal(run.bytes)) for run in usage.runs]
        print_table(Table.of(["run", "pipeline", *numbers("rows", "size, about")], sizes[:most], "Runs"))
    if len(usage.runs) > most:
        out.print(f"and {len(usage.runs) - most} smaller ones: --json lists all")
    out.print(
        "A run's size: its share of the rows, its snapshot and its summary, which go with it; scores and networks stay."
    )
    say(f"What now?  {command('store', 'gc', store=usage.store)}, {command('store', 'rm', 'RUN', store=usage.store)}")


def show_removal(run: RunSize, deleted: bool, address: str) -> None:
    """Print the rows and files that are deleted with a run."""
    rows = ", ".join(f"{count:,} of {name}" for name, count in run.rows.items())
    out.print(f"run {run.run_id} ({run.pipeline}): rows: {rows}", soft_wrap=True)
    for file in run.files:
        out.print(f"  {file.name}, {decimal(file.bytes)}")
    calls = run.rows.get("reasoner_calls")
    if calls and not deleted:
        out.print(
            f"With it go {calls:,} replies of a language model, which the same run would ask for and pay again: "
            f"{command('reasoner', 'export', 'FILE', '--run', run.run_id, store=address)} keeps them.",
            soft_wrap=True,
        )
    if deleted:
        out.print(
            f"It is gone, about {decimal(run.bytes)}. The files that held its rows go with the next "
            f"{command('store', 'compact', store=address)} a minute from now or later. Scores stay, and are not paid "
            "for again.",
            soft_wrap=True,
        )
    else:
        out.print(f"That is about {decimal(run.bytes)}. Scores stay. {DRY}", soft_wrap=True)


def show_leftovers(found: Sequence[Leftover], deleted: bool, freed: int, most: int) -> None:
    """Print the files that may be deleted. ``most``: files that are listed."""
    if not found:
        out.print("Nothing that may go.")
        return
    for one in found[:most]:
        out.print(
            f"{one.file.modified:%Y-%m-%d}  {decimal(one.file.bytes):>9}  {one.file.name}: {one.why}", soft_wrap=True
        )
    if len(found) > most:
        out.print(f"and {len(found) - most:,} more: --json lists all")
    counts = Counter(one.why for one in found)
    said = "; ".join(f"{count:,} files: {why}" for why, count in counts.most_common())
    out.print(f"{said}.", soft_wrap=True)
    if deleted:
        out.print(f"Deleted: {decimal(freed)}.")
    else:
        out.print(f"That is {decimal(sum(one.file.bytes for one in found))}. {DRY}")


def show_principles(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print one line for each set of principles, and the command that shows the first."""
    columns = ["id", "run", "task", *numbers("iteration"), "step", "reasoner"]
    keys = ("principles_id", "run_id", "task", "iteration", "step", "reasoner")
    print_table(Table.of(columns, ([str(row[key]) for key in keys] for row in rows)))
    if rows:
        say(f"What now?  {command('principles', 'show', rows[0]['principles_id'])}")


def show_stated(principles: Principles, space: SearchSpace) -> None:
    """Print each statement with its claims and its support in the data."""
    origin = principles.origin
    instead = f", standing in for {origin.instead_of}" if origin.instead_of else ""
    out.print(
        f"{principles.id}: {origin.step} on {origin.task} by {origin.reasoner}{instead}, version {principles.version}"
        + (f", from {principles.parent}" if principles.parent else ""),
        style="bold",
        soft_wrap=True,
    )
    for nth, principle in enumerate(principles.principles, start=1):
        out.print(f"\n{nth}. {principle.statement}", soft_wrap=True)
        if principle.rationale:
            out.print(f"   why: {principle.rationale}", soft_wrap=True)
        draws = f"; stated by draws {', '.join(str(d) for d in principle.draws)}" if len(principle.draws) > 1 else ""
        read = (
            "nothing was read for it"
            if principle.unread
            else f"{principle.support:.0%} of the architectures read do so"
        )
        grounds = f"{read}, {principle.chance(space):.0%} at random"
        out.print(f"   {grounds}{draws}", soft_wrap=True)
        for claim in principle.claims:
            counted = f"{claim.count} of {claim.of} on {claim.task}"
            out.print(
                f"   {claim.layer}: {claim.effect.replace('_', ' ')} {claim.candidate} ({counted})", soft_wrap=True
            )


def show_grounded(found: Sequence[Grounded], principles: Principles) -> None:
    """Print expert principles with their support in the archive, and the learned ones that say the same."""
    for beside in found:
        expert = beside.expert
        said = f"said by {', '.join(map(str, beside.matched))}" if beside.matched else "not said"
        out.print(f"* {expert.statement} ({expert.source})", soft_wrap=True)
        share = f"{beside.support:.0%} of the architectures read, {beside.base_rate:.0%} of the space"
        out.print(f"  {share}; {said}", soft_wrap=True)
    others = set(range(1, len(principles.principles) + 1)) - {n for beside in found for n in beside.matched}
    out.print(f"\nLearned, and {'none' if others else 'all'} of it said by these experts:", style="bold")
    for nth, principle in enumerate(principles.principles, start=1):
        if not others or nth in others:
            out.print(f"{nth}. {principle.statement}", soft_wrap=True)


def show_judged(found: Sequence[Judged], space: str, read: str | None) -> None:
    """Print conditions as sentences with their figures. ``read``: the architectures that were read, in words."""
    for one in found:
        say(f"* {sentence(one.condition)}")
        evidence = one.evidence
        of_read = f"{evidence.support:.0%} of {read}, " if read else ""
        lift = f"; {evidence.lift:.2g} times as often" if read else ""
        say(f"  {of_read}{evidence.base_rate:.0%} of {space}{lift}")
