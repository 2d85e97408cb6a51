"""Spread between draws told from spread within them, on values that can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lapt.base.statistics import nested, summarised


def test_two_draws_of_two_seeds_by_hand() -> None:
    found = nested([[1.0, 3.0], [7.0, 9.0]])
    assert found.mean == 5
    assert (found.draws, found.seeds) == (2, 2)
    assert found.sd_search == pytest.approx(2**0.5)  # each draw: variance 2
    assert found.sd_draws == pytest.approx((18 - 2 / 2) ** 0.5)  # of the means 2 and 8, less what two seeds leave


def test_draws_that_differ_by_the_luck_of_the_search_alone_have_no_spread_of_their_own() -> None:
    assert nested([[0.0, 10.0], [1.0, 9.0]]).sd_draws == 0


def test_draws_of_unequal_weight_count_as_often_in_the_mean() -> None:
    found = nested([[0.0, 0.0], [3.0, 3.0]], weights=[2, 1])
    assert (found.mean, found.ci_low, found.ci_high) == (1, 0, 3)


def test_a_single_draw_is_a_summary_of_its_seeds() -> None:
    values = [1.0, 4.0, 2.0]
    found, plain = nested([values]), summarised(values)
    assert found.sd_draws is None
    assert found.sd_search == pytest.approx(plain.sd)
    assert (found.ci_low, found.ci_high) == (plain.ci_low, plain.ci_high)


def test_single_seeds_say_nothing_of_the_search() -> None:
    found = nested([[1.0], [3.0], [8.0]])
    assert found.sd_search is None
    assert found.sd_draws == pytest.approx(np.std([1, 3, 8], ddof=1))


def test_the_interval_over_draws_is_wider_than_over_as_many_independent_seeds() -> None:
    groups = [[1.0, 1.1, 0.9, 1.0], [5.0, 5.1, 4.9, 5.0], [9.0, 9.1, 8.9, 9.0]]
    drawn, pooled = nested(groups), summarised([value for group in groups for value in group])
    assert drawn.mean == pooled.mean
    assert drawn.ci_high - drawn.ci_low > 1.3 * (pooled.ci_high - pooled.ci_low)
    assert nested(groups) == drawn  # seeded


def test_the_parts_recover_what_a_simulation_put_in() -> None:
    rng = np.random.default_rng(5)
    groups = [rng.normal(mean, 2.0, size=20).tolist() for mean in rng.normal(0, 6.0, size=400)]
    found = nested(groups, resamples=10)
    assert found.sd_draws == pytest.approx(6.0, rel=0.1)
    assert found.sd_search == pytest.approx(2.0, rel=0.05)
