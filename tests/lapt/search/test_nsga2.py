"""NSGA-II by pymoo: survivors by hand, constraints, fronts, and its installation."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lapt.errors import ConfigError
from lapt.search import SEARCHERS, Prior
from lapt.search.models.hypervolume import hypervolume
from lapt.spaces import BUILTIN, Architecture, Pool, Thinned
from lapt.spaces.distributions import architecture, candidates, params
from lapt.testing.searchers import DARTS, GROUNDS, run, told

SPACE = BUILTIN["trans101"]
MOST = 3


@pytest.fixture(autouse=True)
def _with_pymoo() -> None:
    pytest.importorskip("pymoo", reason="the extra pareto is not installed")


def convolutions(one: Architecture) -> float:
    return float(sum("conv_3x3" in operator for operator in one.operators))


def weights(architectures: Sequence[Architecture]) -> np.ndarray:
    """A cost: the place of each layer with an operator, summed. A convolution is cheapest on the first layers."""
    return np.array(
        [sum(at for at, operator in enumerate(one.operators, 1) if operator != "none") for one in architectures],
        dtype=float,
    )


def nsga2(space: Any = SPACE, **given: Any) -> Any:
    return SEARCHERS["nsga2"](space, **{"seed": 0, "prior": Prior(costs=weights), **given})


def test_without_pymoo_the_remedy_is_its_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "pymoo"]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "lapt.search.methods.from_pymoo", raising=False)
    monkeypatch.delattr("lapt.search.methods.from_pymoo", raising=False)
    with pytest.raises(ConfigError, match=r"expected pymoo; .* pip install 'lapt\[pareto\]'"):
        nsga2()


def test_what_nothing_dominates_survives() -> None:
    """Convolutions on the first k layers are a front of seven. Three others are behind it, one failed."""
    none = Architecture(("none",) * 6, SPACE.sample(np.random.default_rng(0)).sources)
    front = [none._replace(operators=("nor_conv_3x3",) * k + ("none",) * (6 - k)) for k in range(7)]
    behind = [none._replace(operators=("none",) * (5 - k) + ("skip_connect",) * (k + 1)) for k in range(3)]
    failed = none._replace(operators=("nor_conv_1x1",) * 6)
    searcher = nsga2(survivors=7)
    searcher.tell(told([*behind, failed, *front], lambda one: None if one == failed else convolutions(one)))
    searcher.ask(1)
    searcher.tell(told([none._replace(operators=("skip_connect",) * 6)], convolutions))
    searcher.ask(7)
    names = list(candidates(SPACE.layers))
    kept = {architecture(SPACE.layers, dict(zip(names, one.X, strict=True))) for one in searcher._algorithm.pop}
    assert kept == set(front)


def test_the_first_are_uniform_and_the_next_are_children() -> None:
    """From parents of two operators come children of other operators only by mutation: one choice in six."""
    two = SPACE.restrict(operators={layer: ["none", "nor_conv_3x3"] for layer in SPACE.layer_names})
    parents = [two.sample(np.random.default_rng(seed)) for seed in range(10)]
    uniform, searcher = nsga2(), nsga2()
    searcher.tell(told(parents, convolutions))
    other = [
        np.mean([operator in ("skip_connect", "nor_conv_1x1") for one in s.ask(60) for operator in one.operators])
        for s in (uniform, searcher)
    ]
    assert other[0] > 0.4
    assert 0.02 < other[1] < 0.2


def few_convolutions(one: Architecture) -> float:
    """The excess over ``MOST`` convolutions."""
    return max(0.0, convolutions(one) - MOST)


@pytest.mark.parametrize("space", [SPACE, DARTS.space], ids=["listed", "not listed"])
def test_what_breaks_a_constraint_is_never_asked(space: Any) -> None:
    if space is SPACE:
        inside: Any = Pool.of(SPACE, [one for one in SPACE.members() if not few_convolutions(one)])
    else:
        inside = Thinned.of(space, few_convolutions)
    searcher = nsga2(inside)
    asked = run(searcher, [5] * 12, convolutions)
    assert len(set(asked)) == 60
    assert max(map(convolutions, asked)) == MOST
    assert searcher.lacking == 0


def test_it_finds_more_of_a_front_than_random_search() -> None:
    def area(name: str, seed: int) -> float:
        asked = run(SEARCHERS[name](SPACE, seed=seed, prior=Prior(costs=weights)), [5] * 16, convolutions)
        return hypervolume(np.array([convolutions(one) for one in asked]), weights(asked), (0, 22))

    areas = {name: [area(name, seed) for seed in range(5)] for name in ("nsga2", "random")}
    assert min(areas["nsga2"]) > max(areas["random"])


@pytest.mark.parametrize("ground", GROUNDS.values(), ids=GROUNDS)
def test_choices_there_and_back(ground: Any) -> None:
    layers = ground.space.layers
    for one in ground.scattered(20):
        chosen = params(layers, one)
        assert list(chosen) == list(candidates(layers))
        assert architecture(layers, chosen) == one
