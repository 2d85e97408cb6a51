"""The reasoner that looks at what cells compute: what it must see, what it must not, and what it makes of it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from small_archives import SPACE, archive, cell, evaluations

from lapt.archive import Archive, best_of_all
from lapt.base.statistics import rank
from lapt.conditions.cells import Cells
from lapt.evaluators import Table, TableEvaluator
from lapt.principles import EXPERTS_SAY, Principles
from lapt.reasoning import Frequency, Patterns
from lapt.reasoning.expectation import background, expectation_of, names
from lapt.reasoning.experts.grounding import applying
from lapt.reasoning.experts.principle import experts_in
from lapt.reasoning.ordering import most_promising
from lapt.reasoning.patterns import separating
from lapt.spaces import BUILTIN

TRANS101 = BUILTIN["trans101"]
EXPERTS = experts_in("lapt.families.dag.experts")
MEMBERS = list(SPACE.members())
GOOD = ("3n3s33", "33ns11", "333s33", "313s31", "3n1s13")
"""A skip from input to output, 3x3 on the first edge."""


def from_data(*cells: str, knowledge: float = 0.0, **parameters: float) -> Principles:
    return Patterns(knowledge=knowledge, **parameters).learn(SPACE, archive(*cells))


def expected(principles: Principles, *cells: str) -> list[float]:
    return list(expectation_of(SPACE, principles)([cell(letters) for letters in cells]))


def test_expectations_have_mean_zero_and_deviation_one_over_the_space() -> None:
    for principles in (from_data(*GOOD), from_data(*GOOD, knowledge=1.0), Frequency().learn(SPACE, archive(*GOOD))):
        values = expectation_of(SPACE, principles)(MEMBERS)
        assert values.mean() == pytest.approx(0, abs=1e-9)
        assert values.std() == pytest.approx(1)


def test_what_good_cells_share_is_expected_of_good_cells() -> None:
    principles = from_data(*GOOD)
    good = expected(principles, *GOOD)
    assert min(good) > np.quantile(expectation_of(SPACE, principles)(MEMBERS), 0.95)
    assert expected(principles, "nnnnnn")[0] < min(good)


def test_cells_that_compute_the_same_are_expected_alike() -> None:
    principles = from_data(*GOOD)
    one, dead_edge, other_path = expected(principles, "3nnn3n", "3n3n3n", "n3nnn3")
    assert one == pytest.approx(dead_edge)
    assert one == pytest.approx(other_path)  # a chain of two convolutions over node 1 or over node 2


def test_one_function_written_often_counts_once() -> None:
    """All but one of these are the chain of two convolutions, with other operators on an edge that leads nowhere."""
    chain = ("3nnn3n", "3nsn3n", "3n1n3n", "3n3n3n", "3npn3n")
    often, once = from_data(*chain, "pppppp"), from_data(chain[0], "pppppp")
    assert often.principles[0].patterns == once.principles[0].patterns
    assert Frequency(max_operators=1).learn(SPACE, archive(*chain, "pppppp")).candidates("operator", "keep") != (
        Frequency(max_operators=1).learn(SPACE, archive(chain[0], "pppppp")).candidates("operator", "keep")
    )


def test_the_regression_finds_the_feature_that_separates() -> None:
    rng = np.random.default_rng(0)
    space = rng.normal(size=(500, 4))
    weights = separating(space[space[:, 2] > 1], space)
    assert np.argmax(np.abs(weights)) == 2
    assert weights[2] > 0
    assert (space @ weights).std() == pytest.approx(1)
    assert not separating(np.zeros((3, 4)), np.zeros((50, 4))).any()


@pytest.mark.parametrize("breadth", [0.01, 0.05, 0.3, 1.0])
def test_the_refined_space_has_the_breadth_and_lies_above_its_space(breadth: float) -> None:
    principles = from_data(*GOOD, breadth=breadth)
    refined = Patterns().translate(SPACE, principles, task="target")
    assert 0 < refined.size <= breadth * SPACE.size
    values = expectation_of(SPACE, principles)(list(refined.members()))
    assert values.mean() > 1 or breadth >= 0.3
    if breadth == 1.0:
        assert refined == SPACE


def test_the_most_promising_space_by_hand() -> None:
    """Only the first edge matters: nothing else is left out before its worse half."""
    first = np.array([SPACE.layers[0].operators.index(m.operators[0]) for m in background(SPACE).members])
    kept = most_promising(SPACE, first.astype(float), 0.4)
    assert kept.layers[0].operators == SPACE.layers[0].operators[3:]
    assert [layer.operators for layer in kept.layers[1:]] == [layer.operators for layer in SPACE.layers[1:]]


def test_adaptations_widen_the_space_and_hear_the_target() -> None:
    reasoner = Patterns(breadth=0.01, growth=3)
    learned = reasoner.learn(SPACE, archive(*GOOD))
    updated = reasoner.update(SPACE, learned, evaluations("pppppp", "ppppp1", "pppp1p"), task="target")
    explored = reasoner.explore(SPACE, learned, task="target")
    assert (learned.breadth, updated.breadth, explored.breadth) == (0.01, 0.03, pytest.approx(0.09))
    assert (updated.version, updated.parent, updated.origin.step) == (2, learned.id, "update")
    assert (explored.parent, explored.origin.step) == (learned.id, "explore")
    sizes = [reasoner.translate(SPACE, p, task="target").size for p in (learned, updated, explored)]
    assert sizes[0] < sizes[1] < sizes[2]
    assert expected(updated, "pppppp")[0] > expected(learned, "pppppp")[0] + 0.5
    again = reasoner.update(SPACE, updated, evaluations("pppppp", "ppppp1", "pppp1p"), task="target")
    assert {p.task for x in again.principles for p in x.patterns} == {"source", "target", EXPERTS_SAY}
    assert expected(again, "pppppp") == pytest.approx(expected(updated, "pppppp"))  # counted again, not twice
    wide = learned
    for _ in range(6):
        wide = reasoner.explore(SPACE, wide, task="target")
    assert reasoner.translate(SPACE, wide, task="target") == SPACE


def test_experts_stand_with_their_sources_and_can_be_left_out() -> None:
    with_experts, without = from_data(*GOOD, knowledge=1.0), from_data(*GOOD)
    said = [p for p in with_experts.principles if p.rationale]
    assert [p.statement for p in said] == [expert.statement for expert in EXPERTS]
    assert all(expert.source in p.rationale for p, expert in zip(said, EXPERTS, strict=True))
    assert not [p for p in without.principles if p.rationale]
    assert len(applying(TRANS101)) == len(EXPERTS) - 1  # it has no pooling to avoid
    assert set(names(SPACE)) >= {p.feature for x in with_experts.principles for p in x.patterns}


def test_experts_alone_say_the_same_whatever_the_source_is() -> None:
    alone = Patterns(evidence=False)
    one, other = (alone.learn(SPACE, archive(*cells)) for cells in (GOOD, ("pppppp", "ppppp1")))
    assert expected(one, *GOOD, "pppppp") == expected(other, *GOOD, "pppppp")
    assert alone.translate(SPACE, one, task="t") == alone.translate(SPACE, other, task="t")
    heard = alone.update(SPACE, one, evaluations("pppppp", "ppppp1"), task="target")
    assert expected(heard, "pppppp")[0] > expected(one, "pppppp")[0]


def test_support_is_the_share_of_the_functions_read_against_that_of_the_space() -> None:
    residual = next(p for p in from_data(*GOOD, knowledge=1.0).principles if "skips" in p.statement)
    assert residual.support == 1.0
    assert residual.chance(SPACE) == pytest.approx(
        EXPERTS[2].holds(Cells.of(SPACE, MEMBERS)).mean(),
        abs=1e-4,
    )


def test_principles_are_data_that_survive_writing_and_pickling() -> None:
    principles = from_data(*GOOD, knowledge=1.0)
    again = Principles.model_validate_json(principles.model_dump_json())
    assert again == principles
    assert Patterns().translate(SPACE, again, task="t") == Patterns().translate(SPACE, principles, task="t")
    expectation = expectation_of(SPACE, principles)
    cells = [cell("3n3s33"), cell("pppppp")]
    assert list(pickle.loads(pickle.dumps(expectation))(cells)) == list(expectation(cells))


def test_principles_of_another_space_are_carried_over() -> None:
    carried = from_data(*GOOD, knowledge=1.0).onto(TRANS101)
    assert carried.breadth == Patterns().breadth
    assert Patterns().translate(TRANS101, carried, task="t").size < TRANS101.size
    values = expectation_of(TRANS101, carried)(
        [TRANS101.decode("64-41414-3_33_133"), TRANS101.decode("64-41414-0_00_000")]
    )
    assert values[0] > values[1]


def test_from_the_real_archive_of_jigsaw_patterns_refine_better_than_counting(transnas101: Table) -> None:
    """Share of the best 1 % in the refined space against chance, on the two tasks that it was tuned on."""
    read = best_of_all(TRANS101, TableEvaluator(transnas101, TRANS101, "jigsaw"), 50)

    def lift(reasoner: Patterns | Frequency, task: str) -> float:
        refined = reasoner.translate(TRANS101, reasoner.learn(TRANS101, read), task=task)
        column = transnas101.column(task)
        scores = [e.score for e in TableEvaluator(transnas101, TRANS101, task).evaluate(list(refined.members()))]
        return float(np.mean([rank(score, column) <= 41 for score in scores])) * 100

    for task in ("class_object", "room_layout"):
        assert lift(Patterns(), task) > 3
        assert lift(Patterns(), task) > 2 * lift(Frequency(max_operators=2), task)


def test_an_archive_of_one_cell_is_enough() -> None:
    entries = evaluations("333333")
    principles = Patterns().learn(SPACE, Archive(SPACE, "source", entries, entries, 1))
    assert Patterns().translate(SPACE, principles, task="t").size > 0
    assert expected(principles, "333333")[0] > 0
