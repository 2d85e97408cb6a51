"""Every search method passes the conformance suite, the suite finds what is wrong, and each method beats chance."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from lapt.evaluators import TableEvaluator
from lapt.search import SEARCHERS, RandomSearch, Searcher
from lapt.search.loop import search
from lapt.spaces import BUILTIN, Architecture, SearchSpace
from lapt.testing import invented_table
from lapt.testing.searchers import CHECKS, Make, check_searcher, convolutions, run

METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in SEARCHERS},
    "bananas": ("bananas", {"ensemble": 2}),  # the test's time is in training them
    "rea with crossover": ("rea", {"mutation_probability": 0.5}),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("method", METHODS)
def test_conforms(method: str, check: Callable[[Make], None]) -> None:
    name, parameters = METHODS[method]
    check(partial(SEARCHERS[name], **parameters))


class Unseeded(RandomSearch):
    def propose(self) -> Architecture:
        return self.space.sample(np.random.default_rng())


class Outside(RandomSearch):
    def propose(self) -> Architecture:
        return BUILTIN[self.space.name].sample(self.rng)


class Repeating(RandomSearch):
    def ask(self, n: int) -> list[Architecture]:
        return [self.space.sample(self.rng) for _ in range(n)]


class ByValue(RandomSearch):
    def propose(self) -> Architecture:
        good = sum(evaluation.value is not None and evaluation.value > 2 for evaluation in self.history)
        return self.space.sample(np.random.default_rng([good, int(self.rng.integers(1000))]))


class Unpicklable(RandomSearch):
    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Unseeded, "same seed"),
        (Outside, "outside the space"),
        (Repeating, "asked twice"),
        (Unpicklable, "unpickled"),
        (ByValue, "evaluation.score"),
    ],
)
def test_the_suite_finds_what_is_wrong(wrong: type[Searcher], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_searcher(wrong)


@pytest.mark.parametrize("method", [name for name in SEARCHERS if name != "random"])
def test_beats_random_search_on_a_fixed_table(method: str) -> None:
    """Mean best score of 8 seeds after 40 evaluations of the invented benchmark."""
    space, table = BUILTIN["nas201"], invented_table()
    evaluator = TableEvaluator(table, space, "invented_a")

    def mean_best(name: str) -> float:
        runs = (search(SEARCHERS[name](space, seed=s), evaluator.evaluate, budget=40, ask_size=4) for s in range(8))
        return float(np.mean([max(evaluation.score for evaluation in run) for run in runs]))

    assert mean_best(method) > mean_best("random")


def test_a_space_too_large_to_list_is_sampled_and_mutated() -> None:
    """Each layer of NAS-Bench-201's choosing among two sources as well: one million architectures."""
    layers = [{**layer.model_dump(), "sources": ("0", "1")} for layer in BUILTIN["nas201"].layers]
    space = SearchSpace(name="wide", cell="nas201", layers=tuple(layers))
    assert space.size == 10**6
    for name in ("gp", "weaknas"):
        searcher = SEARCHERS[name](space, seed=0, identity=repr)
        asked = run(searcher, [5] * 5)
        assert len(set(asked)) == 25
        assert all(space.contains(architecture) for architecture in asked)
        assert max(map(convolutions, asked[15:])) > max(map(convolutions, asked[:5]))
