"""Orders in which a whole space may be tried, each a control of what transfer is worth."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from scipy.stats import kendalltau

from lapt.archive import Archive, best_of_all
from lapt.errors import ConfigError, SpaceError
from lapt.evaluation import Evaluation, Evaluator, Metric
from lapt.evaluators import Table, TableEvaluator
from lapt.pipeline.controls import by_frequency, by_predictor, by_size, by_zero_cost, random_subspace, source_ranking
from lapt.search import SEARCHERS
from lapt.search.loop import search
from lapt.spaces import BUILTIN, Architecture
from lapt.testing import invented_table

SPACE = BUILTIN["nas201"]
MEMBERS = list(SPACE.members())


def scored(evaluator: TableEvaluator, count: int) -> list[Evaluation]:
    rng = np.random.default_rng(0)
    return list(evaluator.evaluate([MEMBERS[int(i)] for i in rng.choice(len(MEMBERS), count, replace=False)]))


def test_a_predictor_of_the_source_orders_the_whole_space_as_the_source_does() -> None:
    evaluator = TableEvaluator(invented_table(), SPACE, "invented_source")
    order = by_predictor(SPACE, scored(evaluator, 200))
    assert sorted(order) == sorted(MEMBERS)
    values = [evaluation.score for evaluation in evaluator.evaluate(order)]
    assert kendalltau(range(len(order)), values).statistic < -0.5  # the best come first


def test_a_failed_source_evaluation_is_left_out() -> None:
    evaluator = TableEvaluator(invented_table(), SPACE, "invented_source")
    some = scored(evaluator, 60)
    failed = Evaluation(MEMBERS[7], "7", None, Metric("score"), error="out of memory")
    assert by_predictor(SPACE, [*some, failed]) == by_predictor(SPACE, some)


def sized(architecture: Architecture, parameters: int | None) -> Evaluation:
    return Evaluation(architecture, str(architecture), 1.0, Metric("score"), parameters=parameters)


def test_the_largest_come_first_and_sizes_must_be_known() -> None:
    small, large, unknown = MEMBERS[:3]
    assert by_size([sized(small, 1), sized(unknown, None), sized(large, 2)], "parameters") == [large, small]
    with pytest.raises(ConfigError, match="parameters"):
        by_size([sized(unknown, None)], "parameters")


def test_on_nasbench201_size_alone_finds_what_transfer_finds(nasbench201: Table) -> None:
    """A fact about the benchmark that every claim about transfer on it has to stand beside."""
    evaluator = TableEvaluator(nasbench201, SPACE, "cifar100")
    largest = by_size(evaluator.evaluate(MEMBERS), "parameters")[:20]
    assert max(e.score for e in evaluator.evaluate(largest)) == nasbench201.column("cifar100").max()


def test_a_warm_start_pays_for_the_sources_best_and_evolution_goes_on_from_them() -> None:
    source, target = (TableEvaluator(invented_table(), SPACE, f"invented_{task}") for task in ("source", "a"))
    first = source_ranking(best_of_all(SPACE, source, 5))
    rea = SEARCHERS["rea"](SPACE, seed=0)
    found = search(rea, target.evaluate, budget=9, ask_size=1, first=first)
    asked = [evaluation.architecture for evaluation in found]
    assert (asked[:5], len(found)) == (first, 9)
    mutations = [sum(map(str.__ne__, asked[5].operators, parent.operators)) for parent in first]
    assert min(mutations) == 1
    assert search(SEARCHERS["rea"](SPACE, seed=0), target.evaluate, budget=3, ask_size=1, first=first) == found[:3]


# --- a space too large to list ---------------------------------------------------------------------------------------
DARTS = BUILTIN["darts"]


def darts_archive(n: int, value: Callable[[Architecture], float]) -> Archive:
    """``n`` of 300 random cells, the best by ``value``."""
    rng = np.random.default_rng(0)
    cells = [DARTS.sample(rng) for _ in range(300)]
    found = [Evaluation(cell, DARTS.encode(cell), value(cell), Metric("score")) for cell in cells]
    entries = tuple(sorted(found, key=lambda evaluation: -evaluation.score)[:n])
    return Archive(DARTS, "source", entries, tuple(found), len(found))


def separable(architecture: Architecture) -> float:
    return float(sum(operator.startswith("sep_conv") for operator in architecture.operators[:8]))


def test_the_most_frequent_darts_cell_comes_first_and_the_others_one_by_one() -> None:
    archive = darts_archive(30, separable)
    first, *others = islice(by_frequency(DARTS, archive), 50)
    assert len({first, *others}) == 50

    def commonness(architecture: Architecture) -> float:
        pairs = [zip(*entry.architecture, strict=True) for entry in archive.entries]
        chosen = list(zip(*pairs, strict=True))
        return sum(
            math.log(1 + sum(operator == o for o, _ in layer)) + math.log(1 + sum(source == s for _, s in layer))
            for (operator, source), layer in zip(zip(*architecture, strict=True), chosen, strict=True)
        )

    falling = [commonness(architecture) for architecture in [first, *others]]
    assert falling == sorted(falling, reverse=True)
    assert falling[0] >= max(commonness(entry.architecture) for entry in archive.entries)


def test_a_predictor_orders_a_sample_of_darts_cells() -> None:
    order = by_predictor(DARTS, darts_archive(30, separable).asked[:60])
    assert len(set(order)) == len(order) > 10_000
    assert np.mean([separable(a) for a in order[:50]]) > np.mean([separable(a) for a in order]) + 2


def test_a_random_subspace_of_darts_restricts_what_its_model_does() -> None:
    like = DARTS.restrict(
        operators={name: ["sep_conv_3x3", "none"] for name in DARTS.layer_names},
        sources={name: ["input1"] for name in ("normal.3a", "normal.3b", "normal.5b")}
        | {"normal.3b": ["input1", "node2"]},
    )
    for seed in range(20):
        found = random_subspace(DARTS, like, np.random.default_rng(seed))
        assert all(len(layer.operators) == 2 for layer in found.layers)
        assert len(found.layer("normal.5b").sources) == 1


def test_what_needs_the_whole_space_says_so() -> None:
    measures = cast(Evaluator, SimpleNamespace(task="any"))  # no table, whose rows could be listed
    for call in (lambda: best_of_all(DARTS, measures, 5), lambda: by_zero_cost(DARTS, "synflow")):
        with pytest.raises(SpaceError, match=r"at most 200,000 architectures.*darts with 9,119,789,245,425,254,400"):
            call()
