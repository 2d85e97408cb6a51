"""Gradient-based methods: a supernet that mixes all operators learns the strengths of choices."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

from pydantic import Field

from lapt.errors import ConfigError
from lapt.search.searcher import NOTHING, Prior, Searcher
from lapt.spaces import Architecture, SearchSpace
from lapt.spaces.layer import Choice
from lapt.training.relaxation import Relaxation, Strengths

Epochs = Annotated[int, Field(ge=1, description="of the mixed supernet's training")]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False, description="learning rate of the architecture parameters")]

_LAST = 1e6
"""Penalty that puts a choice behind all others: larger than the sum of the logarithms of an architecture's
strengths."""


class GradientBased(Searcher):
    """Asks for architectures in the order of the product of their choices' strengths in a trained mixed supernet.

    The first is the method's own discretisation. On fixed edges it is the strongest operator, which may be ``none`` as
    in NAS-Bench-201. In DARTS cells it is the two connections into each node with the strongest best operator other
    than ``none`` (Liu et al. 2019, section 2.4); here ``none`` comes after everything else. The following ones serve a
    budget above one. Scores teach it nothing. The supernet is trained once, at the first ask, on the task's training
    images alone (``prior.strengths``). Raises ConfigError without images.
    """

    class Parameters(Searcher.Parameters):
        epochs: Epochs = 50
        learning_rate: Rate = 3e-4

    parameters: Parameters

    def __init__(self, space: SearchSpace, *, prior: Prior = NOTHING, **given: Any) -> None:
        if prior.strengths is None:
            raise ConfigError(
                "images to train a supernet on (evaluator.kind training or supernet)",
                "an evaluator without images, such as a table",
                "choose another search.method or evaluator",
            )
        super().__init__(space, prior=prior, **given)
        self._learn = prior.strengths
        self._trained_by = int(self.rng.integers(2**31))
        self._strengths: Strengths | None = None
        self._order: Iterator[Architecture] | None = None
        self._passed = 0

    @property
    def relaxation(self) -> Relaxation:
        """The training of the mixed supernet."""
        return Relaxation(epochs=self.parameters.epochs, learning_rate=self.parameters.learning_rate)

    def propose(self) -> Architecture:
        """The next architecture in order. Raises StopIteration after the last."""
        if self._strengths is None:
            self._strengths = self._learn(self.space, self.relaxation, self._trained_by)
        if self._order is None:
            self._order = islice(self.space.best_first(self._worth), self._passed, None)
        found = next(self._order)
        self._passed += 1
        return found

    def _unknown(self) -> Architecture | None:
        try:
            while True:
                proposal = self.propose()
                if self._identity(proposal) in self._known:
                    self.repeats += 1
                elif self._is_there(proposal):
                    break
        except StopIteration:
            return None
        return proposal

    def _worth(self, layer: str, choice: Choice) -> float:
        assert self._strengths is not None
        family = self.space.family
        last = family.zero_last and choice[0] == family.zero
        return math.log(max(self._strengths[layer, choice], 1e-300)) - last * _LAST

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_order": None}  # pickle knows no generators; it is gone through again


class Darts(GradientBased):
    """DARTS of first order (Liu et al. 2019): softmax (eq. 2), and Algorithm 1 with xi = 0.

    Architecture parameters learn from one half of the training images by Adam (3e-4), weights from the other.
    """


class PcDarts(GradientBased):
    """PC-DARTS (Xu et al. 2020): DARTS whose operators see one in K channels (section 3.2), its edges normalised (3.3).

    A connection has a strength too, by a softmax over those into its node; the strength of a choice is the product. In
    the first epochs only the weights learn (15 of 50 published, hence the share). Where edges are fixed, each keeps one
    operator, whatever the strength of its edge.
    """

    class Parameters(GradientBased.Parameters):
        learning_rate: Rate = 6e-4
        partial: int = Field(4, ge=1, description="operators see one in K channels; K divides them")
        rest: float = Field(0.3, ge=0, lt=1, description="share of epochs in which only weights learn")

    parameters: Parameters

    @property
    def relaxation(self) -> Relaxation:
        rest = round(self.parameters.rest * self.parameters.epochs)
        more = {"partial": self.parameters.partial, "edges": True, "rest_epochs": rest}
        return super().relaxation.model_copy(update=more)


class Snas(GradientBased):
    """SNAS (Xie et al. 2019): each step samples from the concrete distribution, at a falling temperature (section 2.2).

    Weights and architecture parameters learn from one loss on all training images, without the published term for
    resources. The published derivation keeps an operator, which may be ``none``, on every connection; here a node of
    DARTS cells has two. The temperature falls linearly between the first and last value of the authors' later code.
    """

    class Parameters(GradientBased.Parameters):
        epochs: Epochs = 150
        temperature: float = Field(1.0, gt=0, allow_inf_nan=False, description="at the start")
        coldest: float = Field(0.03, gt=0, allow_inf_nan=False, description="temperature at the end")

    parameters: Parameters

    @property
    def relaxation(self) -> Relaxation:
        temperature = self.parameters.temperature, self.parameters.coldest
        more = {"weights": "concrete", "halves": False, "temperature": temperature}
        return super().relaxation.model_copy(update=more)


class FairDarts(GradientBased):
    """FairDARTS (Chu et al. 2020): a sigmoid for each operator, and a loss that drives it to zero or one.

    The published derivation keeps every operator above 0.85, at most two connections a node; here a node of DARTS cells
    has the two best, and a fixed edge its best. ``none`` gives no gradient to learn from: it stays at 0.5, and is taken
    if every operator is weaker.
    """

    class Parameters(GradientBased.Parameters):
        learning_rate: Rate = 3e-3
        zero_one: float = Field(10.0, ge=0, allow_inf_nan=False, description="weight of the zero-one loss")

    parameters: Parameters

    @property
    def relaxation(self) -> Relaxation:
        more = {"weights": "sigmoid", "zero_one": self.parameters.zero_one}
        return super().relaxation.model_copy(update=more)
