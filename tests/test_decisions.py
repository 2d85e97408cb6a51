"""The nine decisions where the paper is silent or the published scripts differ from it, a test each."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from flows.build import run_id
from flows.studies import Comparison
from flows.studies.entrants.bench import Bench
from flows.studies.entrants.methods import with_controls
from flows.studies.published import TABLE_2
from lapt.algorithms import algorithm_2
from lapt.base.statistics import rank, top_threshold
from lapt.evaluation import Evaluation
from lapt.evaluators import TableEvaluator
from lapt.pipeline.config import Execution, Pipeline, load_pipeline
from lapt.pipeline.steps import Steps
from lapt.pipeline.target import TargetSearch
from lapt.principles import Principles
from lapt.reasoning import Frequency
from lapt.search.loop import search
from lapt.search.methods.model_free import RandomSearch
from lapt.spaces import BUILTIN, Architecture, SearchSpace
from lapt.testing import invented_table

SPACE = BUILTIN["nas201"]
INVENTED = load_pipeline("invented")


def evaluator(task: str) -> TableEvaluator:
    return TableEvaluator(invented_table(), SPACE, task)


def steps(pipeline: Pipeline = INVENTED) -> Steps:
    return Steps(pipeline, SPACE, Frequency(max_operators=pipeline.reasoner.max_operators))


class Spy:
    """An evaluator that notes what it is asked."""

    def __init__(self, inner: TableEvaluator) -> None:
        self.inner, self.asked = inner, list[Architecture]()
        self.task, self.metric, self.fingerprint = inner.task, inner.metric, inner.fingerprint

    def identity(self, architecture: Architecture) -> str:
        return self.inner.identity(architecture)

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        self.asked.extend(architectures)
        return self.inner.evaluate(architectures)

    def test(self, architecture: Architecture) -> float | None:
        raise AssertionError("a search read the test split")


class Watched(Frequency):
    """Remembers the refined space of each iteration."""

    def __init__(self) -> None:
        super().__init__(max_operators=2)
        self.spaces: list[SearchSpace] = []

    def translate(self, space: SearchSpace, principles: Principles, *, task: str) -> SearchSpace:
        self.spaces.append(super().translate(space, principles, task=task))
        return self.spaces[-1]


def test_decision_1_the_archive_comes_from_the_source_task_alone() -> None:
    source = Spy(evaluator(INVENTED.source.task))
    archive = steps().build_archive(source)
    assert archive.task == INVENTED.source.task
    assert len(source.asked) == archive.chosen_from == 200
    assert {entry.architecture for entry in archive.entries} <= set(source.asked)
    # The same principles, whatever the targets are.
    other = INVENTED.model_copy(update={"targets": ("invented_b",)})
    assert steps(other).learn(steps(other).build_archive(source)) == steps().learn(archive)


@pytest.mark.parametrize("seed", range(10))
def test_decision_2_every_architecture_lies_in_its_iterations_space(seed: int) -> None:
    pipeline = INVENTED.model_copy(update={"seed": seed})
    reasoner, target = Watched(), Spy(evaluator("invented_a"))
    current = Steps(pipeline, SPACE, reasoner)
    principles = current.learn(current.build_archive(evaluator(pipeline.source.task)))
    lengths: list[int] = []

    def counting(refined: SearchSpace, history: Sequence[Evaluation], g: int) -> list[Evaluation]:
        found = current.search(current.searcher(refined, target, g), target.evaluate, history, g)
        lengths.append(len(found))
        assert all(refined.contains(e.architecture) for e in found)
        return found

    evaluations: list[Evaluation] = []
    for g in (1, 2, 3):
        evaluations += counting(current.refine(principles, task="invented_a"), tuple(evaluations), g)
        # No improvement on Base: an exploration, so that the next space does differ.
        principles, _ = current.adapt(principles, math.inf, 1.0, evaluations, task="invented_a")
    # Parents of the second iteration are of the first, and the spaces do differ.
    assert reasoner.spaces[0] != reasoner.spaces[1]
    assert lengths[0] == 10


@pytest.mark.parametrize("seed", range(10))
def test_decision_3_nothing_is_asked_twice_and_an_exhausted_space_ends_the_iteration(seed: int) -> None:
    target = Spy(evaluator("invented_a"))
    current = steps(INVENTED.model_copy(update={"seed": seed}))
    principles = current.learn(current.build_archive(evaluator(INVENTED.source.task)))
    _, evaluations = TargetSearch(current, target).run(principles)
    assert len(set(target.asked)) == len(target.asked) == len(evaluations) <= INVENTED.budget
    tiny = SPACE.restrict(operators={name: ["nor_conv_3x3"] for name in SPACE.layer_names})
    searcher = RandomSearch(tiny, seed=seed)
    assert len(search(searcher, target.evaluate, budget=5, ask_size=5)) == 1
    assert searcher.repeats > 0


def test_decision_4_base_starts_at_minus_infinity_so_a_loss_can_improve() -> None:
    update, explore = (lambda p, top: "updated"), (lambda p: f"explored from {p}")
    first = algorithm_2("P", -math.inf, -3.5, [], r=5, update=update, explore=explore)
    assert first == ("updated", -3.5)
    # From the current principles, not the source's; the scripts' rule is a named variant.
    assert algorithm_2("P2", -3.5, -4.0, [], r=5, update=update, explore=explore) == ("explored from P2", -3.5)
    tie = algorithm_2("P2", -3.5, -3.5, [], r=5, update=update, explore=explore, rule="scripts")
    assert tie == ("explored from P2", -3.5)


def test_decision_5_budgets_are_table_1s() -> None:
    assert load_pipeline("nas201").budget == 20
    assert load_pipeline("trans101").budget == 50
    assert [load_pipeline("nas201").search.budget(g) for g in (1, 2, 3)] == [10, 5, 5]


def on(data: Path | None = None, processes: int | None = None) -> Execution:
    return Execution(store="unused", data=data and str(data), processes=processes)


def test_decision_6_a_hit_is_the_top_tenth_of_a_percent_and_a_miss_counts_as_budget_plus_one(real_data: Path) -> None:
    comparison = Comparison(
        "nas201",
        with_controls(load_pipeline("nas201")),
        seeds=4,
        methods=["random_subspace", "random"],
        execution=on(real_data),
    )
    rows = {(r.method, r.target, r.quantity): r for r in comparison.run().rows}
    for task in ("cifar10", "cifar100"):
        archs, hits = rows["random_subspace", task, "archs_to_top_0.1%"], rows["random_subspace", task, "hit_rate"]
        assert archs.budget == 20
        assert archs.censored == 4 - 4 * (hits.mean or 0)
        assert archs.censored > 0
        assert archs.q75 == 21
        assert rows["random", task, "archs_to_top_0.1%"].budget == 500
        assert ("random", task, "archs_to_best_if_found") in rows  # the scripts' rule under its own name


def test_decision_6_sixteen_cells_count_as_top(real_data: Path) -> None:
    bench = Bench(load_pipeline("nas201"), on(real_data))
    for task in ("cifar10", "cifar100"):
        column = bench.benchmark.scores(task)
        assert np.count_nonzero(column >= top_threshold(column)) == 16


def test_decision_7_rank_is_one_plus_the_strictly_better() -> None:
    column = invented_table().column("invented_a")
    assert rank(float(column.max()), column) == 1
    assert rank(float(np.sort(column)[-3]), column) == 3


def test_decision_8_controls_without_an_llm_stand_in_every_comparison() -> None:
    default = Comparison("nas201", with_controls(INVENTED), seeds=1, execution=on(), published=TABLE_2.rows)
    controls = ["source_ranking", "mode", "source_predictor", "random_subspace"]
    assert list(default.methods) == ["lapt-rea", "rea", "random", *controls]


def test_decision_9_workers_are_scheduling_alone_and_the_ask_size_is_configuration() -> None:
    one, two = (
        Comparison(
            "invented", with_controls(INVENTED), seeds=2, methods=["lapt-rea", "rea", "mode"], execution=on(processes=n)
        ).run()
        for n in (1, 2)
    )
    assert one.rows == two.rows
    asked_singly = INVENTED.model_copy(update={"search": INVENTED.search.model_copy(update={"ask_size": 1})})
    assert run_id(asked_singly, "data") != run_id(INVENTED, "data")
    assert run_id(Pipeline.model_validate(json.loads(INVENTED.model_dump_json())), "data") == run_id(INVENTED, "data")
