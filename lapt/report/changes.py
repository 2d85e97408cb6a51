"""Changes from one set of principles to the next, word by word."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Literal, NamedTuple

ALIKE, BEGINNING = 0.5, 3
"""Least share of common words for two statements to count as one that was changed.

Their first words must be the same too, since a statement on another layer is no change of this one's."""


class Part(NamedTuple):
    kind: Literal["same", "gone", "new"]
    text: str


class Line(NamedTuple):
    """One statement that is new or gone, or was changed (``kind`` same, with parts that are new and gone)."""

    kind: Literal["same", "gone", "new"]
    parts: tuple[Part, ...]


def changes(before: Sequence[str], after: Sequence[str]) -> list[Line]:
    """The statements that are not in both, in their order."""
    lines: list[Line] = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            lines += _replaced(list(before[i:j]), list(after[k:m]))
    return lines


def _replaced(gone: list[str], new: list[str]) -> list[Line]:
    found = []
    for statement in new:
        parent = max(gone, key=lambda other: _alike(other, statement), default=None)
        if parent is None or _alike(parent, statement) < ALIKE:
            found.append(Line("new", (Part("new", statement),)))
        else:
            gone.remove(parent)
            found.append(Line("same", tuple(_words(parent.split(), statement.split()))))
    return [Line("gone", (Part("gone", statement),)) for statement in gone] + found


def _alike(one: str, other: str) -> float:
    first, second = one.split(), other.split()
    if first[:BEGINNING] != second[:BEGINNING]:
        return 0.0
    return difflib.SequenceMatcher(None, first, second, autojunk=False).ratio()


def _words(before: list[str], after: list[str]) -> list[Part]:
    parts = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            parts.append(Part("same", " ".join(after[k:m])))
            continue
        if i < j:
            parts.append(Part("gone", " ".join(before[i:j])))
        if k < m:
            parts.append(Part("new", " ".join(after[k:m])))
    return parts
