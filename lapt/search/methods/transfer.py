"""Base class of search methods that learn from the source's evaluations, and a WeakNAS that does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from lapt.evaluation import Evaluation
from lapt.search.methods.model_based import Description, ModelBased, features, scores_of, standardised
from lapt.search.methods.predictors import WeakNas
from lapt.search.prior import Prior
from lapt.spaces import Architecture, CellFamily, SearchSpace, whole_of
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
