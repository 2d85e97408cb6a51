"""Methods that start from the scores of the source task, and those that see cells as graphs. Most need torch."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from lapt.evaluation import Evaluation, top
from lapt.search.methods.bayesian import expected_improvement
from lapt.search.methods.model_based import GRAPHS, Description, ModelBased, features, scores_of, standardised
from lapt.search.methods.predictors import Every, InTorch, WeakNas
from lapt.search.models.gaussian_process import BayesianLinear
from lapt.search.searcher import Prior
from lapt.spaces import ENUMERABLE, Architecture, CellFamily, SearchSpace, whole_of
from lapt.spaces.features import Floats

_SAMPLED = 2_000
"""Size of the sample of cells that represents a family which is not listed."""

WithoutSource = Annotated[int, Field(ge=2, description="uniform first evaluations, if there is no source")]


def learnable(prior: Prior) -> tuple[Evaluation, ...]:
    """The source's evaluations that did not fail, if at least two scores differ; else none."""
    scored = tuple(evaluation for evaluation in prior.source if not evaluation.failed)
    return scored if len({evaluation.score for evaluation in scored}) >= 2 else ()


def family_features(space: SearchSpace, architectures: Sequence[Architecture]) -> Floats:
    """``features``, standardised over the cells of the whole family: the same numbers in every restriction.

    Only so does a model of the source in the whole space hold in a refined one. For DARTS cells and declared spaces a
    sample of the family is used.
    """
    centre, scale = _moments(space.family)
    return np.asarray((features(space, architectures) - centre) / scale)


@lru_cache(maxsize=4)
def _moments(family: CellFamily) -> tuple[Floats, Floats]:
    whole, rng = whole_of(family), np.random.default_rng(0)
    cells = whole.listed() if family.listed else [whole.sample(rng) for _ in range(_SAMPLED)]
    x = family.features(cells)
    spread = x.std(axis=0)
    return x.mean(axis=0), np.where(spread > 0, spread, 1.0)


FAMILY = Description(family_features, standardise=False)


class FromSource(ModelBased):
    """Learns from ``known``, the source's evaluations, and the target's; without ``known``, from the target's alone.

    With a source, nothing is uniform: even the first ask uses the source.
    """

    transfers = True

    def __init__(self, space: SearchSpace, **given: Any) -> None:
        super().__init__(space, **given)
        self.known = learnable(self.prior)

    def ready(self, scores: Floats) -> bool:
        return bool(self.known) or super().ready(scores)

    def targets(self, scores: Floats) -> Floats:
        return super().targets(scores) if len(set(scores)) >= 2 else np.zeros(len(scores))

    def of_source(self) -> tuple[Floats, Floats]:
        """Features n x F and n standardised targets of the source's n evaluations."""
        x = self.description.of(self.space, [evaluation.architecture for evaluation in self.known])
        return x, standardised(scores_of(self.known))


class WeakNasTransfer(FromSource, WeakNas):
    """WeakNAS (Wu et al. 2021), with weak predictors that are also trained on the source's evaluations.

    Scores of each task are standardised separately. All of the source's together weigh as much as ``initial`` of the
    target's and take their place: there is no uniform sample first, and the target's scores soon outweigh them. Without
    a source it is ``weaknas``. It has the simplifications of ``weaknas``. Wu et al. transfer nothing, and the ``-t`` of
    Huang et al. (2022) goes on training a network, which trees cannot.
    """

    description = FAMILY

    class Parameters(WeakNas.Parameters):
        initial: WithoutSource = 10

    parameters: Parameters

    def train(self, x: Floats, y: Floats) -> Any:
        if not self.known:
            return super().train(x, y)
        from sklearn.ensemble import GradientBoostingRegressor  # type: ignore[import-untyped]

        rows, targets = self.of_source()
        weights = np.concatenate([np.ones(len(y)), np.full(len(targets), self.parameters.initial / len(targets))])
        both = np.vstack([x, rows]), np.concatenate([y, targets])
        return GradientBoostingRegressor(random_state=self.drawn_seed()).fit(*both, sample_weight=weights)


_PART = 25
"""Source evaluations of one step: about as many as a target has when the kernel matters."""
_AT_MOST = 100
"""Largest number of target evaluations of one step."""
_RATE, _FINE_RATE = 0.01, 0.003
"""Adam's learning rate, and that of a deep kernel on the target."""


class TransferGP(FromSource, InTorch):
    """Transfer NAS with a meta-learned Bayesian surrogate (Shala et al. 2023, TNAS-BO), after few-shot Bayesian
    optimisation (Wistuba and Grabocka 2021): a Gaussian process with a deep kernel, and expected improvement.

    The kernel is Matern 5/2 on a small network's output for a cell. It is trained by the marginal likelihood of random
    subsets of the source's evaluations, then fine-tuned for ``tuning`` steps on the target's, each time starting from
    there. The first ``initial`` asks are the source's best that lie in the space (Wistuba and Grabocka start from the
    best over their sources). Simplified: one source where both papers learn over many, so subsets stand for tasks; no
    embedding of data sets; path features in place of a graph network. Without a source, or with one of a single score,
    the first asks are uniform and the kernel learns from the target alone.
    """

    description = FAMILY

    class Parameters(InTorch.Parameters):
        initial: int = Field(5, ge=2, description="evaluations before the first fit")
        retrain_every: Every = 5
        steps: int = Field(200, ge=1, description="steps of the training on the source")
        tuning: int = Field(100, ge=0, description="steps of a training on the target")

    parameters: Parameters

    def __init__(self, space: SearchSpace, **given: Any) -> None:
        super().__init__(space, **given)
        self._first = [e.architecture for e in top(self.known, len(self.known)) if space.contains(e.architecture)]
        self._pretrained: Any = None

    def ready(self, scores: Floats) -> bool:
        return len(scores) >= self.parameters.initial and len(set(scores)) >= 2

    def propose(self) -> Architecture:
        """The source's best that is not known yet, while evaluations are too few to learn from."""
        if len(self._known) < self.parameters.initial:
            for architecture in self._first:
                if self._identity(architecture) not in self._known:
                    return architecture
        return super().propose()

    def rate(self, x: Floats, y: Floats, at: Floats) -> Floats:
        mean, deviation = self.current(x, y).predict(x, y, at)
        return expected_improvement(mean, deviation, float(y.max()))

    def train(self, x: Floats, y: Floats) -> Any:
        """The source's kernel, fine-tuned on the target's n evaluations."""
        if self._pretrained is None:
            self._pretrained = self._of_source(x.shape[1])
        kernel = copy.deepcopy(self._pretrained)
        kernel.learn(x, y, steps=self.parameters.tuning, rate=_FINE_RATE, part=_AT_MOST, rng=self.rng)
        return kernel

    def _of_source(self, columns: int) -> Any:
        from lapt.search.models.neural import DeepKernel, seeded

        kernel = seeded(lambda: DeepKernel(columns), self.drawn_seed())
        if self.known:
            kernel.learn(*self.of_source(), steps=self.parameters.steps, rate=_RATE, part=_PART, rng=self.rng)
        return kernel


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
