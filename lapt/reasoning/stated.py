"""A reasoner that states given principles: those of a file, or of a model whose replies are at hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lapt.archive import Archive
from lapt.conditions.cells import Cells
from lapt.conditions.judging import evidence_of
from lapt.principles import Origin, Pattern, Principle, Principles
from lapt.reasoning.evidence import counted
from lapt.reasoning.expectation import deviation
from lapt.reasoning.ordering import Ordering
from lapt.reasoning.statements import StatedPrinciples, Statement
from lapt.spaces import Architecture, SearchSpace

GIVEN = "given"
"""Name in place of a task for principles that were not learned from the source of the run."""


class Stated(Ordering):
    """Given principles, with their support in the archive beside them.

    They stay as they are. An adaptation widens the space (``Ordering``), and adds what ``teacher`` learns of the
    target's best. Without architectures to read, the support is that of the statements' own evidence. Deterministic.
    """

    name = "stated"

    def __init__(
        self,
        given: StatedPrinciples,
        *,
        breadth: float = 0.015,
        growth: float = 20.0,
        teacher: Ordering | None = None,
    ) -> None:
        super().__init__(breadth=breadth, growth=growth)
        self.given, self.teacher = given, teacher

    def learned(self, space: SearchSpace, read: Sequence[Architecture], task: str) -> Iterable[Principle]:
        return () if self.teacher is None else self.teacher.learned(space, read, task)

    def learn(self, space: SearchSpace, archive: Archive) -> Principles:
        """The given principles. Raises ConfigError for one that names something the space does not have."""
        self.given.check(space)
        read = [entry.architecture for entry in archive.entries]
        origin = Origin(reasoner=self.name, step="learn", task=archive.task, archive=archive.digest)
        stated = tuple(stated_over(space, self.given.principles, read))
        return self.stated(space, stated, tuple(counted(space, read, archive.task)), origin, self.breadth, None)


def stated_over(
    space: SearchSpace, statements: Sequence[Statement], read: Sequence[Architecture]
) -> Iterable[Principle]:
    """Statements as principles of a space, with their support in architectures that were read; in their own evidence
    if there are none."""
    cells = Cells.of(space, read)
    for one in statements:
        evidence = evidence_of(one.condition, cells, space)
        shares = evidence.support if read else one.support, evidence.base_rate
        support, chance = shares if one.weight >= 0 else (1 - share for share in shares)
        pattern = Pattern(
            feature=one.said,
            weight=round(one.weight * deviation(space, one.condition), 6),
            support=round(support, 4),
            chance=round(chance, 4),
            task=GIVEN,
            condition=one.condition,
            unread=not read and not one.evidence,
        )
        yield Principle(statement=one.said, rationale=one.rationale, patterns=(pattern,), adviser=one.adviser)
