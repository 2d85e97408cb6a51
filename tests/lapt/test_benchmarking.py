"""The noise that a table made by training reports."""

from __future__ import annotations

import numpy as np
import pytest

from lapt.pipeline.benchmarking import distinct, measured_again, noise, sampled
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
