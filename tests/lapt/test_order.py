"""Pipelines whose principles order the whole space, in place of cutting it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest

from lapt.archive import Archive
from lapt.evaluators import TableEvaluator
from lapt.pipeline.config import Pipeline, load_pipeline
from lapt.pipeline.results import RunResult, TargetResult
from lapt.pipeline.steps import Steps
from lapt.pipeline.target import TargetSearch
from lapt.pipeline.wording import advice
from lapt.reasoning import Frequency, Patterns, Reasoner
from lapt.reasoning.expectation import advisers_of
from lapt.search.alarm import ENOUGH, REFUTED, opposition
from lapt.search.searcher import Refuted, Weighed
from lapt.spaces import BUILTIN
from lapt.testing.invented import invented_table

SPACE = BUILTIN["nas201"]
ORDER = ["refinement=order", "search.method=gp", "controls=[]", "source.archive.size=20"]


def steps_of(*more: str, reasoner: Reasoner | None = None) -> tuple[Pipeline, Steps]:
    pipeline = load_pipeline("invented", [*ORDER, *more])
    return pipeline, Steps(pipeline, SPACE, reasoner or Patterns())


def evaluator(task: str) -> TableEvaluator:
    return TableEvaluator(invented_table(), SPACE, task)


def archive(pipeline: Pipeline, steps: Steps) -> Archive:
    return steps.build_archive(evaluator(pipeline.source.task))


@pytest.mark.parametrize("method", ["gp", "rea", "random"])
def test_nothing_is_cut_and_the_whole_budget_is_spent(method: str) -> None:
    pipeline, steps = steps_of(f"search.method={method}")
    learned = steps.learn(archive(pipeline, steps))
    search = TargetSearch(steps, evaluator(pipeline.targets[0]))
    found, evaluations = search.run(learned)
    assert steps.refine(learned, task="any") is SPACE
    assert search.space_size == SPACE.size
    assert len(evaluations) == len({e.identity for e in evaluations}) == pipeline.budget
    assert found is not None
    assert [one.adviser for one in search.advice] == ["experts", pipeline.source.task]
    assert all(0 <= one.doubt <= 1 for one in search.advice)


def test_advisers_are_tasks_experts_or_the_reasoner_and_never_the_target() -> None:
    pipeline, steps = steps_of()
    read = archive(pipeline, steps)
    learned = steps.learn(read)
    source = pipeline.source.task
    assert [one.name for one in advisers_of(SPACE, learned, task="t")] == ["experts", source]
    assert [one.name for one in advisers_of(SPACE, learned, task=source)] == ["experts"]
    counted = Frequency().learn(SPACE, read)
    assert [one.name for one in advisers_of(SPACE, counted, task="t")] == ["frequency"]
    draws = counted.model_copy(
        update={
            "principles": tuple(
                principle.model_copy(update={"draws": (at % 2,)}) for at, principle in enumerate(counted.principles)
            )
        }
    )
    assert [one.name for one in advisers_of(SPACE, draws, task="t")] == ["draw 1", "draw 2"]


def test_the_default_cuts_as_the_paper_does_and_leaves_no_trace() -> None:
    plain = load_pipeline("invented")
    assert plain.refinement == "product"
    assert "refinement" not in plain.model_dump(mode="json")
    ordered = load_pipeline("invented", ["refinement=order"])
    assert Pipeline.model_validate(ordered.model_dump(mode="json")) == ordered


@pytest.mark.parametrize("refinement", ["order", "product"])
def test_an_adviser_is_told_of_once_as_soon_as_the_scores_turn_against_it(refinement: str) -> None:
    """Principles learned from the worst of the source, so that what they praise is bad."""

    class Heard(TargetSearch):
        told: ClassVar[list[tuple[str, int, int]]] = []

        def refute(self, of: Refuted, statements: Sequence[str]) -> None:
            assert of.against > REFUTED
            assert "architectures of invented_source" in statements[-1]
            self.told.append((of.adviser, of.evaluations, len(statements)))

    worst = "source.archive={strategy: worst, size: 50}"
    pipeline, steps = steps_of(worst, f"refinement={refinement}", reasoner=Patterns(knowledge=0.0))
    learned = steps.learn(archive(pipeline, steps))
    search = Heard(steps, evaluator(pipeline.targets[0]))
    search.run(learned)
    ((adviser, evaluations, statements),) = search.told
    assert [(one.adviser, one.evaluations) for one in search.refuted] == [(adviser, evaluations)]
    assert adviser == pipeline.source.task
    assert ENOUGH <= evaluations <= pipeline.budget
    assert statements >= 1
    search.told.clear()


def test_a_search_goes_on_without_refuted_advisers() -> None:
    worst = "source.archive={strategy: worst, size: 50}"
    pipeline, steps = steps_of(worst, "refinement=product", "search.population_size=10", reasoner=Patterns())
    learned = steps.learn(archive(pipeline, steps))
    task = pipeline.targets[0]
    whole = steps.refine(learned, task=task)
    source, experts = (frozenset({name}) for name in (pipeline.source.task, "experts"))
    one_left = steps.refine(learned, task=task, without=source)
    assert one_left != whole
    assert one_left.size <= 0.015 * SPACE.size
    alone = Patterns(evidence=False).learn(SPACE, archive(pipeline, steps))
    assert one_left == Patterns(evidence=False).translate(SPACE, alone, task=task)
    assert steps.refine(learned, task=task, without=source | experts) is SPACE
    assert steps.prior(learned, None, task=task, without=source | experts).expects is None
    assert steps.prior(learned, None, task=task, without=source).expects is not None
    search = TargetSearch(steps, evaluator(task))
    search.run(learned)
    assert source <= {known.adviser for known in search.refuted}


def test_the_probability_of_a_weight_of_nothing_by_hand() -> None:
    """Expectations of 1 and -1, ten of each, and scores that follow them, their negative, or neither."""
    expected = np.repeat([1.0, -1.0], 10)
    assert opposition(expected, expected) < 0.001
    assert opposition(expected, -expected) > 0.999
    neither = np.tile([1.0, -1.0], 10)
    assert 0.05 < opposition(expected, neither) < 0.5  # the prior leans to a weight above 0
    assert opposition(expected, 5 * expected + 3) == pytest.approx(opposition(expected, expected))


def test_a_guided_start_is_as_long_as_a_random_one_would_be() -> None:
    for method, first in (("gp", 5), ("rea", 4)):
        pipeline, steps = steps_of(f"search.method={method}", "search.population_size=4")
        learned = steps.learn(archive(pipeline, steps))
        chosen = steps.first(SPACE, learned, evaluator(pipeline.targets[0]), ())
        assert len(set(map(SPACE.canonical, chosen))) == len(chosen) == first


def test_advice_that_does_not_hold_is_said() -> None:
    target = TargetResult(
        task="t", architecture="a", validation=1.0, metric="m", unit="", higher_is_better=True, evaluations=12,
        paid_now=12, seconds=0.0, repeats=0, space_size=9,
        advice=(Weighed("experts", 0.4, 0.2), Weighed("source", -0.1, 0.93)), refuted=(Refuted("source", 0.97, 10),),
    )  # fmt: skip
    result = RunResult(run_id="r", pipeline="p", store="s", targets=(target,))
    said = list(advice(result))
    assert said == [
        "t, weights of advice after 12 evaluations: experts 0.40, source -0.10.",
        "t: the principles of source do not hold here: P(weight <= 0) = 0.97 after 10 evaluations.",
    ]
    assert RunResult.model_validate_json(result.model_dump_json()) == result
    quiet = target.model_copy(update={"advice": (), "refuted": ()})
    assert not {"advice", "refuted"} & quiet.model_dump(mode="json").keys()
    assert list(advice(result.model_copy(update={"targets": (quiet,)}))) == []
