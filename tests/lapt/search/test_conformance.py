"""Every search method passes the conformance suite, the suite finds what is wrong, and each method beats chance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from lapt.archive import best_of_random
from lapt.evaluators import TableEvaluator
from lapt.search import NOTHING, SEARCHERS, Prior, Searcher
from lapt.search.loop import search
from lapt.search.methods.gradient_based import GradientBased
from lapt.search.methods.model_based import ModelBased
from lapt.search.methods.model_free import RandomSearch
from lapt.spaces import BUILTIN, Architecture, SearchSpace
from lapt.testing import invented_strengths, invented_table
from lapt.testing.searchers import (
    CHECKS,
    DARTS,
    DECLARED,
    TRANS101,
    Check,
    check_any_batch_size,
    check_exhaustion,
    check_history_from_elsewhere,
    check_pools,
    check_searcher,
    convolutions,
    run,
    told,
)

SPACE = TRANS101.space

IMAGES = {  # for those that train on images
    name: {"prior": Prior(strengths=invented_strengths)}
    for name in SEARCHERS
    if issubclass(SEARCHERS[name], GradientBased)
}
QUICK: dict[str, dict[str, Any]] = {  # the test's time is in training them
    **IMAGES,
    "bananas": {"ensemble": 2},
    **{name: {"steps": 10} for name in ("bonas", "arch_graph", "arch_zero")},
    "transfer_gp": {"steps": 10, "tuning": 10},
}


def late_convolutions(architecture: Architecture) -> float | None:
    """A source's score: 3x3 convolutions, those that end in the output counted twice; some evaluations failed."""
    weights = [1, 1, 1, 2, 2, 2]
    scored = [w for w, operator in zip(weights, architecture.operators, strict=True) if operator == "nor_conv_3x3"]
    return None if architecture.operators[:2] == ("none", "none") else float(sum(scored))


PRIOR = Prior(source=tuple(told(list(SPACE.members())[::97], late_convolutions)))
"""43 evaluations of the source, 2 of them failed."""


def busy_layers(architectures: Sequence[Architecture]) -> np.ndarray:
    """A cost: the number of layers with an operator."""
    return np.array([sum(operator != "none" for operator in one.operators) for one in architectures], dtype=float)


FAILED = Prior(source=tuple(told(list(SPACE.members())[::97], lambda architecture: None)))
WHERE_NOTHING_IS_LISTED = (check_any_batch_size, check_exhaustion, check_history_from_elsewhere, check_pools)
TAKES_PRIOR = [name for name in SEARCHERS if SEARCHERS[name].transfers or SEARCHERS[name].guided]
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, QUICK.get(name, {})) for name in SEARCHERS},
    **{f"{name} with a source": (name, {**QUICK.get(name, {}), "prior": PRIOR}) for name in TAKES_PRIOR},
    "rea with crossover": ("rea", {"mutation_probability": 0.5, "crossover_probability": 0.5}),
    "optuna by evolution": ("optuna", {"sampler": "NSGAIISampler"}),
    "optuna by evolution with two objectives": (
        "optuna",
        {"sampler": "NSGAIISampler", "options": {"population_size": 4}, "prior": Prior(costs=busy_layers)},
    ),
    **{
        f"{name} with two objectives": (name, {"prior": Prior(costs=busy_layers)})
        for name in SEARCHERS
        if SEARCHERS[name].objectives
    },
}


@pytest.fixture(autouse=True)
def _with_what_it_needs(request: pytest.FixtureRequest) -> None:
    if "optuna" in request.node.name:
        pytest.importorskip("optuna", reason="the extra optuna is not installed")
    if "nsga2" in request.node.name:
        pytest.importorskip("pymoo", reason="the extra pareto is not installed")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("method", METHODS)
def test_conforms(method: str, check: Check) -> None:
    name, parameters = METHODS[method]
    check(partial(SEARCHERS[name], **parameters))


MODEL_BASED = [name for name, (method, _) in METHODS.items() if issubclass(SEARCHERS[method], ModelBased)]
OPTUNA = [name for name, (method, _) in METHODS.items() if method == "optuna" and " " in name]
ON_DARTS = [
    *((name, check) for name in METHODS if name not in [*MODEL_BASED, *OPTUNA] for check in CHECKS),
    *((name, check) for name in MODEL_BASED if " " not in name for check in WHERE_NOTHING_IS_LISTED),
    *((name, check) for name in OPTUNA for check in WHERE_NOTHING_IS_LISTED),
]
"""All checks pass with all methods, in four minutes; here those with a model, and Optuna's samplers but one, do what
differs in such a space."""


@pytest.mark.parametrize(("method", "check"), ON_DARTS, ids=lambda part: getattr(part, "__name__", part))
def test_conforms_where_nothing_can_be_listed(method: str, check: Check) -> None:
    name, parameters = METHODS[method]
    check(partial(SEARCHERS[name], **parameters), DARTS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("method", [name for name in METHODS if " " not in name])
def test_conforms_in_a_declared_space(method: str, check: Check) -> None:
    name, parameters = METHODS[method]
    check(partial(SEARCHERS[name], **parameters), DECLARED)


@pytest.mark.parametrize("method", [name for name in TAKES_PRIOR if SEARCHERS[name].transfers])
def test_a_source_in_a_declared_space(method: str) -> None:
    source = Prior(source=tuple(told(DECLARED.scattered(40))))
    check_history_from_elsewhere(partial(SEARCHERS[method], **QUICK.get(method, {}), prior=source), DECLARED)


def darts_convolutions(architecture: Architecture) -> float:
    """Convolutions of the normal cell, twice those that read an input, without those of the reduction cell."""
    normal = list(zip(*architecture, strict=True))[:8]
    return sum(1.0 + source.startswith("input") for operator, source in normal if "conv" in operator)


@pytest.mark.integration
@pytest.mark.parametrize("method", [name for name in SEARCHERS if name not in ("random", "arch_zero")])
def test_every_method_gets_on_in_darts(method: str) -> None:
    """With 40 evaluations of the same formula as source where a method takes them, it finds better than chance."""
    space = DARTS.space
    source = Prior(source=tuple(told(DARTS.scattered(40), darts_convolutions)))
    prior = {"prior": source} if SEARCHERS[method].transfers else IMAGES.get(method, {})
    asked = run(SEARCHERS[method](space, seed=0, **prior), [10] * 5, darts_convolutions)
    assert len(set(asked)) == 50
    chance = np.mean([darts_convolutions(architecture) for architecture in DARTS.scattered(1000)])
    assert np.mean([darts_convolutions(architecture) for architecture in asked[30:]]) > chance + 1


@pytest.mark.parametrize("method", TAKES_PRIOR)
def test_a_source_that_tells_nothing_apart_is_none(method: str) -> None:
    without, failed = (
        run(SEARCHERS[method](SPACE, seed=1, **QUICK.get(method, {}), prior=prior), [4] * 8)
        for prior in (NOTHING, FAILED)
    )
    assert without == failed


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


class Unconfined(RandomSearch):
    def propose(self) -> Architecture:
        return SearchSpace.sample(self.space, self.rng)


class Impatient(RandomSearch):
    def _unknown(self) -> Architecture | None:
        there, self.there = self.there, None
        found = super()._unknown()
        self.there = there
        return found


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
        (Unconfined, "not in the pool"),
        (Impatient, "not there"),
    ],
)
def test_the_suite_finds_what_is_wrong(wrong: type[Searcher], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_searcher(wrong)


SLOW = ("gp", "hebo_like", "arch_graph", "transfer_gp", "bonas", "arch_zero", "bananas", "weaknas_t", "weaknas")
"""Methods that train a model for every evaluation."""


@pytest.mark.parametrize(
    "method",
    [pytest.param(m, marks=[pytest.mark.integration] * (m in SLOW)) for m in SEARCHERS if m != "random"],
)
def test_beats_random_search_on_a_fixed_table(method: str) -> None:
    """Mean best score of 8 seeds after 40 evaluations of the invented benchmark."""
    space, table = BUILTIN["nas201"], invented_table()
    evaluator = TableEvaluator(table, space, "invented_a")

    source = TableEvaluator(table, space, "invented_source")
    archive = best_of_random(space, source, size=20, samples=50, seed=0)

    def made(name: str, seed: int) -> Searcher:
        prior = {"prior": Prior(source=archive.asked)} if name in TAKES_PRIOR else IMAGES.get(name, {})
        fewer = {"steps": 40} if name == "arch_graph" else {}  # its time is in training ten times a search
        return SEARCHERS[name](space, seed=seed, **prior, **fewer)

    def mean_best(name: str) -> float:
        runs = (search(made(name, seed), evaluator.evaluate, budget=40, ask_size=4) for seed in range(8))
        return float(np.mean([max(evaluation.score for evaluation in run) for run in runs]))

    assert mean_best(method) > mean_best("random")


def test_a_space_too_large_to_list_is_sampled_and_mutated() -> None:
    """Each layer of NAS-Bench-201's choosing among two sources as well: one million architectures."""
    layers = [{**layer.model_dump(), "sources": ("0", "1")} for layer in BUILTIN["nas201"].layers]
    space = SearchSpace(name="wide", cell="nas201", layers=tuple(layers))
    assert space.size == 10**6
    for name in ("gp", "weaknas", "bonas", "arch_graph", "transfer_gp"):
        searcher = SEARCHERS[name](space, seed=0, identity=repr)
        asked = run(searcher, [5] * 5)
        assert len(set(asked)) == 25
        assert all(space.contains(architecture) for architecture in asked)
        assert max(map(convolutions, asked[15:])) > max(map(convolutions, asked[:5]))
