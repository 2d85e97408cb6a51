"""Two objectives of a pipeline: the score, and a quantity that is known before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, Evaluator, Quantity, quantity_of
from lapt.pipeline.config import Pipeline
from lapt.pipeline.results import FrontPoint
from lapt.search.models.hypervolume import front_of
from lapt.spaces import SearchSpace


def cost_of(pipeline: Pipeline, evaluator: Evaluator) -> Quantity | None:
    """The second objective of a search on the evaluator's task, lower is better; None with one objective.

    Raises ConfigError if the first is not the score, or the second is not known before a score.
    """
    if not pipeline.objectives:
        return None
    score, cost = pipeline.objectives
    if score != evaluator.metric.name:
        raise ConfigError(
            f"objectives: [{evaluator.metric.name}, ...], since that is the score of {evaluator.task}",
            f"{score} as the first",
            "name the score first, then a quantity such as parameters",
        )
    bound = pipeline.constraints.get(cost)
    return quantity_of(evaluator, cost, None if bound is None else bound.column)


def front(
    pipeline: Pipeline, space: SearchSpace, evaluator: Evaluator, evaluations: Sequence[Evaluation]
) -> tuple[FrontPoint, ...]:
    """The front of a search with two objectives, by rising cost; empty with one.

    Failed evaluations, and those whose cost is not known, are left out.
    """
    quantity = cost_of(pipeline, evaluator)
    scored = [(number, one) for number, one in enumerate(evaluations, start=1) if not one.failed]
    if quantity is None or not scored:
        return ()
    costs = (quantity.exact or quantity.of)([one.architecture for _, one in scored])
    known = np.flatnonzero(~np.isnan(costs))
    found = []
    for at in front_of(np.array([scored[at][1].score for at in known]), costs[known]):
        number, one = scored[known[at]]
        assert one.value is not None
        found.append(FrontPoint(space.encode(one.architecture), one.value, float(costs[known[at]]), number))
    return tuple(found)
