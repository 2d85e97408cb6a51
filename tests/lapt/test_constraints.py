"""Constraints: what a search may ask for, by what is known before training."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lapt
from lapt.errors import ConfigError, Notice, SpaceError
from lapt.evaluation import quantity_of
from lapt.evaluators import Table, TableEvaluator
from lapt.pipeline.config import Pipeline, load_pipeline, overridden
from lapt.pipeline.constraints import Bound, checked, feasible_of, quantities
from lapt.pipeline.steps import Steps
from lapt.pipeline.target import TargetSearch
from lapt.reasoning import Frequency
from lapt.search.config import SECTIONS
from lapt.search.feasible import Feasible
from lapt.search.loop import askable, search
from lapt.spaces import BUILTIN, ENUMERABLE, Architecture, Pool, SearchSpace, Thinned
from lapt.testing import invented_table

NAS201, DARTS = BUILTIN["nas201"], BUILTIN["darts"]


def weight(architecture: Architecture) -> float:
    """An invented size: 9 for each 3x3 convolution, 1 for each 1x1."""
    return float(sum({"nor_conv_3x3": 9, "nor_conv_1x1": 1}.get(operator, 0) for operator in architecture.operators))


@cache
def table(name: str = "invented") -> Table:
    """The invented table with its sizes, and a latency that is not known of every 50th cell."""
    made = invented_table()
    sizes = np.array([weight(NAS201.decode(text)) for text in made.architectures])
    latency = np.where(np.arange(len(sizes)) % 50 == 0, np.nan, 1 + sizes / 9)
    return replace(made, name=name, parameters=sizes, flops=10 * sizes, columns={"phone": latency})


def evaluator(task: str = "invented_a") -> TableEvaluator:
    return TableEvaluator(table(), NAS201, task)


def declared(*overrides: str, **constraints: object) -> Pipeline:
    pipeline = load_pipeline("invented", overrides).model_dump(mode="json")
    return Pipeline.model_validate({**pipeline, "constraints": constraints})


def feasible(**constraints: object) -> Feasible:
    found = feasible_of(declared(**constraints).constraints, NAS201, evaluator())
    assert found is not None
    return found


# --- bounds -----------------------------------------------------------------------------------------------------------
def test_excess_is_relative_and_infinite_for_what_is_not_known() -> None:
    bound = Bound(min=10, max=20)
    assert bound.excess(np.array([5, 10, 15, 20, 30, np.nan])).tolist() == [0.5, 0, 0, 0, 0.5, np.inf]
    assert Bound(max=0).excess(np.array([0.0, 3.0])).tolist() == [0, 3]
    assert Bound(min=2, max=4.25).described == "at least 2 and at most 4.25"


def test_every_row_that_meets_all_bounds_may_be_asked_for_and_no_other() -> None:
    made, found = table(), feasible(parameters={"max": 12}, phone={"max": 2})
    meets = (made.parameters <= 12) & (made.columns["phone"] <= 2)  # type: ignore[operator]
    assert 0 < meets.sum() < 15_625
    wanted = {text for text, fits in zip(made.architectures, meets, strict=True) if fits}
    assert {NAS201.encode(row) for row in found.rows or ()} == wanted
    assert isinstance(found.within(NAS201), Pool)
    assert found.share == pytest.approx(meets.mean())
    pipeline = declared("search.method=gp", parameters={"max": 12}, phone={"max": 2})
    searcher = Steps(pipeline, NAS201, Frequency()).searcher(NAS201, evaluator(), 1)
    assert searcher.prior.kept == found.share  # so that advice leads to as many as without constraints


def test_a_quantity_may_have_another_name_in_the_table() -> None:
    assert feasible(latency_ms={"max": 1.5, "column": "phone"}).rows == feasible(phone={"max": 1.5}).rows


def test_what_is_left_of_a_refined_space_is_filled_up_by_what_is_nearest_to_it() -> None:
    found = feasible(parameters={"max": 9})
    heavy = NAS201.restrict(operators={name: ["nor_conv_3x3"] for name in NAS201.layer_names[:2]})
    with pytest.raises(SpaceError, match="that meets the constraints and can be scored; got none; widen"):
        found.within(heavy)
    near = found.within(heavy, at_least=3)
    assert near.size >= 3
    assert {heavy.distance(row) for row in near.members()} == {1}
    assert all(weight(row) <= 9 for row in near.members())


# --- searches ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", sorted(set(SECTIONS) & {"rea", "random", "local_search", "gp", "bananas", "optuna"}))
def test_no_method_asks_for_what_breaks_a_constraint(method: str) -> None:
    pipeline = declared(f"search.method={method}", "search.population_size=4", parameters={"max": 10})
    asked: list[Architecture] = []

    class Watched(TargetSearch):
        def evaluate(
            self, architectures: list[Architecture], refined: SearchSpace, g: int, epochs: int | None = None
        ) -> list[lapt.Evaluation]:
            asked.extend(architectures)
            return super().evaluate(architectures, refined, g, epochs)

    steps = Steps(pipeline, NAS201, Frequency())
    archive = steps.build_archive(evaluator("invented_source"))
    assert max(weight(entry.architecture) for entry in archive.entries) > 10  # the source is not constrained
    found, evaluations = Watched(steps, evaluator(), archive).run(steps.learn(archive))
    assert len(evaluations) == len(asked) == pipeline.budget
    assert max(map(weight, asked)) <= 10
    assert found is not None
    assert steps.quantities(evaluator(), found) == {"parameters": weight(found.architecture)}


@pytest.mark.parametrize("control", ["random", "rea", "source_ranking"])
def test_controls_keep_the_constraints(control: str) -> None:
    steps = Steps(declared(parameters={"max": 10}), NAS201, Frequency())
    archive = steps.build_archive(evaluator("invented_source"))
    evaluations, searcher = steps.control(control, evaluator(), archive)
    assert len(evaluations) == steps.pipeline.budget
    assert max(weight(one.architecture) for one in evaluations) <= 10
    assert searcher.lacking == 0


def test_the_first_population_keeps_the_constraints() -> None:
    steps = Steps(declared("guidance.initial=true", parameters={"max": 10}), NAS201, Frequency())
    learned = steps.learn(steps.build_archive(evaluator("invented_source")))
    first = steps.first(steps.refine(learned, task="invented_a"), learned, evaluator(), [])
    assert first
    assert max(map(weight, first)) <= 10


def test_constraints_and_the_holes_of_a_table_both_hold() -> None:
    holes = np.where(np.arange(15_625) % 3 == 0, np.nan, table().scores["invented_a"]["validation"])
    sparse = replace(table(), scores={"invented_a": {"validation": holes}})
    found = feasible(parameters={"max": 10})
    for lacking in ("skip", "never"):
        there = askable(NAS201, TableEvaluator(sparse, NAS201, "invented_a", lacking), feasible=found)
        assert all(weight(row) <= 10 and sparse.has(NAS201.encode(row), "invented_a") for row in there.members())
        assert 0 < there.size < len(found.rows or ())


def test_a_space_with_fewer_than_the_budget_is_searched_to_its_end() -> None:
    found = feasible(parameters={"max": 0}, phone={"max": 1})
    few = len(found.rows or ())
    searcher = SECTIONS["rea"]().searcher(NAS201, evaluator(), seed=0, feasible=found)
    assert len(search(searcher, evaluator().evaluate, budget=few + 50, ask_size=5)) == few


def test_a_supernet_is_asked_for_nothing_outside_its_space() -> None:
    """Its weights are those of the refined space; so nothing near that space takes the place of what fits."""
    pipeline = declared(parameters={"max": 9})
    inherits = {"kind": "supernet", "data": "digits"}
    shared = Pipeline.model_validate({**pipeline.model_dump(mode="json"), "evaluator": inherits})
    light = NAS201.restrict(operators={name: ["nor_conv_1x1", "skip_connect"] for name in NAS201.layer_names})
    heavy = NAS201.restrict(operators={name: ["nor_conv_3x3"] for name in NAS201.layer_names})
    for made, wanted in ((pipeline, 64), (shared, 64)):
        searcher = Steps(made, NAS201, Frequency()).searcher(light, evaluator(), 1)
        assert searcher.space.size == wanted
    assert Steps(pipeline, NAS201, Frequency()).searcher(heavy, evaluator(), 1).space.size > 0
    with pytest.raises(SpaceError, match="an architecture of the refined space of nas201"):
        Steps(shared, NAS201, Frequency()).searcher(heavy, evaluator(), 1)


# --- spaces that are not listed ---------------------------------------------------------------------------------------
def separable(architecture: Architecture) -> float:
    return float(sum(operator.startswith("sep_conv") for operator in architecture.operators))


def at_most(n: int) -> Thinned:
    return Thinned.of(DARTS, lambda architecture: max(separable(architecture) - n, 0.0))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 6), st.integers(0, 99))
def test_every_move_of_a_thinned_space_stays_inside(most: int, seed: int) -> None:
    space, rng = at_most(most), np.random.default_rng(seed)
    one, two = space.sample(rng), space.sample(rng)
    outside = DARTS.sample(rng)
    moved = [one, two, space.mutate(one, rng), space.crossover(one, two, rng), space.project(outside, rng)]
    assert all(separable(architecture) <= most and DARTS.contains(architecture) for architecture in moved)
    assert all(space.contains(architecture) for architecture in moved)
    assert moved[2] != one
    assert all(separable(near) <= most for near in space.neighbours(one))
    assert space.contains(outside) == (separable(outside) <= most)
    assert space.size > ENUMERABLE


def test_a_rare_architecture_is_found_by_repair() -> None:
    """One of eight operators in each of 16 layers: no draw has identities alone."""

    def others(architecture: Architecture) -> float:
        return float(sum(operator != "skip_connect" for operator in architecture.operators))

    found = Thinned.of(DARTS, others).sample(np.random.default_rng(0))
    assert others(found) == 0
    assert DARTS.contains(found)


def test_bounds_that_nothing_meets_end_in_an_error_and_no_loop() -> None:
    space = Thinned.of(DARTS, lambda architecture: 1.0)
    with pytest.raises(SpaceError, match="within the bounds; got none after"):
        space.sample(np.random.default_rng(0))


@pytest.mark.parametrize("method", sorted(set(SECTIONS) & {"rea", "random", "local_search", "gp", "optuna"}))
def test_methods_search_a_thinned_space(method: str) -> None:
    known = Feasible(DARTS, lambda found: np.array([max(separable(a) - 4, 0.0) for a in found]))
    assert known.share == 1  # which nobody counted

    class Counts:
        task, metric, fingerprint = "count", lapt.Metric("none kept"), "count"

        def identity(self, architecture: Architecture) -> str:
            return DARTS.encode(architecture)

        def evaluate(self, asked: Sequence[Architecture]) -> list[lapt.Evaluation]:
            return [lapt.Evaluation(a, self.identity(a), separable(a), self.metric) for a in asked]

        def test(self, architecture: Architecture) -> None:
            return None

    searcher = SECTIONS[method](population_size=3).searcher(DARTS, Counts(), seed=0, feasible=known)  # type: ignore[arg-type]
    found = search(searcher, Counts().evaluate, budget=12, ask_size=3)
    assert len(found) == 12
    assert max(separable(one.architecture) for one in found) <= 4


# --- what is said -----------------------------------------------------------------------------------------------------
def said(**constraints: object) -> str:
    return checked(declared(**constraints).constraints, NAS201, evaluator())


def test_what_the_constraints_leave_is_said() -> None:
    light = int((table().parameters <= 10).sum())  # type: ignore[operator]
    assert said(parameters={"max": 10}) == (
        f"constraints leave {light:,} of 15,625 architectures of nas201: parameters at most 10"
    )
    everything = "every architecture of nas201 meets the constraints, which leave nothing out: parameters at most 54"
    assert said(parameters={"max": 54}) == everything


def test_a_constraint_that_nothing_meets_names_the_nearest() -> None:
    with pytest.raises(ConfigError) as error:
        said(parameters={"min": 100})
    every = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    assert error.value.got == f"none; the nearest is {every} with parameters 54"


def test_the_nearest_of_a_space_that_is_not_listed_is_found_by_changes() -> None:
    class Sized(TableEvaluator):
        def __init__(self) -> None:
            self.task = "sized"

        def quantity(self, name: str, column: str | None = None) -> object:  # type: ignore[override]
            return lapt.evaluation.Quantity(lambda found: np.array([separable(a) + 3 for a in found]))

    constraints = declared(parameters={"max": 2}).constraints
    with pytest.raises(ConfigError, match=r"none; the nearest is .* with parameters 3;"):
        checked(constraints, DARTS, Sized())
    assert checked(declared(parameters={"max": 19}).constraints, DARTS, Sized()).startswith("each of 1,000 random")


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        ({"parameters": {"max": -1}}, "constraints.parameters.max: input should be greater than or equal to 0"),
        ({"parameters": {"max": 5, "min": 6}}, "min (6) is larger than max (5), which nothing can meet"),
        ({"parameters": {}}, "a constraint needs max or min"),
        ({"parameters": {"maximum": 5}}, "one of the keys"),
        ({"parameters": 5}, "constraints.parameters"),
        ({"parameters": {"max": ".nan"}}, "constraints.parameters.max"),
    ],
)
def test_wrong_bounds_are_one_line(constraints: object, expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        overridden(load_pipeline("invented"), [f"constraints={constraints}"])
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("constraints", "got", "remedy"),
    [
        ({"flops": {"max": 1}}, "'flops'", "did you mean multiply_adds?"),
        ({"live_parameters": {"max": 1}}, "'live_parameters'", "did you mean parameters?"),
        ({"latency_ms": {"max": 1}}, "'latency_ms'", "name one of them, or leave it out"),
        ({"latency_ms": {"max": 1, "column": "phones"}}, "'phones'", "did you mean phone?"),
        ({"accuracy": {"min": 90}}, "'accuracy'", "name one of them, or leave it out"),
    ],
)
def test_what_is_not_known_before_a_score_is_refused(constraints: dict[str, object], got: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as error:
        said(**constraints)
    assert error.value.expected.startswith("quantities known before a score in table invented, which are ['multiply")
    assert (error.value.got, error.value.remedy) == (got, remedy)


# --- lapt.transfer ----------------------------------------------------------------------------------------------------
def test_a_table_is_searched_within_its_columns() -> None:
    with pytest.warns(Notice, match="constraints leave"):
        found = lapt.transfer(
            evaluator(), source=evaluator("invented_source"), budget=9, progress=False, controls=["random"],
            constraints={"phone": {"max": 1.5}},
        )  # fmt: skip
    for asked in (found.found, found.beside["random"]):
        assert len(asked.evaluations) == 9
        phone = quantity_of(evaluator(), "phone").of([one.architecture for one in asked.evaluations])
        assert phone.max() <= 1.5


def test_a_function_is_searched_within_what_its_caller_knows() -> None:
    calls: list[lapt.Architecture] = []

    def score(architecture: lapt.Architecture) -> float:
        calls.append(architecture)
        return weight(architecture)

    with pytest.warns(Notice, match="random architectures of nas201: parameters at most 20"):
        found = lapt.transfer(
            score, source=lapt.table("invented", "invented_source"), budget=9, progress=False,
            constraints={"parameters": {"max": 20}}, quantities={"parameters": weight},
        )  # fmt: skip
    assert len(calls) == 9
    assert found.score == max(map(weight, calls)) <= 20


def test_a_constrained_study_can_be_pickled_and_goes_on() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        study = lapt.ask_tell(
            source=lapt.table("invented", "invented_source"), budget=6,
            constraints={"parameters": {"max": 20}}, quantities={"parameters": weight},
        )  # fmt: skip
    for architecture in study.ask(2):
        study.tell(architecture, weight(architecture))
    again = pickle.loads(pickle.dumps(study))
    assert [str(one) for one in study.ask(2)] == [str(one) for one in again.ask(2)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"constraints": {"parameters": {"max": 20}}}, "the argument quantities, which are []"),
        ({"constraints": {"size": {"max": 20, "column": "a"}}, "quantities": {"size": weight}}, "no column"),
        ({"constraints": {"size": {"max": -2}}, "quantities": {"size": weight}}, "greater than or equal"),
    ],
)  # fmt: skip
def test_wrong_constraints_of_a_function_are_refused(given: dict[str, object], expected: str) -> None:
    with pytest.raises(ConfigError, match=r".*") as error:
        lapt.ask_tell(source=lapt.table("invented", "invented_source"), **given)  # type: ignore[arg-type]
    assert expected in str(error.value)


def test_the_quantities_of_nothing_found_are_none() -> None:
    assert quantities(declared(parameters={"max": 20}).constraints, evaluator(), None) == {}
