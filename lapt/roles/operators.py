"""Operators of one space as those of another that have the same role, or the nearest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lapt.spaces import SearchSpace
from lapt.spaces.roles import Role


class Behind(Exception):
    """Something that has no counterpart in the target, with the reason.

    ``held``: whether it holds for all (True) or none (False) of the target; None if that is not known.
    """

    def __init__(self, reason: str, held: bool | None = None) -> None:
        super().__init__(reason)
        self.reason, self.held = reason, held


def roles_in(space: SearchSpace) -> Mapping[str, Role]:
    """Operator -> its role, of those of a space whose role is known."""
    known = space.family.operator_roles
    return {name: known[name] for layer in space.layers for name in layer.operators if name in known}


def without_role(space: SearchSpace) -> list[tuple[str, str]]:
    """The operators of a space that have no role, and the reason."""
    known = roles_in(space)
    unknown = dict.fromkeys(name for layer in space.layers for name in layer.operators if name not in known)
    return [(name, f"neither {space.name} nor the operator's name says what it computes") for name in unknown]


def mapped(operators: Sequence[str], source: SearchSpace, target: SearchSpace) -> tuple[tuple[str, ...], list[str]]:
    """The operators of ``target`` that stand for ``operators`` of ``source``, and notes on what is not quite the same.

    All operators of a kind stand for all of that kind. One alone stands for those of the same role, or for the nearest
    of its kind: the kernel counts first, then the form. It stands for none if the kernel of another operator of the
    source is nearer to theirs: 1x1 would become what 3x3 does. Raises Behind if nothing is left.
    """
    theirs, ours = roles_in(source), roles_in(target)
    found: dict[str, None] = {}
    notes, lost = [], []
    absent = True
    for kind in dict.fromkeys(theirs[name].kind for name in operators if name in theirs):
        named = [name for name in operators if name in theirs and theirs[name].kind == kind]
        of_kind = [name for name, role in ours.items() if role.kind == kind]
        if of_kind and len(named) > 1 and len(named) == sum(role.kind == kind for role in theirs.values()):
            found |= dict.fromkeys(of_kind)
            if {theirs[name] for name in named} != {ours[name] for name in of_kind}:
                notes.append(f"every {kind}: {', '.join(named)} as {', '.join(of_kind)}")
            continue
        for name in named:
            nearest = _nearest(theirs[name], ours)
            rivals = _nearer(name, theirs, ours[nearest[0]]) if nearest else []
            if not nearest:
                lost.append(f"{target.name} has no {kind}" + (f" ({name})" if name != kind else ""))
            elif rivals and not set(rivals) & set(named):
                absent = False
                lost.append(f"{', '.join(nearest)} of {target.name} is nearer to {rivals[0]} than to {name}")
            else:
                found |= dict.fromkeys(nearest)
                if any(ours[other] != theirs[name] for other in nearest):
                    notes.append(f"{name} ({theirs[name]}) as {', '.join(nearest)}, the nearest")
    for name in operators:
        if name not in theirs:
            absent = False
            lost.append(f"{name} of {source.name} has no role")
    if not found:
        raise Behind("; ".join(dict.fromkeys(lost)), held=False if absent else None)
    return tuple(name for name in ours if name in found), [*notes, *(f"left out: {reason}" for reason in lost)]


def _nearest(role: Role, among: Mapping[str, Role]) -> list[str]:
    """The operators of the kind whose role is nearest, all those that are equally near."""
    gaps = {name: _distance(role, other) for name, other in among.items() if other.kind == role.kind}
    return [name for name, gap in gaps.items() if gap == min(gaps.values())]


def _nearer(name: str, among: Mapping[str, Role], role: Role) -> list[str]:
    """The other operators of the kind whose kernel is nearer to that of a role than the kernel of ``name`` is."""
    gap, _, _ = _distance(among[name], role)
    return [other for other, one in among.items() if one.kind == role.kind and _distance(one, role)[0] < gap]


def _distance(one: Role, other: Role) -> tuple[float, float, float]:
    """The distance of roles of one kind: of the kernels, whether the forms differ, of the expansions."""
    kernel = 1.0 if None in (one.kernel, other.kernel) and one.kernel != other.kernel else 0.0
    if one.kernel is not None and other.kernel is not None:
        kernel = float(abs(one.kernel - other.kernel))
    wider = abs((one.expansion or 1.0) - (other.expansion or 1.0)) if one.form == other.form else 0.0
    return kernel, float(one.form != other.form), wider
