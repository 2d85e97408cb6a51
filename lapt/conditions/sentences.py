"""Sentences of conditions. They are written for people, and never parsed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from lapt.conditions.language import (
    All,
    Any_,
    AtLeast,
    Bounds,
    Choice,
    Condition,
    Count,
    Depth,
    If,
    Not,
    Path,
    Reaches,
    Size,
    Source,
    Width,
)

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def sentence(condition: Condition) -> str:
    """One English sentence: ``The input skips ...`` with a capital and a full stop."""
    said = clause(condition)
    return f"{said[0].upper()}{said[1:]}."


@singledispatch
def clause(condition: Condition) -> str:
    """The condition as a clause, without a capital or a full stop."""
    raise TypeError(f"no condition: {condition!r}")


@clause.register
def _(condition: Choice) -> str:
    said = condition.choice
    reading = f"reads {_or(said.sources)}" if said.sources else ""
    chosen = f"is {_or(said.operators)}" if said.operators else ""
    return f"{said.layer} {' and '.join(part for part in (chosen, reading) if part)}"


@clause.register
def _(condition: Count) -> str:
    said = condition.count
    quantity, plural = _amount(said)
    where = [f"of the {said.cell} cell"] if said.cell else []
    if said.layers:
        where.append(f"among {_and(said.layers)}")
    where += [f"from {_node(said.reads)}"] if said.reads else []
    where += [f"into {_node(said.into)}"] if said.into else []
    subject = " ".join([quantity, "layers" if plural else "layer", *where])
    reach, choose, are = ("reach", "choose", "are") if plural else ("reaches", "chooses", "is")
    if not said.operators:
        return f"{subject} {f'{reach} the output' if said.live else f'{are} not zero'}"
    return f"{subject}{f' that {reach} the output' if said.live else ''} {choose} {_or(said.operators)}"


@clause.register
def _(condition: Path) -> str:
    said = condition.path
    length = f" of {_bounds(said.length)} layer{'' if said.length.at_most == 1 else 's'}" if said.length else ""
    through = f" through {_range(said.at_least, said.at_most)} {_or(said.operators)}" if said.operators else ""
    only = f", all of it {_or(said.only)}" if said.only else ""
    cell = f" of the {said.cell} cell" if said.cell else ""
    ends = f"from {_node(said.start)} to {_node(said.to)}"
    return f"a path{length} leads {ends}{cell}{through}{only}"


@clause.register
def _(condition: Reaches) -> str:
    layers = condition.reaches.layers
    return f"{_or(layers)} reaches the output"


@clause.register
def _(condition: Depth) -> str:
    return f"the {_cell(condition.depth.cell)} is {_bounds(condition.depth)} operators deep"


@clause.register
def _(condition: Width) -> str:
    quantity, plural = _amount(condition.width)
    layers, read = ("layers", "read") if plural else ("layer", "reads")
    return f"{quantity} {layers} of the {_cell(condition.width.cell)} {read} an input"


@clause.register
def _(condition: Source) -> str:
    quantity, plural = _amount(condition.source)
    layers, read = ("layers", "read") if plural else ("layer", "reads")
    cell = f" of the {condition.source.cell} cell" if condition.source.cell else ""
    return f"{quantity} {layers}{cell} {read} {_node(condition.source.node)}"


@clause.register
def _(condition: Size) -> str:
    said, what = condition.size, condition.size.of.replace("_", "-")
    if said.at_most == 1:
        return f"the cell has more {what} than {said.at_least:.0%} of the space"
    if said.at_least == 0:
        return f"the cell has fewer {what} than {1 - said.at_most:.0%} of the space"
    return f"the cell's {what} lie between the quantiles {said.at_least:.0%} and {said.at_most:.0%} of the space"


@clause.register
def _(condition: All) -> str:
    return _together(condition.all, "and")


@clause.register
def _(condition: Any_) -> str:
    return _together(condition.any, "or")


@clause.register
def _(condition: Not) -> str:
    return f"it is not so that {_inner(condition.not_)}"


@clause.register
def _(condition: If) -> str:
    return f"if {_inner(condition.if_)}, then {_inner(condition.then)}"


@clause.register
def _(condition: AtLeast) -> str:
    return f"{_number(condition.at_least)} or more hold of: {_listed([_inner(part) for part in condition.of])}"


# --- words -----------------------------------------------------------------------------------------------------------
def _together(parts: Sequence[Condition], word: str) -> str:
    said = [_inner(part) for part in parts]
    return f" {word} ".join(said) if len(said) < 3 else f"{', '.join(said[:-1])}, {word} {said[-1]}"


def _inner(condition: Condition) -> str:
    """A clause inside another; one that joins several stands in brackets."""
    return f"({clause(condition)})" if condition.parts else clause(condition)


def _listed(said: Sequence[str]) -> str:
    return "; ".join(said)


def _bounds(bounds: Bounds) -> str:
    return _range(bounds.at_least, bounds.at_most)


def _range(at_least: int | None, at_most: int | None) -> str:
    """Bounds in words: two or more; at most two; no; exactly two; two to four."""
    if at_most is None:
        return f"{_number(at_least or 0)} or more"
    if at_least == at_most or at_most == 0:
        return _number(at_most) if at_most == 0 else f"exactly {_number(at_most)}"
    return f"at most {_number(at_most)}" if not at_least else f"{_number(at_least)} to {_number(at_most)}"


def _amount(bounds: Bounds) -> tuple[str, bool]:
    """Bounds in words before layers, and whether these are several: ``a``, False for one or more."""
    if (bounds.at_least, bounds.at_most) == (1, None):
        return "a", False
    return _bounds(bounds), bounds.at_most not in (0, 1)


def _number(number: int) -> str:
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)


def _node(name: str) -> str:
    return f"the {name}" if name in ("input", "output") else name if not name.isdigit() else f"node {name}"


def _cell(name: str | None) -> str:
    return f"{name} cell" if name else "cell"


def _or(names: Sequence[str]) -> str:
    return _joined(names, "or")


def _and(names: Sequence[str]) -> str:
    return _joined(names, "and")


def _joined(names: Sequence[str], word: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"
