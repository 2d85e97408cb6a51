"""Base class of search methods, with the interface ask and tell, and what a search knows before the first ask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from lapt.base.declarations import Frozen
from lapt.base.faults import fault
from lapt.evaluation import Evaluation
from lapt.spaces import ENUMERABLE, Architecture, SearchSpace, Thinned
from lapt.training.relaxation import Strengthen

Expects = Callable[[Sequence[Architecture]], npt.NDArray[np.float64]]
"""N architectures -> N values, higher is better, mean 0 and standard deviation 1 over the whole space."""


@dataclass(frozen=True)
class Adviser:
    """A source of advice before the target is asked: an archive that was read, experts, a draw of a model.

    ``expects`` can be pickled and hashed. ``statements``: the principles behind it, in words.
    """

    name: str
    expects: Expects
    statements: tuple[str, ...] = ()


class Weighed(NamedTuple):
    """An adviser after some scores of the target: the posterior mean of its weight, and the probability that the weight
    is 0 or less, or is left out."""

    adviser: str
    weight: float
    doubt: float


class Refuted(NamedTuple):
    """An adviser that the scores turned against: the probability that its weight is 0 or less, after so many
    evaluations."""

    adviser: str
    against: float
    evaluations: int


@dataclass(frozen=True)
class Prior:
    """Knowledge from elsewhere. No architecture was scored for it on the task that is searched.

    ``source``: evaluations of the source task, in the order they were asked; of the top of a whole table, best first.
    ``expects``: how far an architecture follows the principles. It can be pickled and hashed. ``strengths``: trains a
    mixed supernet on the training images of the task that is searched; None without images. ``advisers``: in place of
    ``expects``, several expectations whose weights the target's scores decide. ``costs``: a second objective, known of
    N architectures before they are scored, lower is better; None for a search of the score alone. ``kept``: the share
    of the space that constraints keep, 1 without any or if it is not known.
    """

    source: tuple[Evaluation, ...] = ()
    expects: Expects | None = None
    strengths: Strengthen | None = None
    advisers: tuple[Adviser, ...] = ()
    costs: Callable[[Sequence[Architecture]], npt.NDArray[np.float64]] | None = None
    kept: float = 1.0


NOTHING = Prior()


_PROPOSALS = 50
"""Known proposals in a row after which an unseen architecture replaces the method's choice."""


_CONFIRMED = 100
"""Number of architectures that are confirmed at most before a search gives up."""


class Searcher(ABC):
    """Proposes architectures of one space and learns from evaluations. It never evaluates, writes or logs.

    ``ask(n)`` returns up to n members of ``space``, none of which was asked or told before, judged by ``identity``;
    fewer means that the space is exhausted. ``repeats`` counts proposals skipped because they were known. ``there``:
    the part of the space that can be evaluated, if it is less than the whole. Other proposals are skipped and counted
    in ``lacking``; if a method proposes nothing else, ``there`` is sampled uniformly. ``confirm``: a last check of what
    is about to be asked for, too dear for others; what fails it is skipped and counted likewise. ``tell`` takes
    evaluations in the order they were asked; those of earlier iterations, which may lie outside ``space``, are told
    before the first ask. All randomness comes from ``seed``: the same seed, asks and tells give the same proposals.

    A method implements ``propose`` (one candidate, drawn with ``self.rng``) and may override ``observe``. The fields of
    its class ``Parameters`` are keywords of its constructor, and keys of ``search`` in a pipeline. A method that learns
    from the source task or from principles finds them in ``self.prior``, and works without. A method that trains on
    images raises ConfigError without images. ``advice``: of a method that weighs the prior's advisers, their weights at
    its last ask.
    """

    class Parameters(Frozen):
        """Parameters of the method: none. Those of a subclass are declared in one of its own, which extends this."""

    parameters: Parameters

    transfers: ClassVar[bool] = False
    """Whether the method learns from the source's evaluations: then it is a transfer method, and gets them even
    alone."""
    objectives: ClassVar[bool] = False
    """Whether the method searches for the front of two objectives where ``prior.costs`` says the second."""
    guided: ClassVar[bool] = False
    """Whether the method learns from the expectation of the principles."""

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | Sequence[int],
        identity: Callable[[Architecture], str] | None = None,
        prior: Prior = NOTHING,
        **parameters: Any,
    ) -> None:
        try:
            self.parameters = self.Parameters(**parameters)
        except ValidationError as error:
            raise fault(error, f"the parameters of {type(self).__name__}", self.Parameters) from None
        self.space, self.prior = space, prior
        self.rng = np.random.default_rng(seed)
        self.repeats = self.lacking = 0
        self.there: SearchSpace | None = None
        self.confirm: Callable[[Architecture], bool] | None = None
        self.history: list[Evaluation] = []
        self.advice: tuple[Weighed, ...] = ()
        self._identity = identity or space.encode
        self._known: set[str] = set()
        self._listed: tuple[SearchSpace, list[tuple[Architecture, str]]] | None = None
        self._pending: dict[str, Architecture] = {}

    @property
    def pending(self) -> list[Architecture]:
        """Architectures asked and not told yet, in the order asked."""
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

    def correct(self, evaluations: Sequence[Evaluation]) -> None:
        """Learn better scores of architectures that were told, and those that were not told yet.

        A corrected evaluation takes the place of the earlier one in ``self.history``.
        """
        places = {self._identity(told.architecture): place for place, told in enumerate(self.history)}
        new = []
        for evaluation in evaluations:
            place = places.get(self._identity(evaluation.architecture))
            if place is None:
                new.append(evaluation)
            elif evaluation != self.history[place]:
                earlier, self.history[place] = self.history[place], evaluation
                self.corrected(earlier, evaluation)
        self.tell(new)

    def corrected(self, earlier: Evaluation, evaluation: Evaluation) -> None:
        """Learn that an evaluation takes the place of an earlier one of its architecture, as in ``self.history``."""
        self.observe(evaluation)

    def _unknown(self) -> Architecture | None:
        """The next architecture that is unknown and can be evaluated; None when there is none."""
        for _ in range(_PROPOSALS):
            proposal = self.propose()
            if self._identity(proposal) in self._known:
                self.repeats += 1
            elif self._is_there(proposal):
                return proposal
        rest = self.space if self.there is None else self.there
        if self.confirm is not None:
            return self._confirmed(rest)
        if rest.size <= ENUMERABLE:
            unseen = [member for member, identity in self._members_of(rest) if identity not in self._known]
            return unseen[int(self.rng.integers(len(unseen)))] if unseen else None
        draws = (rest.sample(self.rng) for _ in range(_PROPOSALS * (10 if isinstance(rest, Thinned) else 1000)))
        return next((draw for draw in draws if self._identity(draw) not in self._known), None)

    def _members_of(self, space: SearchSpace) -> list[tuple[Architecture, str]]:
        """Every member of a space that can be listed, and its identity, computed once for all asks."""
        if self._listed is None or self._listed[0] is not space:
            self._listed = space, [(member, self._identity(member)) for member in space.members()]
        return self._listed[1]

    def _confirmed(self, rest: SearchSpace) -> Architecture | None:
        """An unknown member of ``rest`` that can be evaluated, in random order; None where a hundred cannot."""
        drawn = (rest.sample(self.rng) for _ in range(10 * _PROPOSALS))
        if rest.size <= ENUMERABLE:
            members = [member for member, _ in self._members_of(rest)]
            drawn = (members[int(at)] for at in self.rng.permutation(len(members)))
        unknown = (draw for draw in drawn if self._identity(draw) not in self._known)
        return next((draw for draw in islice(unknown, _CONFIRMED) if self._is_there(draw)), None)

    def _is_there(self, proposal: Architecture) -> bool:
        """Whether the proposal can be evaluated. If not, it is counted in ``lacking`` and becomes known."""
        if (self.there is None or self.there.contains(proposal)) and (self.confirm is None or self.confirm(proposal)):
            return True
        self._known.add(self._identity(proposal))
        self.lacking += 1
        return False
