"""The noise that a table made by training reports."""

from __future__ import annotations

import numpy as np
import pytest

from lapt.base.noise import expected_maximum, noise
from lapt.pipeline.benchmarking import distinct, measured_again, sampled
from lapt.spaces import BUILTIN


def test_every_function_is_trained_once() -> None:
    space = BUILTIN["trans101"]
    cells = distinct(space)
    assert len(cells) == 1376
    assert len({space.canonical(cell) for cell in cells}) == 1376
    assert all(space.canonical(cell) == cell for cell in cells)


def test_the_best_and_a_fixed_sample_are_measured_again() -> None:
    scores = np.array([0.1, 0.9, 0.2, 0.8, 0.3])
    assert measured_again(scores, best=2, sample=0) == [1, 3]
    assert set(measured_again(scores, best=2, sample=2)) == {1, 3, *sampled(5, 2)}
    assert sampled(5, 2) == sampled(5, 2)
    assert sampled(3, 10) == [0, 1, 2]


def test_noise_by_hand() -> None:
    # Among eight, the third seed's best quarter is the last two: the others agree on neither pair's order there.
    first = np.arange(8.0)
    second = np.array([0, 1, 2, 3, 4, 5, 7, 6.0])
    found = noise(np.stack([first, second, first], axis=1))
    assert found.architectures == 8
    one_swap = 1 - 2 / 28
    assert found.tau == pytest.approx((one_swap + 1 + one_swap) / 3)
    assert found.tau_top == pytest.approx((-1 + 1 - 1) / 3)
    assert found.deviation == pytest.approx(0)  # the median; two of eight differ


@pytest.mark.parametrize("seeds", [2, 3])
def test_pure_noise_agrees_nowhere(seeds: int) -> None:
    scores = np.random.default_rng(0).normal(size=(4000, seeds))
    found = noise(scores)
    assert abs(found.tau) < 0.03
    assert abs(found.tau_top) < 0.06


def test_the_best_quarter_is_not_made_to_look_worse_than_it_is() -> None:
    """Quality and noise of one size: within a quarter chosen without looking, tau is what it is for the whole."""
    rng = np.random.default_rng(0)
    quality = rng.normal(size=4000)
    scores = quality[:, None] + 0.5 * rng.normal(size=(4000, 3))
    assert 0.3 < noise(scores).tau_top < noise(scores).tau


def test_differences_between_architectures_by_hand() -> None:
    # Means 2 and 6, mean squares 2 within and 16 between: F = 8 of (1, 2), which is t = sqrt(8) of 2, p = 0.1056.
    found = noise(np.array([[1.0, 3.0], [5.0, 7.0]]))
    assert found.error == pytest.approx(2**0.5)
    assert found.spread == pytest.approx(7**0.5)
    assert found.p == pytest.approx(0.10557281)
    assert found.gain(2) == pytest.approx(7 / 3 / np.pi**0.5)
    assert found.gain(1) == pytest.approx(0)


def test_the_expected_maximum_is_that_of_the_tables() -> None:
    # Teichroew 1956, expected values of normal order statistics.
    for count, expected in {1: 0, 2: 0.56419, 3: 0.84628, 10: 1.53875, 20: 1.86748}.items():
        assert expected_maximum(count) == pytest.approx(expected, abs=1e-5)


def test_the_gain_is_what_choosing_by_noisy_scores_gives() -> None:
    rng = np.random.default_rng(0)
    quality = rng.normal(70, 2, size=4000)
    scores = quality[:, None] + 1.5 * rng.normal(size=(4000, 2))
    found = noise(scores)
    assert (found.spread, found.error, found.p) == pytest.approx((2, 1.5, 0), abs=0.05)
    groups = scores[:, 0].reshape(-1, 20)
    chosen = quality.reshape(-1, 20)[np.arange(len(groups)), groups.argmax(axis=1)]
    assert found.gain(20) == pytest.approx(chosen.mean() - 70, abs=0.35)


@pytest.mark.parametrize(("scores", "p"), [([[1, 1], [2, 2]], 0.0), ([[1, 1], [1, 1]], 1.0)])
def test_trainings_without_noise_tell_all_differences_there_are(scores: list[list[float]], p: float) -> None:
    found = noise(np.array(scores, dtype=float))
    assert (found.error, found.p) == (0, p)
    assert found.gain(2) == pytest.approx(expected_maximum(2) * found.spread)


def test_architectures_that_are_alike_are_found_different_as_often_as_said() -> None:
    rng = np.random.default_rng(0)
    told = [noise(rng.normal(size=(8, 2))).p < 0.05 for _ in range(400)]
    assert 0.02 < np.mean(told) < 0.09
