"""The reasoner ``patterns`` for a source of any space."""

from __future__ import annotations

from lapt.archive import Archive
from lapt.principles import Principles
from lapt.reasoning.across.learned import learned_across
from lapt.reasoning.patterns import Patterns
from lapt.spaces import SearchSpace


class PatternsAcross(Patterns):
    """``Patterns``, which reads architectures of another space by the roles of operators (``learned_across``)."""

    def learn(self, space: SearchSpace, archive: Archive) -> Principles:
        if archive.space.name == space.name or not archive.entries or not self.evidence:
            return super().learn(space, archive)
        return learned_across(
            archive.space, archive, space, name=archive.task, knowledge=self.knowledge, breadth=self.breadth
        )
