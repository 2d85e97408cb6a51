"""Search: what regularized evolution does with its population, repeats and identities, controls without an LLM."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapt.archive import best_of_random
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, Metric
from lapt.pipeline.controls import InOrder, by_frequency, random_subspace
from lapt.search import Searcher
from lapt.search.loop import search
from lapt.search.methods.model_free import RandomSearch, RegularizedEvolution
from lapt.spaces import BUILTIN, Architecture, SearchSpace

SPACE = BUILTIN["nas201"]
SMALL = SPACE.restrict(operators={name: ["nor_conv_3x3", "none"] for name in SPACE.layer_names[:3]}).restrict(
    operators={name: ["skip_connect"] for name in SPACE.layer_names[3:]}
)
ACCURACY, LOSS = Metric("accuracy", "%"), Metric("loss", higher_is_better=False)


def convolutions(architecture: Architecture) -> float:
    return float(architecture.operators.count("nor_conv_3x3"))


def told(space: SearchSpace, architecture: Architecture, value: float | None, metric: Metric = ACCURACY) -> Evaluation:
    return Evaluation(architecture, space.encode(architecture), value, metric)


def evaluate(space: SearchSpace, metric: Metric = ACCURACY) -> Callable[[list[Architecture]], list[Evaluation]]:
    sign = 1 if metric.higher_is_better else -1
    return lambda asked: [told(space, a, sign * convolutions(a), metric) for a in asked]


@pytest.mark.parametrize("metric", [ACCURACY, LOSS])
def test_evolution_beats_random_in_both_metric_directions(metric: Metric) -> None:
    def mean_best(method: type[Searcher]) -> float:
        runs = [search(method(SPACE, seed=seed), evaluate(SPACE, metric), budget=60, ask_size=5) for seed in range(20)]
        return float(np.mean([max(e.score for e in run) for run in runs]))

    assert mean_best(RegularizedEvolution) > mean_best(RandomSearch) + 0.3


def test_asking_before_telling_fills_the_population_uniformly() -> None:
    evolution = RegularizedEvolution(SPACE, seed=0, population_size=5)
    assert len(set(evolution.ask(12))) == 12
    assert not evolution.population


def test_the_oldest_leaves_whatever_its_score() -> None:
    evolution = RegularizedEvolution(SPACE, seed=0, population_size=3, tournament_size=3)
    first, *rest = evolution.ask(4)
    evolution.tell([told(SPACE, first, 99.0), *(told(SPACE, a, float(i)) for i, a in enumerate(rest))])
    assert [evaluation.architecture for evaluation in evolution.population] == rest


def test_earlier_evaluations_found_the_population_with_their_best() -> None:
    cells = RandomSearch(SPACE, seed=0).ask(8)
    evolution = RegularizedEvolution(SPACE, seed=0, population_size=3, tournament_size=3)
    evolution.tell([told(SPACE, cell, value) for cell, value in zip(cells, [5, 1, 9, 2, None, 7, 3, 0], strict=True)])
    assert [evaluation.value for evaluation in evolution.population] == [5, 7, 9]


def test_a_full_tournament_mutates_the_best_of_the_population() -> None:
    evolution = RegularizedEvolution(SPACE, seed=1, population_size=5, tournament_size=5)
    asked = evolution.ask(5)
    evolution.tell([told(SPACE, a, float(i == 2)) for i, a in enumerate(asked)])
    for child in evolution.ask(10):
        assert child in set(SPACE.neighbours(asked[2]))


def test_a_tournament_larger_than_the_population_is_refused() -> None:
    with pytest.raises(ConfigError, match="tournament_size"):
        RegularizedEvolution(SPACE, seed=0, population_size=2, tournament_size=3)


def test_repeats_are_counted() -> None:
    searcher = RandomSearch(SMALL, seed=0)
    searcher.ask(8)
    assert searcher.repeats > 0
    before = searcher.repeats
    assert searcher.ask(1) == []
    assert searcher.repeats > before


def test_identity_decides_what_is_a_repeat() -> None:
    canonical = RandomSearch(SMALL, seed=0, identity=lambda a: SPACE.encode(SPACE.canonical(a)))
    distinct = {SPACE.canonical(a) for a in SMALL.members()}
    assert len(canonical.ask(100)) == len(distinct) < SMALL.size


def test_an_archive_larger_than_what_differs_is_refused() -> None:
    class Canonical:
        task, metric, fingerprint = "t", ACCURACY, "f"

        def identity(self, architecture: Architecture) -> str:
            return SPACE.encode(SPACE.canonical(architecture))

        def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
            return evaluate(SMALL)(list(architectures))

        def test(self, architecture: Architecture) -> float | None:
            return None

    distinct = len({SPACE.canonical(a) for a in SMALL.members()})
    assert len(best_of_random(SMALL, Canonical(), 2, distinct, seed=0).asked) == distinct
    with pytest.raises(ConfigError, match=f"at most {distinct} samples"):
        best_of_random(SMALL, Canonical(), 2, distinct + 1, seed=0)


def test_in_order_asks_in_the_order_given_then_the_rest() -> None:
    order = list(SMALL.members())[::-1][:3]
    asked = InOrder(SMALL, order).ask(8)
    assert asked[:3] == order
    assert set(asked) == set(SMALL.members())


def test_mode_starts_with_the_most_frequent_operators(nasbench201_archive: object) -> None:
    from lapt.archive import Archive

    assert isinstance(nasbench201_archive, Archive)
    first = by_frequency(SPACE, nasbench201_archive)[0]
    for position, operator in enumerate(first.operators):
        counts = [entry.architecture.operators[position] for entry in nasbench201_archive.entries]
        assert counts.count(operator) == max(counts.count(other) for other in counts)


@given(st.integers(0, 1000))
def test_a_random_subspace_has_the_size_of_its_model(seed: int) -> None:
    assert random_subspace(SPACE, SMALL, np.random.default_rng(seed)).size == SMALL.size
