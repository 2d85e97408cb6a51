"""Successive halving: ASHA's rule by hand, budgets in epochs, and what a search method is told."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lapt.evaluation import Evaluation, Metric
from lapt.search import SEARCHERS, Searcher
from lapt.search.halving import Fidelity, Halving, Rungs, kept
from lapt.search.methods.model_free import LocalSearch, RandomSearch, RegularizedEvolution
from lapt.spaces import BUILTIN, Architecture

SPACE = BUILTIN["trans101"]
ACCURACY, LOSS = Metric("accuracy", "%"), Metric("cross_entropy", higher_is_better=False)


def test_asha_by_hand_with_a_third_kept() -> None:
    """Li et al. 2020, Algorithm 2, with eta 3: the highest rung that has somebody to promote comes first."""
    halving = Halving(3, 1 / 3)
    for name, score in (("a", 1.0), ("b", 3.0)):
        halving.told(name, 0, score)
    assert halving.next() is None  # a third of two is none
    halving.told("c", 0, 2.0)
    assert halving.next() == ("b", 1)
    halving.promote("b", 1)
    assert halving.next() is None
    halving.told("d", 0, 5.0)
    # A third of four is one, and that is d now: b went up all the same, before anybody knew.
    assert halving.next() == ("d", 1)
    halving.promote("d", 1)
    halving.told("b", 1, 9.0)
    halving.told("d", 1, 8.0)
    for name, score in (("e", 4.0), ("f", 0.0)):
        halving.told(name, 0, score)
    assert halving.next() == ("e", 1)  # of six the best two, d and e; d has gone up
    halving.promote("e", 1)
    assert halving.next() is None
    halving.told("e", 1, 7.0)
    assert halving.next() == ("b", 2)  # from the rung above, which comes first
    halving.promote("b", 2)
    assert halving.next() is None


def test_a_failure_is_never_promoted_and_equals_go_in_the_order_told() -> None:
    halving = Halving(2, 0.5)
    halving.told("a", 0, -math.inf)
    halving.told("b", 0, -math.inf)
    assert halving.next() is None
    halving.told("c", 0, 1.0)
    halving.told("d", 0, 1.0)
    assert halving.next() == ("c", 1)
    halving.promote("c", 1)
    assert halving.next() == ("d", 1)


@given(st.integers(0, 10_000), st.integers(2, 100))
def test_a_hundredth_kept_of_so_many_hundreds_is_exact(hundreds: int, share: int) -> None:
    assert kept(100 * hundreds, share / 100) == hundreds * share


def test_gains_are_means_of_pairs_summed_over_the_rungs() -> None:
    halving = Halving(3, 0.5)
    for name, score in (("a", 10.0), ("b", 20.0), ("c", 30.0)):
        halving.told(name, 0, score)
    assert halving.gain(0) == 0.0
    halving.told("b", 1, 24.0)
    halving.told("c", 1, 36.0)
    halving.told("c", 2, 37.0)
    assert halving.gain(2) == 0.0
    assert halving.gain(1) == 1.0
    assert halving.gain(0) == (4 + 6) / 2 + 1


@pytest.mark.parametrize(
    ("epochs", "keep", "word"),
    [((3, 3), 0.33, "rise"), ((9, 3), 0.33, "rise"), ((0, 3), 0.33, "rise"), ((3,), 0.3, "at least 2"),
     ((1, 3), 0.0, "greater than 0"), ((1, 3), 1.0, "less than 1")],
)  # fmt: skip
def test_wrong_rungs_and_shares_are_refused(epochs: tuple[int, ...], keep: float, word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        Fidelity(epochs=epochs, keep=keep)


def test_the_least_budget_by_hand() -> None:
    # One on the last rung needs 3 of 9 epochs there, these 9 begun: 9 x 1 + 3 x 2 + 1 x 6 = 21 epochs, 2 1/3 trainings.
    assert Fidelity(epochs=(1, 3, 9), keep=1 / 3).least == 3
    # With 0.33 it is 4 and 13: 13 + 8 + 6 = 27.
    assert Fidelity(epochs=(1, 3, 9), keep=0.33).least == 3
    assert Fidelity(epochs=(5, 10), keep=0.5).least == 2


class Curves:
    """Scores that are a function of architecture and epochs, and the epochs that they cost."""

    def __init__(self, metric: Metric = ACCURACY) -> None:
        self.metric = metric
        self.reached: dict[str, int] = {}
        self.epochs = 0
        self.calls: list[tuple[str, int]] = []

    def score(self, architecture: Architecture, epochs: int) -> float:
        convolutions = sum(operator == "nor_conv_3x3" for operator in architecture.operators)
        return 10.0 * convolutions + epochs

    def __call__(self, architectures: Sequence[Architecture], epochs: int) -> list[Evaluation]:
        found = []
        for architecture in architectures:
            name = SPACE.encode(architecture)
            before = self.reached.get(name, 0)
            assert before < epochs
            self.epochs += epochs - before
            self.reached[name] = epochs
            self.calls.append((name, epochs))
            value = self.score(architecture, epochs)
            if not self.metric.higher_is_better:
                value = -value
            found.append(Evaluation(architecture, name, value, self.metric))
        return found


def by_rungs(
    fidelity: Fidelity, budgets: Sequence[int], ask_size: int = 1, metric: Metric = ACCURACY
) -> tuple[Rungs, Curves, list[Evaluation]]:
    rungs, curves, found = Rungs(fidelity, SPACE.encode), Curves(metric), []
    for g, budget in enumerate(budgets):
        searcher = RandomSearch(SPACE, seed=g)
        found += rungs.search(searcher, curves, budget=budget, ask_size=ask_size)
    return rungs, curves, found


@given(
    st.sets(st.integers(1, 30), min_size=2, max_size=4).map(sorted),
    st.sampled_from([0.2, 0.33, 0.5, 0.75]),
    st.lists(st.integers(1, 12), min_size=1, max_size=3),
    st.integers(1, 6),
)
def test_no_epoch_is_trained_twice_and_the_budget_holds(
    epochs: list[int], keep: float, budgets: list[int], ask_size: int
) -> None:
    fidelity = Fidelity(epochs=tuple(epochs), keep=keep)
    rungs, curves, found = by_rungs(fidelity, budgets, ask_size)
    assert rungs.spent == curves.epochs == sum(curves.reached.values())
    assert rungs.spent <= sum(budgets) * fidelity.whole
    # Nobody skips a rung, and what is returned are the scores of the last one.
    assert len(curves.calls) == len(set(curves.calls)) == sum(rungs.counts)
    assert [e.identity for e in found] == [name for name, at in curves.calls if at == fidelity.whole]
    assert list(rungs.counts) == sorted(rungs.counts, reverse=True)


def test_what_is_left_of_an_iteration_is_spent_by_the_next() -> None:
    fidelity = Fidelity(epochs=(1, 3, 9), keep=0.33)
    rungs, _, _ = by_rungs(fidelity, [4, 4, 4])
    assert 12 * 9 - rungs.spent < fidelity.added(2)


def test_other_architectures_count_for_their_score_and_the_mean_gain() -> None:
    """Here every training gains one a epoch, so with the gain each counts for its very score after the last."""
    for metric, sign in ((ACCURACY, 1), (LOSS, -1)):
        rungs, curves, found = by_rungs(Fidelity(epochs=(1, 3, 9), keep=0.33), [10], metric=metric)
        assert found
        assert len(rungs.comparable) == len(curves.reached)
        for evaluation in rungs.comparable:
            assert evaluation.value == pytest.approx(sign * curves.score(evaluation.architecture, 9))


def test_a_method_knows_each_architecture_once_by_its_latest_score() -> None:
    fidelity, curves = Fidelity(epochs=(1, 3, 9), keep=0.33), Curves()
    for method in ("random", "rea", "local_search", "gp"):
        rungs, curves = Rungs(fidelity, SPACE.encode), Curves()
        searcher: Searcher = SEARCHERS[method](SPACE, seed=0)
        rungs.search(searcher, curves, budget=8, ask_size=3)
        told = {SPACE.encode(evaluation.architecture): evaluation for evaluation in searcher.history}
        assert len(told) == len(searcher.history) == len(curves.reached)
        assert not searcher.pending
        assert told == {SPACE.encode(e.architecture): e for e in rungs.comparable}


def test_corrected_members_keep_their_place_in_the_population() -> None:
    a, b, c = (SPACE.decode(SPACE.encode(member)) for member in list(SPACE.members())[:3])
    rea = RegularizedEvolution(SPACE, seed=0, population_size=2)
    rea.tell([Evaluation(one, SPACE.encode(one), 1.0, ACCURACY) for one in (a, b, c)])
    kept_members = [evaluation.architecture for evaluation in rea.population]
    rea.correct([Evaluation(a, SPACE.encode(a), 9.0, ACCURACY), Evaluation(kept_members[0], "", 5.0, ACCURACY)])
    assert [evaluation.architecture for evaluation in rea.population] == kept_members
    assert 5.0 in [evaluation.value for evaluation in rea.population]


def test_local_search_stays_where_it_is_when_its_score_is_corrected() -> None:
    a, b = list(SPACE.members())[:2]
    local = LocalSearch(SPACE, seed=0)
    local.tell([Evaluation(a, "", 5.0, ACCURACY)])
    local.correct([Evaluation(a, "", 3.0, ACCURACY)])
    assert local.current is not None
    assert local.current.value == 3.0
    local.correct([Evaluation(b, "", 4.0, ACCURACY)])
    assert local.current.architecture == b
