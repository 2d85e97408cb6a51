"""Controls without an LLM: what any transfer must beat."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from lapt.archive import Archive
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation
from lapt.search.bayesian import apart
from lapt.search.features import features
from lapt.search.gaussian_process import fit_kernel, predict
from lapt.search.model_based import one_thread, scores_of, standardised, whole
from lapt.search.searcher import Searcher
from lapt.spaces import Architecture, SearchSpace

ZERO_COST = ("synflow", "naswot")
"""Scores of untrained networks, of ``lapt.networks.zero_cost``."""


class InOrder(Searcher):
    """Asks in a given order; behind its end, uniformly among what is left."""

    def __init__(
        self,
        space: SearchSpace,
        order: Iterable[Architecture],
        *,
        seed: int | Sequence[int] = 0,
        identity: Callable[[Architecture], str] | None = None,
    ) -> None:
        super().__init__(space, seed=seed, identity=identity)
        self._order = iter(order)

    def propose(self) -> Architecture:
        following = next(self._order, None)
        return self.space.sample(self.rng) if following is None else following


def source_ranking(archive: Archive) -> list[Architecture]:
    """The source's own order, best first."""
    return [entry.architecture for entry in archive.entries]


def by_frequency(space: SearchSpace, archive: Archive) -> list[Architecture]:
    """``mode``: the cell of each layer's most frequent operator first, then by falling likelihood.

    The likelihood takes layers as independent, with one count added to each operator of the archive.
    """
    chosen = [entry.architecture.operators for entry in archive.entries]
    weights = [
        {operator: math.log(1 + sum(ops[position] == operator for ops in chosen)) for operator in layer.operators}
        for position, layer in enumerate(space.layers)
    ]

    def likelihood(architecture: Architecture) -> float:
        return sum(weight[operator] for weight, operator in zip(weights, architecture.operators, strict=True))

    return sorted(space.members(), key=lambda architecture: -likelihood(architecture))


def by_predictor(space: SearchSpace, scored: Sequence[Evaluation]) -> list[Architecture]:
    """The whole space by what a Gaussian process fitted to the source task's scores expects, best first.

    The process of ``gp``, on the path features of the cells. A failed evaluation counts as the worst.
    """
    candidates, y = whole(space), standardised(scores_of(scored))
    x = candidates.standardise(features(space, [evaluation.architecture for evaluation in scored]))
    with one_thread():
        among = apart(space, x, x)
        mean, _ = predict(fit_kernel(among, y), among, y, apart(space, x, candidates.x))
    return [candidates.architectures[int(at)] for at in np.argsort(-mean, kind="stable")]


def by_size(evaluations: Iterable[Evaluation], count: str) -> list[Architecture]:
    """The largest first: no score of any task is read. ``count``: parameters or flops.

    Raises ConfigError where they are not known.
    """
    known = [evaluation for evaluation in evaluations if getattr(evaluation, count) is not None]
    if not known:
        raise ConfigError(f"a table that has the {count} of its architectures", "none", "leave that method out")
    return [found.architecture for found in sorted(known, key=lambda found: -getattr(found, count))]


def by_zero_cost(space: SearchSpace, score: str) -> list[Architecture]:
    """The whole space by a score of untrained networks (``ZERO_COST``), best first: no data and no task are read.

    Raises ConfigError where torch is missing.
    """
    from lapt.networks.zero_cost import zero_cost_scores

    scores = zero_cost_scores(space, score)
    return sorted(space.members(), key=lambda member: -scores[member])


def random_subspace(space: SearchSpace, like: SearchSpace, rng: np.random.Generator) -> SearchSpace:
    """A random restriction of ``space`` that keeps as many operators on each layer as ``like`` does."""
    operators = {
        layer.name: [
            layer.operators[int(i)] for i in rng.choice(len(layer.operators), len(kept.operators), replace=False)
        ]
        for layer, kept in zip(space.layers, like.layers, strict=True)
    }
    return space.restrict(operators=operators)
