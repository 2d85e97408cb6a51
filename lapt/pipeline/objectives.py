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


def costs(pipeline: Pipeline, evaluator: Evaluator, evaluations: Sequence[Evaluation]) -> tuple[float | None, ...]:
    """The cost of each evaluation, in order; empty with one objective.

    None: of a failed evaluation, and where it is not known.
    """
    quantity = cost_of(pipeline, evaluator)
    if quantity is None:
        return ()
    scored = [one.architecture for one in evaluations if not one.failed]
    known = iter((quantity.exact or quantity.of)(scored) if scored else ())
    values = [np.nan if one.failed else float(next(known)) for one in evaluations]
    return tuple(None if np.isnan(value) else value for value in values)


def front(
    pipeline: Pipeline, space: SearchSpace, evaluator: Evaluator, evaluations: Sequence[Evaluation]
) -> tuple[FrontPoint, ...]:
    """The front of a search with two objectives, by rising cost; empty with one.

    Failed evaluations, and those whose cost is not known, are left out.
    """
    known = [
        (number, one, cost)
        for number, (one, cost) in enumerate(zip(evaluations, costs(pipeline, evaluator, evaluations), strict=False), 1)
        if cost is not None
    ]
    found = []
    for at in front_of(np.array([one.score for _, one, _ in known]), np.array([cost for _, _, cost in known])):
        number, one, cost = known[at]
        assert one.value is not None
        found.append(FrontPoint(space.encode(one.architecture), one.value, cost, number))
    return tuple(found)
