"""Searches whose predictors are graph networks: BONAS, and the relations of Arch-Graph. They need torch."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from lapt.search.methods.model_based import GRAPHS
from lapt.search.methods.predictors import Every, InTorch
from lapt.search.methods.transfer import FromSource, WithoutSource
from lapt.search.models.bayesian_linear import BayesianLinear
from lapt.spaces import ENUMERABLE, SearchSpace
from lapt.spaces.features import Floats

_RATE = 0.01
"""Adam's learning rate."""
_OPPONENTS = 128
"""Largest number of other architectures that each candidate is compared with, the same for all."""


class GraphBased(InTorch):
    """Base class of methods that see cells as graphs. Equal graphs are embedded once, and again only after a
    training."""

    description = GRAPHS

    class Parameters(InTorch.Parameters):
        width: int = Field(32, ge=1, description="of the embeddings")
        steps: int = Field(100, ge=1, description="steps of a training")

    parameters: Parameters

    def __init__(self, space: SearchSpace, **given: Any) -> None:
        super().__init__(space, **given)
        self._looked: tuple[Any, Floats] | None = None

    @abstractmethod
    def look(self, predictor: Any, at: Floats) -> Floats:
        """The input of ``rate`` for M x F candidates: the costly part, which depends on the predictor alone."""

    def looked(self, predictor: Any, at: Floats) -> Floats:
        """As ``look``, but kept in a space that is listed, since its candidates are always the same."""
        if self.space.size > ENUMERABLE:
            return self.look(predictor, at)
        if self._looked is None or self._looked[0] is not predictor:
            self._looked = predictor, self.look(predictor, at)
        return self._looked[1]


class Bonas(GraphBased):
    """BONAS (Shi et al. 2020): embeddings by a graph convolution network, Bayesian linear regression on them, UCB.

    The network is trained as a regressor with a sigmoid head and a loss that weighs good architectures exponentially.
    Then a Bayesian regression replaces the head; it is fitted again at each ask. The candidate with the highest mean +
    ``kappa`` deviations is asked for. Simplified: three layers of 32 and the sum of the nodes in place of four of 64
    and a global node; the regression is of the scores and not of their logits, which keeps the order of the means; each
    architecture is evaluated by itself, where the paper trains 100 together in a supernet; the whole space is rated in
    place of an evolution's finds, if it can be listed. The source is not used.
    """

    class Parameters(GraphBased.Parameters):
        kappa: float = Field(0.5, ge=0, description="deviations above the mean that are asked for")

    parameters: Parameters

    def train(self, x: Floats, y: Floats) -> Any:
        from lapt.search.models.neural import Scorer, fit_scorer, seeded

        network = seeded(lambda: Scorer(self.space, self.parameters.width, x.shape[1]), self.drawn_seed())
        fit_scorer(network, x, y, steps=self.parameters.steps, rate=_RATE)
        return network

    def look(self, predictor: Any, at: Floats) -> Floats:
        from lapt.search.models.neural import embedded

        return embedded(predictor.encoder, at)

    def rate(self, x: Floats, y: Floats, at: Floats) -> Floats:
        network, told = self.current(x, y), len(self.learned)
        seen, wanted = self.look(network, x[:told]), self.looked(network, at)
        centre, scale = wanted.mean(axis=0), np.maximum(wanted.std(axis=0), 1e-6)

        def basis(embedding: Floats) -> Floats:
            return np.hstack([(embedding - centre) / scale, np.ones((len(embedding), 1))])

        mean, deviation = BayesianLinear.fit(basis(seen), y[:told]).predict(basis(wanted))
        return np.asarray(mean + self.parameters.kappa * deviation)


class ArchGraph(FromSource, GraphBased):
    """Arch-Graph (Huang et al. 2022): a predictor of the better one of two architectures, from source to target.

    A graph network embeds both; a head compares them. It is trained on all pairs of the source's evaluations, then,
    each time starting from there, on those of the target. The candidate with most wins is asked for. Simplified, and
    weaker: wins against a fixed random set of 128 candidates are counted, where the paper builds the graph of relations
    and finds its maximal weighted acyclic subgraph; there is one source and no embedding of tasks, where the paper
    trains on several tasks with one (of a probe network's Fisher information) that tells them apart. Without a source
    it learns from the target alone, after ``initial`` uniform evaluations.
    """

    class Parameters(GraphBased.Parameters):
        initial: WithoutSource = 10
        retrain_every: Every = 5

    parameters: Parameters

    def __init__(self, space: SearchSpace, **given: Any) -> None:
        super().__init__(space, **given)
        self._pretrained: Any = None

    def pretrained(self, columns: int) -> Any:
        """A relation of F ``columns``, trained on the source if there is one."""
        from lapt.search.models.neural import Relation, fit_relation, seeded

        if self._pretrained is None:
            self._pretrained = seeded(lambda: Relation(self.space, self.parameters.width, columns), self.drawn_seed())
            if self.known:
                fit_relation(self._pretrained, *self.of_source(), steps=self.parameters.steps, rate=_RATE, rng=self.rng)
        return self._pretrained

    def train(self, x: Floats, y: Floats) -> Any:
        from lapt.search.models.neural import fit_relation

        trained = copy.deepcopy(self.pretrained(x.shape[1]))
        if len(set(y)) >= 2:
            fit_relation(trained, x, y, steps=self.parameters.steps, rate=_RATE, rng=self.rng)
        return trained

    def look(self, predictor: Any, at: Floats) -> Floats:
        from lapt.search.models.neural import wins

        everybody = np.arange(len(at))
        met = np.random.default_rng(0).choice(everybody, min(_OPPONENTS, len(at)), replace=False)
        return wins(predictor, at, met)

    def rate(self, x: Floats, y: Floats, at: Floats) -> Floats:
        return self.looked(self.current(x, y), at)


class ArchZero(ArchGraph):
    """``arch_graph`` without the target: candidates are asked for in the order of the source's relations (Huang et al.
    2022).

    The target's scores do not change it. Without a source it asks uniformly.
    """

    class Parameters(ArchGraph.Parameters):
        initial: ClassVar[int] = 10  # type: ignore[misc]  # no parameter here
        retrain_every: ClassVar[int] = 5  # type: ignore[misc]

    parameters: Parameters

    def ready(self, scores: Floats) -> bool:
        return bool(self.known)

    def train(self, x: Floats, y: Floats) -> Any:
        return self.pretrained(x.shape[1])
