"""Principles in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows.screen.console import command, out, print_table, say
from lapt.principles import Principles
from lapt.reasoning.experts.grounding import Grounded
from lapt.report.tables import Table, numbers
from lapt.spaces import SearchSpace


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
    for number, principle in enumerate(principles.principles, start=1):
        out.print(f"\n{number}. {principle.statement}", soft_wrap=True)
        if principle.rationale:
            out.print(f"   why: {principle.rationale}", soft_wrap=True)
        draws = f"; stated by draws {', '.join(str(d) for d in principle.draws)}" if len(principle.draws) > 1 else ""
        grounds = f"{principle.support:.0%} of the architectures read do so, {principle.chance(space):.0%} at random"
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
    for number, principle in enumerate(principles.principles, start=1):
        if not others or number in others:
            out.print(f"{number}. {principle.statement}", soft_wrap=True)
