"""The interface of reasoners: the four calls of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from lapt.archive import Archive
from lapt.evaluation import Evaluation
from lapt.principles import Principles
from lapt.spaces import SearchSpace


class Reasoner(Protocol):
    """Reads architectures, states principles, and turns principles into a refined space.

    Every call is a function of its arguments: it remembers nothing between calls and changes no argument.
    """

    @property
    def name(self) -> str: ...

    def learn(self, space: SearchSpace, archive: Archive) -> Principles:
        """Algorithm 1, line 2: principles from good architectures of the source task."""
        ...

    def translate(self, space: SearchSpace, principles: Principles, *, task: str) -> SearchSpace:
        """Algorithm 1, line 6: Omega_r inside ``space``, for the target ``task``."""
        ...

    def update(
        self, space: SearchSpace, principles: Principles, top_architectures: Sequence[Evaluation], *, task: str
    ) -> Principles:
        """Algorithm 2, line 2: principles adapted to the best architectures found on the target ``task``."""
        ...

    def explore(self, space: SearchSpace, principles: Principles, *, task: str) -> Principles:
        """Algorithm 2, line 5: effects of operators and sources without a claim in the current principles."""
        ...


@runtime_checkable
class Observant(Protocol):
    """A reasoner that makes use of all evaluations on a target, and not of the best alone."""

    def seeing(self, evaluations: Sequence[Evaluation]) -> Reasoner:
        """The same reasoner with these evaluations on the target in view, for ``update`` and ``explore``. It changes
        nothing in itself."""
        ...


def seeing(reasoner: Reasoner, evaluations: Sequence[Evaluation]) -> Reasoner:
    """The reasoner with all evaluations on a target in view, if it makes use of them."""
    return reasoner.seeing(evaluations) if isinstance(reasoner, Observant) else reasoner
