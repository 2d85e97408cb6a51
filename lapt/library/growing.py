"""A library grows: a task that was read adds its evidence to every principle of its space, for or against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lapt.base.digests import short
from lapt.conditions.cells import Cells
from lapt.conditions.judging import fits, holding, members_of
from lapt.conditions.language import Condition
from lapt.evaluation import Evaluation
from lapt.library.entries import Entry, Library, Reading
from lapt.principles import EXPERTS_SAY, Principles
from lapt.reasoning.experts.grounding import applying
from lapt.reasoning.stated import GIVEN
from lapt.spaces import Architecture, SearchSpace

FEWEST = 12
"""Number of different functions that were read, from which on they are evidence."""
BEST = 4
"""One in so many evaluated architectures of a target is called good."""


@dataclass(frozen=True)
class Read:
    """Good architectures of a task, and the others that they are compared with.

    ``others``: None for all of the space. ``kind``: of the task, the name of its metric. ``data``: the table, or the
    images. ``found``: conditions that were found in the good ones.
    """

    task: str
    data: str
    kind: str
    good: Sequence[Architecture]
    others: Sequence[Architecture] | None = None
    found: tuple[Condition, ...] = ()
    run: str = ""
    reasoner: str = ""


def conditions_in(principles: Principles) -> tuple[Condition, ...]:
    """The conditions that principles state of what was read; those known before are none of them."""
    patterns = (pattern for one in principles.principles for pattern in one.patterns)
    known = {EXPERTS_SAY, GIVEN}
    return tuple(
        dict.fromkeys(one.condition for one in patterns if one.condition is not None and one.task not in known)
    )


def compared(evaluations: Iterable[Evaluation], space: SearchSpace) -> tuple[list[Architecture], list[Architecture]]:
    """(the best of what was evaluated on a target, the others), each function once."""
    scores = {one.architecture: one.score for one in evaluations if not one.failed}
    ranked = sorted(_functions(space, list(scores)), key=lambda one: -scores[one])
    first = len(ranked) // BEST
    return ranked[:first], ranked[first:]


def _functions(space: SearchSpace, architectures: Sequence[Architecture]) -> list[Architecture]:
    """Each function once, as it was first written: so it is compared with a space of cells as they are written."""
    first = {space.canonical(one): one for one in reversed(architectures)}
    return list(reversed(first.values()))


def grown(library: Library, space: SearchSpace, read: Read) -> tuple[Library, int, int]:
    """The library with what was read; how many new principles it has, and how many got a reading.

    New principles are those of ``read.found``, and those of experts for the space. Every principle of the space is
    judged by what was read, whoever found it: only so does a library learn what does not hold. Too few architectures
    (``FEWEST``) add nothing. ``space``: the whole one.
    """
    good = _functions(space, read.good)
    others = None if read.others is None else _functions(space, read.others)
    if len(good) + len(others or ()) < FEWEST or not good or others == []:
        return library, 0, 0
    entries = {entry.key: entry for entry in library.entries}
    before = len(entries)
    new = [Entry(space=space.name, condition=one) for one in read.found if fits(one, space) is None]
    new += [
        Entry(space=space.name, condition=one.condition, statement=one.statement, cited=one.source)
        for one in applying(space)
    ]
    for entry in new:
        entries.setdefault(entry.key, entry)
    cells, rest = Cells.of(space, good), members_of(space) if others is None else Cells.of(space, others)
    digest = short([space.name, read.data, read.task, [space.encode(one) for one in (*good, *(others or ()))]])
    found = {entry.key for entry in new if not entry.cited}
    judged = 0
    for key, entry in entries.items():
        if entry.space != space.name or fits(entry.condition, space) is not None:
            continue
        reading = Reading(
            task=read.task,
            data=read.data,
            kind=read.kind,
            support=int(holding(entry.condition, cells).sum()),
            of=len(good),
            base_rate=round(float(holding(entry.condition, rest).mean()), 6),
            base_of=None if others is None else len(others),
            found=key in found,
            archive=digest,
            run=read.run,
            reasoner=read.reasoner,
        )
        entries[key] = entry.with_reading(reading)
        judged += entries[key] is not entry
    return library.model_copy(update={"entries": tuple(entries.values())}), len(entries) - before, judged
