"""Conditions of one space as conditions of another, by the roles of operators, layers and nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, singledispatch
from itertools import product
from typing import Any

from lapt.conditions.judging import holding, members_of
from lapt.conditions.language import (
    MOST,
    All,
    Any_,
    AtLeast,
    Bounds,
    Choice,
    Condition,
    Count,
    CountOf,
    Depth,
    DepthOf,
    If,
    Length,
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
from lapt.errors import SpaceError
from lapt.roles.operators import Behind, mapped, roles_in
from lapt.roles.positions import alike, graphs_of, into_node, is_end, is_input, main_cell, positions
from lapt.spaces import SearchSpace

RARE = 0.01
"""The share of the target that a condition must hold for, and not hold for, to tell anything."""

Limits = dict[str, Any]


@dataclass(frozen=True)
class Way:
    """The way from one space to another. ``notes``: of what is not quite the same, as it is found."""

    source: SearchSpace
    target: SearchSpace
    notes: list[str] = field(default_factory=list)

    @property
    def same_shape(self) -> bool:
        return alike(self.source, self.target)

    def operators(self, names: Sequence[str], never: bool = False) -> tuple[str, ...]:
        """The target's operators for these. ``never``: what the condition is where there are none of them."""
        if not names:
            return ()
        try:
            found, notes = mapped(names, self.source, self.target)
        except Behind as behind:
            raise Behind(behind.reason, None if behind.held is None else never) from None
        self.notes.extend(notes)
        return found

    def cell(self, name: str | None) -> str | None:
        """The target's cell. What a space of one cell says holds for the main one of several."""
        names = [graph.name for graph in graphs_of(self.target)]
        if name is None:
            return main_cell(self.target) if len(graphs_of(self.source)) == 1 else None
        if name in names and len(names) > 1:
            return name
        if name != main_cell(self.source):
            raise Behind(f"{self.target.name} has no {name} cell")
        return main_cell(self.target)

    def cell_of(self, layer: str) -> str | None:
        """The target's cell for a layer of the source."""
        graphs, at = graphs_of(self.source), self.source.layer_names.index(layer)
        return self.cell(None if len(graphs) == 1 else next(graph.name for graph in graphs if at in graph.layers))

    def node(self, name: str) -> str:
        """The target's node for one that is the input, the output, or of the same shape."""
        if self.same_shape or name in ("input", "output"):
            return name
        if is_input(self.source, name):
            return "input"
        if is_end(self.source, name):
            return "output"
        raise Behind(f"{self.target.name} has no node like {name}")

    def where(self, layers: Sequence[str]) -> Limits:
        """Keys of a count for the target's layers that lie where these do."""
        if self.same_shape:
            return {"layers": tuple(layers)}
        cells = {self.cell_of(layer): None for layer in layers}
        if len(cells) > 1:
            raise Behind("its layers are of several cells")
        (cell,) = cells
        places = {positions(self.source)[layer] for layer in layers}
        if len(layers) == len(self.source.layers) or set(layers) in self._cells:
            return {"cell": cell}
        self.notes.append(f"{', '.join(layers)} by place ({', '.join(sorted(places))})")
        if places == {"direct"}:
            return {"cell": cell, "reads": "input", "into": "output"}
        if places <= {"direct", "first"}:
            return {"cell": cell, "reads": "input"}
        if places <= {"direct", "last"}:
            return {"cell": cell, "into": "output"}
        inside = [name for name in self._of_cell(cell) if positions(self.target)[name] == "inside"]
        if places == {"inside"} and inside:
            return {"layers": tuple(inside)}
        raise Behind(f"{self.target.name} has no layers that lie as {', '.join(layers)} do")

    @property
    def _cells(self) -> list[set[str]]:
        names = self.source.layer_names
        return [{names[at] for at in graph.layers} for graph in graphs_of(self.source)]

    def _of_cell(self, cell: str | None) -> list[str]:
        names = self.target.layer_names
        return [names[at] for graph in graphs_of(self.target) if cell in (None, graph.name) for at in graph.layers]

    @property
    def layers(self) -> int:
        """The number of the target's layers."""
        return len(self.target.layers)


def translated(condition: Condition, source: SearchSpace, target: SearchSpace) -> tuple[Condition, list[str]]:
    """The condition for the target, and notes on what is not quite the same. Raises Behind if nothing can stand for it.

    It can be judged there, and holds for a share of the target that tells something (``RARE``).
    """
    way = Way(source, target)
    found = _carried(condition, way)
    _check(found, target)
    return found, list(dict.fromkeys(way.notes))


@lru_cache(maxsize=4096)
def rate(condition: Condition, space: SearchSpace) -> float:
    """The share of a space, or of a sample of it, that a condition holds for. Raises Behind if that is not known."""
    try:
        return float(holding(condition, members_of(space)).mean())
    except SpaceError as error:
        raise Behind(str(error)) from None


def _check(condition: Condition, target: SearchSpace) -> None:
    share = rate(condition, target)
    if not RARE <= share <= 1 - RARE:
        often = "all" if share == 1 else "none" if share == 0 else f"{share:.1%}"
        raise Behind(f"it holds for {often} of {target.name}", held=share > 0.5)


def _best(condition: Condition, forms: Iterable[Iterable[Condition]], way: Way) -> Condition:
    """Of the first form that tells something in the target, the bounds whose share is nearest to that in the source."""
    wanted, last = rate(condition, way.source), None
    for form in forms:
        shares = [(one, rate(one, way.target)) for one in form]
        usual = [(abs(share - wanted), at) for at, (_, share) in enumerate(shares) if RARE <= share <= 1 - RARE]
        if usual:
            return shares[min(usual)[1]][0]
        if shares:
            last = min((share for _, share in shares), key=lambda share: abs(share - wanted))
    if last is None:
        raise Behind(f"nothing in {way.target.name} says the same")
    often = "all" if last == 1 else "none" if last == 0 else f"{last:.1%}"
    raise Behind(f"it holds for {often} of {way.target.name}, however it is bounded", held=last > 0.5)


def _scaled(bounds: Bounds | Length, least: int, most: int) -> Iterator[Limits]:
    """Bounds of the same kind, the smallest first: at_least, at_most, or both."""
    if bounds.at_most is None:
        yield from ({"at_least": low} for low in range(max(least, 1), most + 1))
    elif not bounds.at_least:
        yield from ({"at_most": high} for high in range(least, most))
    else:
        numbers = range(max(least, 1), most + 1)
        yield from ({"at_least": low, "at_most": high} for low, high in product(numbers, numbers) if low <= high)


def _forms(way: Way, kept: Condition, scaled: Iterator[Condition]) -> Iterator[Iterable[Condition]]:
    """The bounds as they are, if the target has the same shape; then others."""
    if way.same_shape:
        yield [kept]
    yield scaled


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
    return _best(condition, [[kept], counts] if len(parts) == len(condition.of) else [counts], way)


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
        return _best(condition, [[kept]], way)
    sources = set(said.sources)
    if len(way.source.layer(said.layer).sources) == 1 or sources == set(way.source.layer(said.layer).sources):
        sources = set()
    reading = {is_input(way.source, source) for source in sources}
    if len(reading) > 1:
        raise Behind("its sources are inputs and nodes alike")
    if not operators:
        cell, wide = way.cell_of(said.layer), True in reading
        way.notes.append(f"{said.layer} by the number of layers that read an input")
        limits = ({"at_least" if wide else "at_most": number} for number in range(not wide, way.layers))
        return _best(condition, [[Width(width=WidthOf(cell=cell, **limit)) for limit in limits]], way)
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
    return _best(condition, [*_straight(condition, way, operators), counts], way)


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
    kept = Count(count=CountOf(at_least=said.at_least, at_most=said.at_most, **keys))
    scaled = (Count(count=CountOf(**limits, **keys)) for limits in _scaled(said, 0, most))
    return _best(condition, _forms(way, kept, scaled), way)


@_carried.register
def _(condition: Reaches, way: Way) -> Condition:
    if way.same_shape:
        return _best(condition, [[condition]], way)
    where = way.where(condition.reaches.layers)
    counts = (Count(count=CountOf(at_least=number, **where)) for number in range(1, way.layers + 1))
    return _best(condition, [counts], way)


@_carried.register
def _(condition: Path, way: Way) -> Condition:
    said = condition.path
    start, to = way.node(said.start), way.node(said.to)
    operators = way.operators(said.operators, never=not said.at_least)
    keys: Limits = {"from": start, "to": to, "operators": operators, "only": way.operators(said.only)}
    keys["cell"] = said.cell if way.same_shape else way.cell(said.cell)
    counts = list(_scaled(Bounds(at_least=said.at_least, at_most=said.at_most), 0, MOST)) if operators else [{}]
    lengths: list[Limits] = [{}]
    if said.length is not None:
        lengths = [{} if limits == {"at_least": 1} else {"length": limits} for limits in _scaled(said.length, 1, MOST)]
    kept = Path(path=said.model_copy(update={"operators": operators, "only": keys["only"]}))
    scaled = (
        Path(path=PathOf.model_validate(keys | count | length))
        for count in counts
        for length in lengths
        if count.get("at_least", 0) <= length.get("length", {}).get("at_most", MOST + 1)
    )
    return _best(condition, _forms(way, kept, scaled), way)


@_carried.register
def _(condition: Depth, way: Way) -> Condition:
    cell = condition.depth.cell if way.same_shape else way.cell(condition.depth.cell)
    scaled = (Depth(depth=DepthOf(cell=cell, **limits)) for limits in _scaled(condition.depth, 0, way.layers))
    return _best(condition, _forms(way, condition, scaled), way)


@_carried.register
def _(condition: Width, way: Way) -> Condition:
    cell = condition.width.cell if way.same_shape else way.cell(condition.width.cell)
    scaled = (Width(width=WidthOf(cell=cell, **limits)) for limits in _scaled(condition.width, 0, way.layers))
    return _best(condition, _forms(way, condition, scaled), way)


@_carried.register
def _(condition: Source, way: Way) -> Condition:
    said = condition.source
    node, cell = way.node(said.node), said.cell if way.same_shape else way.cell(said.cell)
    scaled = (Source(source=SourceOf(node=node, cell=cell, **limits)) for limits in _scaled(said, 0, way.layers))
    return _best(condition, _forms(way, condition, scaled), way)


@_carried.register
def _(condition: Size, way: Way) -> Condition:
    return _best(condition, [[condition]], way)
