"""Controls without an LLM, which any transfer must beat."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from lapt.archive import Archive
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, top
from lapt.search.methods.model_based import Candidates, apart, features, one_thread, scores_of, standardised, whole
from lapt.search.models.gaussian_process import fit_kernel, predict
from lapt.search.searcher import Searcher
from lapt.spaces import ENUMERABLE, Architecture, SearchSpace
from lapt.spaces.layer import Choice
from lapt.spaces.refining import refined

ZERO_COST = ("synflow", "naswot")
"""Scores of untrained networks, of ``lapt.evaluators.zero_cost``."""

_SAMPLED, _PARENTS = 10_000, 10
"""Sample of a space too large to list: uniform members, and the neighbours of so many of the source's best."""


class InOrder(Searcher):
    """Asks in a given order for the architectures that lie in the space; then uniformly for the rest."""

    def __init__(
        self,
        space: SearchSpace,
        order: Iterable[Architecture],
        *,
        seed: int | Sequence[int] = 0,
        identity: Callable[[Architecture], str] | None = None,
    ) -> None:
        super().__init__(space, seed=seed, identity=identity)
        self._order = (architecture for architecture in order if space.contains(architecture))

    def propose(self) -> Architecture:
        following = next(self._order, None)
        return self.space.sample(self.rng) if following is None else following


def source_ranking(archive: Archive) -> list[Architecture]:
    """The source's own order, best first."""
    return [entry.architecture for entry in archive.entries]


def by_frequency(space: SearchSpace, archive: Archive) -> Iterable[Architecture]:
    """``mode``: the cell of each layer's most frequent operator first, then by falling likelihood.

    The likelihood takes layers as independent, with one count added to each operator of the archive, and to each source
    if sources are chosen. Members of a space too large to list are found one by one.
    """
    chosen = [entry.architecture for entry in archive.entries]
    weights = {
        layer.name: {
            (operator, source): math.log(1 + sum(entry.operators[at] == operator for entry in chosen))
            + (math.log(1 + sum(e.sources[at] == source for e in chosen)) if len(layer.sources) > 1 else 0)
            for operator, source in layer.choices
        }
        for at, layer in enumerate(space.layers)
    }

    def worth(layer: str, choice: Choice) -> float:
        return weights[layer].get(choice, -math.inf)  # a choice of the node's other layer

    if space.size > ENUMERABLE:
        return space.best_first(worth)

    def likelihood(architecture: Architecture) -> float:
        return sum(map(worth, space.layer_names, zip(*architecture, strict=True)))

    return sorted(space.members(), key=lambda architecture: -likelihood(architecture))


def by_predictor(space: SearchSpace, scored: Sequence[Evaluation]) -> list[Architecture]:
    """The whole space, best first by a Gaussian process fitted to the source task's scores.

    It is the process of ``gp``, on the path features of the cells. Failed evaluations are left out. For a space too
    large to list: a sample, and the neighbours of the source's best.
    """
    scored = [evaluation for evaluation in scored if not evaluation.failed]
    candidates, y = _candidates(space, scored), standardised(scores_of(scored))
    x = candidates.standardise(features(space, [evaluation.architecture for evaluation in scored]))
    with one_thread():
        among = apart(space, x, x)
        mean, _ = predict(fit_kernel(among, y), among, y, apart(space, x, candidates.x))
    return [candidates.architectures[int(at)] for at in np.argsort(-mean, kind="stable")]


def _candidates(space: SearchSpace, scored: Sequence[Evaluation]) -> Candidates:
    if space.size <= ENUMERABLE:
        return whole(space)
    rng = np.random.default_rng(0)
    found = [space.sample(rng) for _ in range(_SAMPLED)]
    for parent in top(scored, _PARENTS):
        found += space.neighbours(space.project(parent.architecture, rng))
    return Candidates.of(space, list(dict.fromkeys(found)))


def by_size(evaluations: Iterable[Evaluation], count: str) -> list[Architecture]:
    """The largest first, without any task's score. ``count``: parameters or flops.

    Raises ConfigError if they are not known.
    """
    known = [evaluation for evaluation in evaluations if getattr(evaluation, count) is not None]
    if not known:
        raise ConfigError(f"a table that has the {count} of its architectures", "none", "leave that method out")
    return [found.architecture for found in sorted(known, key=lambda found: -getattr(found, count))]


def by_zero_cost(space: SearchSpace, score: str) -> list[Architecture]:
    """The whole space by a score of untrained networks (``ZERO_COST``), best first: no data and no task are read.

    Raises ConfigError where torch is missing.
    """
    from lapt.evaluators.zero_cost import zero_cost_scores

    members = space.listed()
    scores = zero_cost_scores(space, score)
    return sorted(members, key=lambda member: -scores[member])


def random_subspace(space: SearchSpace, like: SearchSpace, rng: np.random.Generator) -> SearchSpace:
    """A random restriction of ``space`` with as many operators and sources on each layer as ``like`` has.

    It keeps one more source if the layers of a node (DARTS) would be left with the same one.
    """
    pairs = list(zip(space.layers, like.layers, strict=True))
    operators = {layer.name: _drawn(layer.operators, len(kept.operators), rng) for layer, kept in pairs}
    sources = {
        layer.name: _drawn(layer.sources, len(kept.sources), rng) for layer, kept in pairs if len(layer.sources) > 1
    }
    return refined(space, operators, sources, lambda layer: space.layer(layer).sources)


def _drawn(candidates: Sequence[str], n: int, rng: np.random.Generator) -> list[str]:
    return [candidates[int(i)] for i in rng.choice(len(candidates), n, replace=False)]
