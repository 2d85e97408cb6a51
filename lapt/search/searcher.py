"""The ask/tell core that every search method shares."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from lapt.evaluation import Evaluation
from lapt.spaces import ENUMERABLE, Architecture, SearchSpace

_PROPOSALS = 50
"""Proposals already seen in a row before a method's choice is replaced by an unseen one."""


class Searcher(ABC):
    """Proposes architectures of one space and learns from evaluations. It never evaluates, writes or logs.

    ``ask(n)`` returns up to n members of ``space``, none of which was asked or told before, judged by ``identity``;
    fewer means that the space is exhausted. ``repeats`` counts proposals skipped because they were known. ``there``:
    where less than the whole space can be evaluated, what can; what else is proposed is passed over and counted in
    ``lacking``, and whoever proposes nothing else is answered with what is there, uniformly.
    ``tell`` takes evaluations in the order they were asked; those of earlier iterations, which may lie outside
    ``space``, are told before the first ask. All randomness comes from ``seed``; the same seed, asks and tells give the
    same proposals.

    A method implements ``propose`` (one candidate, drawn with ``self.rng``) and may override ``observe``. Its own
    parameters are keywords of its constructor, annotated with a type (and pydantic's ``Field`` for a range): that is
    the declaration by which pipelines are validated. A method that learns from the source task or from principles has
    the keyword ``prior: Prior = NOTHING`` too, and works without; one that trains on images has it, and raises
    ConfigError without them.
    """

    transfers: ClassVar[bool] = False
    """Does the method learn from the source's evaluations? Such a one gets them alone, too: it is a transfer method."""

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | Sequence[int],
        identity: Callable[[Architecture], str] | None = None,
    ) -> None:
        self.space = space
        self.rng = np.random.default_rng(seed)
        self.repeats = self.lacking = 0
        self.there: SearchSpace | None = None
        self.history: list[Evaluation] = []
        self._identity = identity or space.encode
        self._known: set[str] = set()
        self._pending: dict[str, Architecture] = {}

    @classmethod
    def parameters(cls) -> dict[str, inspect.Parameter]:
        """The method's own parameters by name: those of the constructor that not every searcher has."""
        given = inspect.signature(cls.__init__, eval_str=True).parameters
        return {name: given[name] for name in given if name not in ("self", "space", "seed", "identity", "prior")}

    @classmethod
    def takes_prior(cls) -> bool:
        """Does the method use what is known before its first ask?"""
        return "prior" in inspect.signature(cls.__init__).parameters

    @classmethod  # most parameters are independent of each other  # noqa: B027
    def check(cls, parameters: Mapping[str, Any]) -> None:
        """Raises ConfigError for parameters that do not go together. Constructors and pipelines call it."""

    @property
    def pending(self) -> list[Architecture]:
        """What was asked and not told yet, in the order asked."""
        return list(self._pending.values())

    @abstractmethod
    def propose(self) -> Architecture:
        """One member of ``self.space``; it may be known already."""

    def observe(self, evaluation: Evaluation) -> None:  # noqa: B027 - learning nothing is a method too
        """Learn from one evaluation. ``self.history`` already ends with it."""

    def ask(self, n: int) -> list[Architecture]:
        """Up to n architectures that were neither asked nor told before."""
        asked: list[Architecture] = []
        while len(asked) < n and (architecture := self._unknown()) is not None:
            self.reserve([architecture])
            asked.append(architecture)
        return asked

    def reserve(self, architectures: Sequence[Architecture]) -> None:
        """Count them as asked."""
        for architecture in architectures:
            identity = self._identity(architecture)
            self._known.add(identity)
            self._pending[identity] = architecture

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Learn from evaluations, in the order given."""
        for evaluation in evaluations:
            identity = self._identity(evaluation.architecture)
            self._known.add(identity)
            self._pending.pop(identity, None)
            self.history.append(evaluation)
            self.observe(evaluation)

    def _unknown(self) -> Architecture | None:
        """The next architecture that is not known, and there; None when there is none."""
        for _ in range(_PROPOSALS):
            proposal = self.propose()
            if self._identity(proposal) in self._known:
                self.repeats += 1
            elif self._is_there(proposal):
                return proposal
        rest = self.space if self.there is None else self.there
        if rest.size <= ENUMERABLE:
            unseen = [member for member in rest.members() if self._identity(member) not in self._known]
            return unseen[int(self.rng.integers(len(unseen)))] if unseen else None
        draws = (rest.sample(self.rng) for _ in range(1000 * _PROPOSALS))
        return next((draw for draw in draws if self._identity(draw) not in self._known), None)

    def _is_there(self, proposal: Architecture) -> bool:
        """Can it be evaluated? If not it is counted, and known from then on."""
        if self.there is None or self.there.contains(proposal):
            return True
        self._known.add(self._identity(proposal))
        self.lacking += 1
        return False
