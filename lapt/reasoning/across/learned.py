"""Principles for one space from good architectures of another: a regression on what both have, roles of operators."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from lapt.archive import Archive
from lapt.conditions.cells import Cells
from lapt.conditions.judging import members_of
from lapt.conditions.language import Condition
from lapt.conditions.sentences import sentence
from lapt.principles import EXPERTS_SAY, Origin, Pattern, Principle, Principles
from lapt.reasoning.evidence import counted
from lapt.reasoning.experts.grounding import applying
from lapt.reasoning.findings import findings
from lapt.reasoning.patterns import Patterns, pattern_of, regression_said, separating, worth_of_experts
from lapt.roles import features as by_role
from lapt.roles.bounds import rate
from lapt.roles.operators import Behind
from lapt.roles.translation import translated
from lapt.spaces import Architecture, SearchSpace


def learned_across(
    source: SearchSpace,
    archive: Archive,
    target: SearchSpace,
    *,
    name: str | None = None,
    knowledge: float = 1.0,
    breadth: float = 0.015,
) -> Principles:
    """Principles for ``target`` from good architectures of ``source``, both whole spaces.

    ``name``: of the adviser that the source is, the archive's task if unset; it must be no task of the target's.
    ``knowledge``: the weight of the target's experts beside it, 0 for none. ``breadth``: the largest share of the
    target in the first refined space. The principles order the target as those of ``patterns`` do, and that reasoner
    adapts them. Findings of the source that can be carried stand beside them, with weight 0. ``dropped`` lists what
    stays behind: findings, and features that tell nothing apart in the target. Deterministic.
    """
    read = [entry.architecture for entry in archive.entries]
    said = name or archive.task
    found, behind = _findings(source, read, target, said)
    learned, constant = _regression(source, read, target, said)
    stated = (*_experts(target, knowledge), *found, *learned)
    origin = Origin(reasoner=Patterns.name, step="transfer", task=archive.task, archive=archive.digest)
    counts = tuple(counted(target, (), said))
    principles = Patterns(breadth=breadth, knowledge=knowledge).stated(target, stated, counts, origin, breadth, None)
    return principles.model_copy(update={"dropped": (*behind, *constant)})


def _regression(
    source: SearchSpace, read: Sequence[Architecture], target: SearchSpace, name: str
) -> tuple[list[Principle], list[str]]:
    """The regression as a principle, and its features that are constant in the target.

    Each function counts once. Features are standardised over their own space: one deviation more of convolutions on a
    path is worth as much there as here. The weighted sum has deviation 1 over the target.
    """
    functions = list(dict.fromkeys(source.canonical(architecture) for architecture in read))
    mine = by_role.standardised(Cells.of(source, functions))
    theirs = by_role.standardised(members_of(source))
    weights, known = separating(mine, theirs), by_role.moments(target)[1] > 0
    constant = [
        f"{feature} (the same in all of {target.name})"
        for feature, weight, tells in zip(by_role.names(), weights, known, strict=True)
        if weight and not tells
    ]
    spread = float((by_role.standardised(members_of(target)) @ weights).std())
    weights = weights / spread if spread > 1e-9 else np.zeros_like(weights)
    patterns = [
        pattern_of(feature, float(weight), mine[:, at], theirs[:, at], name)
        for at, (feature, weight) in enumerate(zip(by_role.names(), weights, strict=True))
        if weight and known[at]
    ]
    if not patterns:
        return [], constant
    patterns.sort(key=lambda pattern: -abs(pattern.weight))
    plain = [one.model_copy(update={"feature": one.feature.removeprefix(by_role.PREFIX)}) for one in patterns]
    said = regression_said(plain, len(functions), name)
    return [Principle(statement=said, patterns=tuple(patterns))], constant


def _findings(
    source: SearchSpace, read: Sequence[Architecture], target: SearchSpace, name: str
) -> tuple[list[Principle], list[str]]:
    """The source's findings, said of the target, and those that stay behind."""
    found, behind, seen = [], [], set[Condition]()
    for finding in findings(source, read):
        here = sentence(finding.condition)
        try:
            condition, notes = translated(finding.condition, source, target)
        except Behind as reason:
            behind.append(f"{here} ({reason})")
            continue
        if condition in seen:
            continue
        seen.add(condition)
        shares = f"{finding.support:.0%} of the architectures read, {finding.base_rate:.0%} of {source.name}"
        said = sentence(condition)
        pattern = Pattern(
            feature=said,
            weight=0.0,
            support=round(finding.support, 4),
            chance=round(rate(condition, target), 4),
            task=name,
            condition=condition,
        )
        rationale = ". ".join([f"{source.name}: {here.rstrip('.')}: {shares}", *notes])
        found.append(Principle(statement=said, rationale=f"{rationale}.", patterns=(pattern,)))
    return found, behind


def _experts(target: SearchSpace, knowledge: float) -> Iterable[Principle]:
    """The principles that the literature states of the target's cells. Their support is that of the space: nothing of
    the target was read."""
    experts = applying(target) if knowledge else ()
    if not experts:
        return
    shares = np.array([expert.holds(members_of(target)).mean() for expert in experts])
    for expert, weight, share in zip(experts, knowledge * worth_of_experts(target), shares, strict=True):
        chance = round(float(share), 4)
        pattern = Pattern(
            feature=expert.statement,
            weight=round(float(weight), 6),
            support=chance,
            chance=chance,
            task=EXPERTS_SAY,
            unread=True,
        )
        yield Principle(statement=expert.statement, rationale=f"{expert.source}.", patterns=(pattern,))
