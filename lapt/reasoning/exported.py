"""Principles of a run as a file of conditions, which another run can start from."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lapt.conditions.language import Choice, ChoiceOf, Condition
from lapt.errors import ConfigError
from lapt.principles import Pattern, Principle, Principles
from lapt.reasoning.expectation import deviation
from lapt.reasoning.experts.grounding import applying
from lapt.reasoning.statements import StatedPrinciples, Statement
from lapt.spaces import SearchSpace


def exported(space: SearchSpace, principles: Principles) -> tuple[StatedPrinciples, list[str]]:
    """The principles as conditions, and the features that are none and stay behind.

    A finding has the logarithm of its odds ratio as weight. Claims become conditions on layers, if there is nothing
    else: of weight 1 to keep or try, -1 to avoid. ``space``: the whole one. Raises ConfigError if nothing is left.
    """
    found: list[Statement] = []
    behind: list[str] = []
    for principle in principles.principles:
        for pattern in principle.patterns:
            condition = pattern.condition or _of_expert(space, pattern.feature)
            if condition is None:
                behind.append(pattern.feature)
            else:
                found.append(_of_pattern(space, principle, pattern, condition))
    if not principles.ordering:
        found = [statement for principle in principles.principles for statement in of_claims(principle)]
    if not found:
        raise ConfigError("principles that are conditions", "none of them is", "export those of another reasoner")
    return StatedPrinciples(space=space.name, principles=tuple(found)), behind


def of_claims(principle: Principle, adviser: str = "") -> Iterator[Statement]:
    """The claims of a principle, one condition for each layer and effect."""
    claimed: dict[tuple[str, bool], dict[str, list[str]]] = {}
    for claim in principle.claims:
        key = claim.layer, claim.effect in ("avoid", "set_aside")
        claimed.setdefault(key, {}).setdefault(claim.kind, []).append(claim.candidate)
    named = adviser or principle.adviser or (f"draw {principle.draws[0] + 1}" if principle.draws else "")
    for (layer, avoids), of_kind in claimed.items():
        operators, sources = (tuple(of_kind.get(kind, ())) for kind in ("operator", "source"))
        yield Statement(
            condition=Choice(choice=ChoiceOf(layer=layer, operators=operators, sources=sources)),
            weight=-1.0 if avoids else 1.0,
            statement=principle.statement,
            adviser=named,
            rationale=principle.rationale,
        )


def _of_pattern(space: SearchSpace, principle: Principle, pattern: Pattern, condition: Condition) -> Statement:
    spread = deviation(space, condition)
    weight = pattern.weight / spread if spread else 0.0
    if not pattern.weight:
        weight = _logit(pattern.support) - _logit(pattern.chance)
    return Statement(
        condition=condition,
        weight=round(weight, 3),
        statement=principle.statement,
        adviser=principle.adviser or pattern.task,
        rationale=principle.rationale,
    )


def _logit(share: float) -> float:
    """Log odds of a share, kept off 0 and 1 by a hundredth."""
    kept = min(max(share, 0.01), 0.99)
    return math.log(kept / (1 - kept))


def _of_expert(space: SearchSpace, statement: str) -> Condition | None:
    return next((expert.condition for expert in applying(space) if expert.statement == statement), None)
