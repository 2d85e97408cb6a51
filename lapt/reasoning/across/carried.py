"""Files of principles for another search space than they were stated for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lapt.conditions.language import Condition
from lapt.errors import ConfigError
from lapt.reasoning.statements import StatedPrinciples, Statement
from lapt.roles.bounds import rate
from lapt.roles.operators import Behind
from lapt.roles.translation import translated
from lapt.spaces import SearchSpace

_LONGEST = 2000


@dataclass(frozen=True)
class Carried:
    """Principles for the target, and what stays behind: (sentence, reason)."""

    statements: StatedPrinciples
    behind: tuple[tuple[str, str], ...] = ()


def carried(statements: StatedPrinciples, source: SearchSpace, target: SearchSpace) -> Carried:
    """The principles of ``source`` for ``target``, both whole spaces, by the roles of operators, layers and nodes.

    Weights stay. Statements of one adviser that become the same condition are one, and their weights are added.
    Raises ConfigError if one names something that the source does not have, or if nothing can be carried.
    """
    statements.check(source)
    found: dict[tuple[str, Condition], list[Statement]] = {}
    behind: list[tuple[str, str]] = []
    for one in statements.principles:
        try:
            condition, notes = translated(one.condition, source, target)
        except Behind as reason:
            behind.append((one.said, str(reason)))
            continue
        shares = f"{rate(one.condition, source):.0%} of {source.name}, {rate(condition, target):.0%} of {target.name}"
        said = f"{source.name}: {one.said}".rstrip(".")
        rationale = ". ".join([said, shares, *notes, *filter(None, [one.rationale])])
        same = one.condition == condition and source.name == target.name
        moved = one.model_copy(
            update={
                "condition": condition,
                "statement": one.statement if same else "",
                "rationale": one.rationale if same else rationale[:_LONGEST],
            }
        )
        found.setdefault((one.adviser, condition), []).append(moved)
    kept = []
    for alike in found.values():
        weight = sum(one.weight for one in alike)
        if abs(weight) < 1e-9:
            behind += [(one.said, "others that become the same condition say the opposite") for one in alike]
        else:
            kept.append(_one_of(alike, weight))
    if not kept:
        raise ConfigError(
            f"principles of {source.name} that {target.name} can follow",
            f"none: {behind[0][1]}",
            "say what its operators are (roles in its declaration), or state principles for it",
        )
    return Carried(StatedPrinciples(space=target.name, principles=tuple(kept)), tuple(behind))


def _one_of(alike: Sequence[Statement], weight: float) -> Statement:
    if len(alike) == 1:
        return alike[0]
    rationale = ". ".join(dict.fromkeys(one.rationale for one in alike if one.rationale))[:_LONGEST]
    return alike[0].model_copy(update={"weight": round(max(-100.0, min(100.0, weight)), 6), "rationale": rationale})
