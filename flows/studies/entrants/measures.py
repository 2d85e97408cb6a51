"""Measures of one search: hypervolume as a share of the true front's, and what was asked for under constraints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lapt.base.statistics import Scores, rank
from lapt.evaluation import Evaluation, Evaluator, Metric, Quantity, best
from lapt.pipeline.constraints import Constraints, quantities
from lapt.search.feasible import Feasible
from lapt.search.models.hypervolume import front_of, hypervolume
from lapt.spaces import Architecture


@dataclass(frozen=True)
class TrueFront:
    """The front of all architectures with a score and a cost: its reference point (score, cost), and its ``area``.

    The reference point is the true front's worst error and highest cost, both times 1.1, by validation scores. The
    error of a percentage is 100 less it; that of another score is its distance from the best there is.
    """

    cost: Quantity
    reference: tuple[float, float]
    area: float

    @classmethod
    def of(cls, evaluator: Evaluator, cost: Quantity, scored: Sequence[Architecture]) -> TrueFront:
        """``scored``: every architecture that has a score."""
        found = evaluator.evaluate(scored)
        return cls.by(evaluator.metric, cost, np.array([one.score for one in found]), cost.of(scored))

    @classmethod
    def by(cls, metric: Metric, cost: Quantity, scores: Scores, costs: Scores) -> TrueFront:
        """As ``of``, from N scores and costs; NaN where there is none."""
        known = np.isfinite(scores) & np.isfinite(costs)
        scores, costs = scores[known], costs[known]
        front = front_of(scores, costs)
        perfect = 100.0 if metric.unit == "%" and metric.higher_is_better else float(scores.max())
        reference = perfect - 1.1 * (perfect - float(scores[front].min())), 1.1 * float(costs[front].max())
        return cls(cost, reference, hypervolume(scores, costs, reference))

    def shares(self, evaluations: Sequence[Evaluation]) -> tuple[float, ...]:
        """The share of the area that is dominated after each evaluation, 0 to 1."""
        costs = self.cost.of([one.architecture for one in evaluations]) if evaluations else np.zeros(0)
        scores = np.array([np.nan if one.failed else one.score for one in evaluations])
        there = np.isfinite(scores) & np.isfinite(costs)
        return tuple(
            hypervolume(scores[:n][there[:n]], costs[:n][there[:n]], self.reference) / self.area
            for n in range(1, len(evaluations) + 1)
        )


def under_constraints(
    constraints: Constraints, feasible: Feasible, evaluator: Evaluator, evaluations: Sequence[Evaluation]
) -> dict[str, float]:
    """``infeasible``: evaluated architectures that break a bound, by the evaluator's own quantities.

    ``feasible_rank``: of the best, among all that meet the bounds, if these can be listed; their number is
    ``feasible``.
    """
    broken = 0
    for one in evaluations:
        known = quantities(constraints, evaluator, one.architecture)
        broken += any(bound.excess(np.array([known.get(name, np.nan)]))[0] > 0 for name, bound in constraints.items())
    found = {"infeasible": float(broken)}
    if feasible.rows is not None:
        scores = np.array([one.score for one in evaluator.evaluate(feasible.rows) if not one.failed])
        incumbent = best(evaluations)
        found["feasible"] = float(len(scores))
        found["feasible_rank"] = float(len(scores) if incumbent is None else rank(incumbent.score, scores))
    return found
