"""Front, hypervolume and its expected gain for a score and a known cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapt.search.models.hypervolume import Staircase, front_of, hypervolume

POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12)


def columns(points: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    scores, costs = zip(*points, strict=True)
    return np.array(scores, dtype=float), np.array(costs, dtype=float)


def test_three_points_by_hand() -> None:
    """Scores 1, 3, 4 at costs 1, 2, 5, reference (0, 6): 1 x 1 + 3 x 3 + 4 x 1 = 14. Others lie behind them."""
    scores, costs = np.array([4.0, 1.0, 2.0, 3.0, 3.0, 9.0]), np.array([5.0, 1.0, 3.0, 2.0, 4.0, 7.0])
    assert front_of(scores[:-1], costs[:-1]) == [1, 3, 0]
    assert hypervolume(scores, costs, (0, 6)) == 14
    assert hypervolume(scores, costs, (2, 4)) == 1 * 2
    assert hypervolume(scores, costs, (4, 6)) == 0


def test_of_equal_points_the_first_is_on_the_front() -> None:
    assert front_of(np.array([1.0, 1.0, 2.0, 2.0]), np.array([1.0, 1.0, 1.0, 3.0])) == [2]
    assert front_of(np.array([2.0, 2.0]), np.array([1.0, 1.0])) == [0]


@given(POINTS)
def test_the_front_is_what_nothing_dominates(points: list[tuple[int, int]]) -> None:
    scores, costs = columns(points)
    front = front_of(scores, costs)

    def dominated(at: int) -> bool:
        no_worse = (scores >= scores[at]) & (costs <= costs[at])
        return bool((no_worse & ((scores > scores[at]) | (costs < costs[at]))).any())

    assert {(scores[at], costs[at]) for at in front} == {
        (scores[at], costs[at]) for at in range(len(points)) if not dominated(at)
    }
    assert list(costs[front]) == sorted(costs[front])


@given(POINTS)
def test_the_area_is_that_of_the_cells_that_are_dominated(points: list[tuple[int, int]]) -> None:
    """On a grid of whole numbers: cell (s, c) is dominated if a point has more than s at c or less."""
    scores, costs = columns(points)
    cells = sum(bool(((scores > s) & (costs <= c)).any()) for s in range(2, 12) for c in range(8))
    assert hypervolume(scores, costs, (2, 8)) == cells


@given(POINTS, st.integers(0, 9), st.integers(0, 12))
def test_without_doubt_the_expected_gain_is_the_gain(points: list[tuple[int, int]], score: int, cost: int) -> None:
    scores, costs = columns(points)
    steps = Staircase.of(scores, costs, (1, 10))
    gain = hypervolume(np.append(scores, score), np.append(costs, cost), (1, 10)) - steps.area
    sure = steps.expected_gain(np.array([float(score)]), np.array([1e-9]), np.array([float(cost)]))
    assert sure[0] == pytest.approx(gain, abs=1e-6)


def test_the_expected_gain_is_the_mean_of_gains() -> None:
    rng = np.random.default_rng(0)
    scores, costs = rng.uniform(0, 5, 8), rng.uniform(0, 5, 8)
    steps, reference = Staircase.of(scores, costs, (0.5, 5)), (0.5, 5)
    mean, deviation, at = np.array([2.0, 4.5]), np.array([1.5, 0.7]), np.array([0.4, 3.0])
    exact = steps.expected_gain(mean, deviation, at)
    for n in range(2):
        drawn = rng.normal(mean[n], deviation[n], 20_000)
        gains = [hypervolume(np.append(scores, y), np.append(costs, at[n]), reference) - steps.area for y in drawn]
        assert exact[n] == pytest.approx(np.mean(gains), abs=4 * np.std(gains) / np.sqrt(len(gains)))
