"""Pools: spaces of which some architectures alone are there."""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapt.errors import SpaceError
from lapt.spaces import BUILTIN, Architecture, Pool, SearchSpace

NAS201, DARTS = BUILTIN["nas201"], BUILTIN["darts"]
SMALL = NAS201.restrict(operators={name: ["none", "skip_connect", "nor_conv_3x3"] for name in NAS201.layer_names})


@cache
def cells(space: str) -> tuple[Architecture, ...]:
    """All of a small space; a hundred of DARTS."""
    rng = np.random.default_rng(0)
    return tuple(SMALL.members()) if space == "nas201" else tuple(DARTS.sample(rng) for _ in range(100))


def whole(space: str) -> SearchSpace:
    return SMALL if space == "nas201" else DARTS


@st.composite
def pools(draw: st.DrawFn) -> tuple[SearchSpace, Pool, int]:
    name = draw(st.sampled_from(["nas201", "darts"]))
    rows = draw(st.lists(st.integers(0, len(cells(name)) - 1), min_size=1, max_size=30, unique=True))
    space = whole(name)
    return space, Pool.of(space, [cells(name)[at] for at in rows]), draw(st.integers(0, 99))


@settings(max_examples=60)
@given(pools())
def test_every_move_ends_inside(given_: tuple[SearchSpace, Pool, int]) -> None:
    space, pool, seed = given_
    rng, rows = np.random.default_rng(seed), set(pool.rows)
    one, two, elsewhere = pool.sample(rng), pool.sample(rng), space.sample(rng)
    assert {one, two, pool.project(elsewhere, rng), pool.crossover(one, two, rng)} <= rows
    assert pool.project(one, rng) == one
    around = list(pool.neighbours(one))
    assert set(around) <= rows - {one}
    assert len(set(around)) == len(around)
    if pool.size > 1:
        assert pool.mutate(one, rng) in around
    else:
        with pytest.raises(SpaceError):
            pool.mutate(one, rng)
    assert (pool.size, list(pool.members())) == (len(rows), list(pool.rows))
    assert pool.contains(elsewhere) == (elsewhere in rows)
    assert all(space.contains(row) for row in pool.rows)
    assert pickle.loads(pickle.dumps(pool)) == pool


@given(st.integers(0, SMALL.size - 1))
def test_where_all_of_a_space_is_there_moves_are_the_spaces_own(at: int) -> None:
    pool, member = complete(), cells("nas201")[at]
    assert set(pool.neighbours(member)) == set(SMALL.neighbours(member))
    rng = np.random.default_rng(at)
    assert {pool.mutate(member, rng) for _ in range(20)} <= set(SMALL.neighbours(member))


@cache
def complete() -> Pool:
    return Pool.of(SMALL, cells("nas201"))


def test_the_nearest_row_is_that_which_keeps_most_layers() -> None:
    rows = ["nor_conv_3x3"] * 6, ["none"] * 6, ["skip_connect"] * 3 + ["nor_conv_3x3"] * 3
    cells = [Architecture(tuple(operators), SMALL.sample(np.random.default_rng(0)).sources) for operators in rows]
    pool, rng = Pool.of(SMALL, cells), np.random.default_rng(0)
    near = cells[1]._replace(operators=("nor_conv_3x3",) * 2 + ("none",) * 4)
    assert pool.project(near, rng) == cells[1]
    assert list(pool.neighbours(cells[0])) == [cells[2], cells[1]]  # the last three layers differ in the second alone


def test_a_refined_space_with_too_few_rows_takes_the_nearest_too() -> None:
    refined = SMALL.restrict(operators={"0->1": ["none"], "0->2": ["none"]})
    outside = [cell for cell in cells("nas201") if "none" not in cell.operators[:2]]
    half = [cell for cell in cells("nas201") if cell.operators[0] == "none" != cell.operators[1]]
    assert Pool.of(refined, outside).size == 0
    assert {refined.distance(row) for row in Pool.of(refined, [*outside, *half], at_least=5).rows} == {1}
    everything = Pool.of(refined, [*outside, *half], at_least=len(half) + 1)
    assert everything.size == len(outside) + len(half)
    assert all(everything.contains(row) for row in everything.rows)  # the layers allow what the rows choose
