"""Conditions of one space as conditions of another, by the roles of operators, layers and nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import singledispatch

from lapt.conditions.language import (
    MOST,
    All,
    Any_,
    AtLeast,
    Choice,
    Condition,
    Count,
    CountOf,
    Depth,
    DepthOf,
    If,
    Not,
    Path,
    PathOf,
    Reaches,
    Size,
    Source,
    SourceOf,
    Width,
    WidthOf,
)
from lapt.roles.bounds import bounded, check, nearest, scaled
from lapt.roles.operators import Behind, roles_in
from lapt.roles.positions import into_node, is_end, is_input, is_node, positions
from lapt.roles.way import Limits, Way
from lapt.spaces import SearchSpace


def translated(condition: Condition, source: SearchSpace, target: SearchSpace) -> tuple[Condition, list[str]]:
    """The condition for the target, and notes on what is not quite the same. Raises Behind if nothing can stand for it.

    It can be judged there, and holds for a share of the target that tells something (``RARE``).
    """
    way = Way(source, target)
    found = _carried(condition, way)
    check(found, target)
    return found, list(dict.fromkeys(way.notes))


# --- what joins conditions -------------------------------------------------------------------------------------------
@singledispatch
def _carried(condition: Condition, way: Way) -> Condition:
    raise TypeError(f"no condition: {condition!r}")


def _parts(parts: Sequence[Condition], way: Way, settles: bool | None) -> list[Condition]:
    """The parts that can be carried. What one that holds for all or none would settle raises; others are left out."""
    found, lost = [], []
    for part in parts:
        said = len(way.notes)
        try:
            found.append(_carried(part, way))
        except Behind as behind:
            del way.notes[said:]
            if settles is not None and behind.held is settles:
                raise
            lost.append(behind.reason)
    if not found:
        raise Behind("; ".join(dict.fromkeys(lost)))
    way.notes.extend(f"without a part: {reason}" for reason in lost)
    return list(dict.fromkeys(found))


@_carried.register
def _(condition: All, way: Way) -> Condition:
    parts = _parts(condition.all, way, settles=False)
    return parts[0] if len(parts) == 1 else All(all=tuple(parts))


@_carried.register
def _(condition: Any_, way: Way) -> Condition:
    parts = _parts(condition.any, way, settles=True)
    return parts[0] if len(parts) == 1 else Any_(any=tuple(parts))


@_carried.register
def _(condition: AtLeast, way: Way) -> Condition:
    parts = _parts(condition.of, way, settles=None)
    counts = (AtLeast(at_least=k, of=tuple(parts)) for k in range(1, len(parts) + 1))
    kept = AtLeast(at_least=min(condition.at_least, len(parts)), of=tuple(parts))
    return nearest(condition, [[kept], counts] if len(parts) == len(condition.of) else [counts], way)


@_carried.register
def _(condition: Not, way: Way) -> Condition:
    try:
        return Not.model_validate({"not": _carried(condition.not_, way)})
    except Behind as behind:
        raise Behind(behind.reason, None if behind.held is None else not behind.held) from None


@_carried.register
def _(condition: If, way: Way) -> Condition:
    return If.model_validate({"if": _carried(condition.if_, way), "then": _carried(condition.then, way)})


# --- leaves ----------------------------------------------------------------------------------------------------------
@_carried.register
def _(condition: Choice, way: Way) -> Condition:
    said = condition.choice
    operators = way.operators(said.operators)
    if way.same_shape:
        kept = Choice(choice=said.model_copy(update={"operators": operators}))
        return nearest(condition, [[kept]], way)
    sources = set(said.sources)
    if len(way.source.layer(said.layer).sources) == 1 or sources == set(way.source.layer(said.layer).sources):
        sources = set()
    if unknown := [source for source in sources if not is_node(way.source, source)]:
        raise Behind(f"{unknown[0]} is no node of {way.source.name}'s graph")
    reading = {is_input(way.source, source) for source in sources}
    if len(reading) > 1:
        raise Behind("its sources are inputs and nodes alike")
    if not operators:
        cell, wide = way.cell_of(said.layer), True in reading
        way.notes.append(f"{said.layer} by the number of layers that read an input")
        limits = ({"at_least" if wide else "at_most": number} for number in range(not wide, way.layers))
        return nearest(condition, [[Width(width=WidthOf(cell=cell, **limit)) for limit in limits]], way)
    if reading == {True}:
        where: Limits = {"cell": way.cell_of(said.layer), "reads": "input"}
        way.notes.append(f"{said.layer} by what it reads")
    elif reading:
        raise Behind(f"{way.target.name} has no node like {', '.join(said.sources)}")
    else:
        where = way.where([said.layer])
    counts = [
        Count(count=CountOf(operators=operators, live=False, at_least=number, **where))
        for number in range(1, way.layers + 1)
    ]
    return nearest(condition, [*_straight(condition, way, operators), counts], way)


def _straight(condition: Choice, way: Way, operators: tuple[str, ...]) -> Iterator[Iterable[Condition]]:
    """An identity from the input straight to the output is a path of identities, where no layer leads there."""
    direct = positions(way.source)[condition.choice.layer] == "direct"
    kinds = {role.kind for name, role in roles_in(way.source).items() if name in condition.choice.operators}
    if direct and kinds == {"identity"} and "direct" not in positions(way.target).values():
        yield [Path(path=PathOf(only=operators, cell=way.cell_of(condition.choice.layer)))]


@_carried.register
def _(condition: Count, way: Way) -> Condition:
    said = condition.count
    keys: Limits = {"operators": way.operators(said.operators, never=not said.at_least), "live": said.live}
    keys["cell"] = said.cell if way.same_shape else way.cell(said.cell)
    if said.layers:
        keys |= way.where(said.layers)
    if said.into is not None and not way.same_shape and not is_end(way.source, said.into):
        if said.layers:
            raise Behind(f"{way.target.name} has no node like {said.into}")
        keys |= way.where(into_node(way.source, said.into, said.cell))
    elif said.into is not None:
        keys["into"] = way.node(said.into)
    if said.reads is not None:
        keys["reads"] = way.node(said.reads)
    most = len(keys["layers"]) if keys.get("layers") else way.layers
    return bounded(condition, lambda limits: Count(count=CountOf(**limits, **keys)), way, 0, most)


@_carried.register
def _(condition: Reaches, way: Way) -> Condition:
    if way.same_shape:
        return nearest(condition, [[condition]], way)
    where = way.where(condition.reaches.layers)
    counts = (Count(count=CountOf(at_least=number, **where)) for number in range(1, way.layers + 1))
    return nearest(condition, [counts], way)


@_carried.register
def _(condition: Path, way: Way) -> Condition:
    said = condition.path
    keys: Limits = {"from": way.node(said.start), "to": way.node(said.to), "only": way.operators(said.only)}
    operators = way.operators(said.operators, never=not said.at_least)
    keys["cell"] = said.cell if way.same_shape else way.cell(said.cell)
    lengths: list[Limits] = (
        [] if said.length is None else [{"length": bounds} for bounds in scaled(said.length, 1, MOST)]
    )
    if way.same_shape:
        lengths = [{"length": said.length}]
    if not operators:
        return nearest(
            condition, [[Path(path=PathOf.model_validate(keys | length)) for length in lengths or [{}]]], way
        )
    if len(lengths) == 1:
        keys |= lengths[0]
    elif said.length is not None:
        keys |= _length(said, [Path(path=PathOf.model_validate(keys | length)) for length in lengths], way)
    keys["operators"] = operators
    return bounded(condition, lambda limits: Path(path=PathOf.model_validate(keys | limits)), way, 0, MOST)


def _length(said: PathOf, paths: Iterable[Path], way: Way) -> Limits:
    """The key of the length whose share is nearest, without regard to operators; none if none tells anything."""
    alone = {"from": said.start, "to": said.to, "length": said.length, "only": said.only, "cell": said.cell}
    try:
        best = nearest(Path(path=PathOf.model_validate(alone)), [paths], way)
    except Behind as behind:
        if behind.held is False:
            raise
        way.notes.append("of any length")
        return {}
    assert isinstance(best, Path)
    return {"length": best.path.length}


@_carried.register
def _(condition: Depth, way: Way) -> Condition:
    cell = condition.depth.cell if way.same_shape else way.cell(condition.depth.cell)
    return bounded(condition, lambda limits: Depth(depth=DepthOf(cell=cell, **limits)), way, 0, way.layers)


@_carried.register
def _(condition: Width, way: Way) -> Condition:
    cell = condition.width.cell if way.same_shape else way.cell(condition.width.cell)
    return bounded(condition, lambda limits: Width(width=WidthOf(cell=cell, **limits)), way, 0, way.layers)


@_carried.register
def _(condition: Source, way: Way) -> Condition:
    said = condition.source
    node, cell = way.node(said.node), said.cell if way.same_shape else way.cell(said.cell)
    return bounded(
        condition, lambda limits: Source(source=SourceOf(node=node, cell=cell, **limits)), way, 0, way.layers
    )


@_carried.register
def _(condition: Size, way: Way) -> Condition:
    return nearest(condition, [[condition]], way)
