"""Two objectives: a score and a quantity that is known before it."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from test_constraints import NAS201, declared, evaluator, table, weight

import lapt
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation
from lapt.evaluators import TableEvaluator
from lapt.pipeline.config import Pipeline, load_pipeline
from lapt.pipeline.objectives import cost_of, front
from lapt.pipeline.steps import Steps
from lapt.pipeline.target import TargetSearch
from lapt.reasoning import Frequency, Patterns
from lapt.search.config import SECTIONS
from lapt.search.loop import search
from lapt.search.models.hypervolume import front_of, hypervolume
from lapt.search.searcher import Prior

METRIC = "invented score"


def two(*more: str, **constraints: object) -> Pipeline:
    return declared(f"objectives=[{METRIC}, parameters]", "search.method=gp", *more, **constraints)


def share(found: list[Evaluation]) -> float:
    """The part of the true front's hypervolume that evaluations reach."""
    scores, costs = table().scores["invented_a"]["validation"], table().parameters
    assert costs is not None
    reference = float(scores[front_of(scores, costs)].min()) - 1, float(costs.max()) + 1
    rows = [table().rows[one.identity] for one in found]
    return hypervolume(scores[rows], costs[rows], reference) / hypervolume(scores, costs, reference)


def test_gp_finds_more_of_the_front_with_two_objectives_than_with_one() -> None:
    shares = {}
    for name, prior in (("two", Prior(costs=evaluator().quantity("parameters").of)), ("one", Prior())):
        shares[name] = []
        for seed in range(3):
            searcher = SECTIONS["gp"]().searcher(NAS201, evaluator(), seed=seed, prior=prior)
            shares[name].append(share(search(searcher, evaluator().evaluate, budget=40, ask_size=1)))
    assert min(shares["two"]) > max(shares["one"])
    assert np.mean(shares["two"]) > 0.9


@pytest.mark.parametrize("refinement", ["order", "product"])
def test_a_pipeline_with_two_objectives_keeps_its_front_and_its_constraints(refinement: str) -> None:
    pipeline = two(f"refinement={refinement}", "search.ask_size=2", parameters={"max": 30})
    reasoner = Patterns() if refinement == "order" else Frequency()
    steps = Steps(pipeline, NAS201, reasoner)
    archive = steps.build_archive(evaluator("invented_source"))
    _, evaluations = TargetSearch(steps, evaluator(), archive).run(steps.learn(archive))
    points = front(pipeline, NAS201, evaluator(), evaluations)
    assert len(points) > 1
    assert list(points) == sorted(points, key=lambda point: point.cost)
    for point in points:
        one = evaluations[point.evaluation - 1]
        assert (point.architecture, point.validation) == (one.identity, one.value)
        assert point.cost == weight(one.architecture) <= 30
        assert not any(other.score > one.score and weight(other.architecture) <= point.cost for other in evaluations)


def test_a_cost_that_is_not_known_counts_as_the_highest_and_stays_off_the_front() -> None:
    costs = np.where(np.arange(15_625) % 2 == 0, np.nan, 1.0)
    holes = TableEvaluator(replace(table(), columns={"ms": costs}), NAS201, "invented_a")
    pipeline = declared(f"objectives=[{METRIC}, ms]", "search.method=gp")
    searcher = SECTIONS["gp"]().searcher(NAS201, holes, seed=0, prior=Prior(costs=holes.quantity("ms").of))
    found = search(searcher, holes.evaluate, budget=15, ask_size=1)
    points = front(pipeline, NAS201, holes, found)
    assert {point.cost for point in points} == {1.0}
    assert front(pipeline, NAS201, holes, [replace(found[0], value=None)]) == ()


def test_one_objective_has_no_front() -> None:
    assert cost_of(load_pipeline("invented"), evaluator()) is None
    assert front(load_pipeline("invented"), NAS201, evaluator(), []) == ()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["objectives=[a, a]"], "objectives are two different names, not ['a', 'a']"),
        (["objectives=[a]"], "objectives are two different names, not ['a']"),
        (["objectives=[a, b, c]"], "objectives are two different names"),
        (
            ["objectives=[a, b]", "search.method=rea"],
            "has one objective; gp, optuna, nsga2 can have two",
        ),
    ],
)
def test_wrong_objectives_are_one_line(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_pipeline("invented", ["search.method=gp", *overrides])
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("objectives", "said"),
    [
        ("[accuracy, parameters]", r"objectives: \[invented score, ...\], .*; got accuracy as the first"),
        ("[invented score, flops]", "got 'flops'; did you mean multiply_adds"),
        ("[parameters, invented score]", "got parameters as the first"),
    ],
)
def test_objectives_that_are_not_known_are_refused(objectives: str, said: str) -> None:
    pipeline = load_pipeline("invented", ["search.method=gp", f"objectives={objectives}"])
    with pytest.raises(ConfigError, match=said):
        cost_of(pipeline, evaluator())


def test_a_function_and_what_its_caller_knows_make_a_front() -> None:
    found = lapt.transfer(
        lambda architecture: str(architecture).count("nor_conv") + str(architecture).count("skip") / 2,
        source=lapt.table("invented", "invented_source"), budget=12, progress=False,
        objectives=["score", "size"], quantities={"size": weight},
    )  # fmt: skip
    assert found.front
    assert [point.cost for point in found.front] == sorted(point.cost for point in found.front)
    assert found.front[-1].validation == found.score
    with pytest.raises(ConfigError, match="the argument quantities"):
        lapt.ask_tell(source=lapt.table("invented", "invented_source"), objectives=["score", "size"])


def test_a_section_with_objectives_is_left_out_at_its_default_and_pickled() -> None:
    assert "objectives" not in load_pipeline("invented").model_dump(mode="json")
    assert pickle.loads(pickle.dumps(two())).cost == "parameters"
