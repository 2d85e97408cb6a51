"""Hand-computed figures, and the published best values of the real tables."""

from __future__ import annotations

import numpy as np
import pytest

from lapt.base.statistics import evaluations_to, rank, summarised, top_threshold
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, Metric, best
from lapt.evaluators import Table, TableEvaluator
from lapt.spaces import BUILTIN
from lapt.testing import invented_table


def test_the_top_tenth_of_a_percent_of_nas201_is_16_cells() -> None:
    scores = np.arange(15_625, dtype=float)
    assert np.count_nonzero(scores >= top_threshold(scores)) == 16


def test_evaluations_to_a_threshold() -> None:
    assert evaluations_to([1, 5, 3, 7], 5) == 2
    assert evaluations_to([1, 5, 3, 7], 6) == 4
    assert evaluations_to([1, 5], 6) is None


def test_rank_counts_the_strictly_better() -> None:
    scores = np.array([3.0, 1.0, 3.0, 2.0])
    assert [rank(score, scores) for score in (3.0, 2.0, 1.0)] == [1, 3, 4]


def test_a_summary_by_hand() -> None:
    summary = summarised([1.0, 2.0, 3.0, 6.0])
    assert (summary.mean, summary.median, summary.seeds) == (3.0, 2.5, 4)
    assert summary.sd == pytest.approx(np.sqrt((4 + 1 + 0 + 9) / 3))
    assert 1.0 <= summary.ci_low < 3.0 < summary.ci_high <= 6.0
    constant = summarised([2.0, 2.0])
    assert (constant.ci_low, constant.ci_high, constant.sd) == (2.0, 2.0, 0.0)


def test_the_bootstrap_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    intervals = [summarised(rng.normal(size=30).tolist(), resamples=500) for _ in range(200)]
    assert 0.88 <= np.mean([i.ci_low <= 0 <= i.ci_high for i in intervals]) <= 0.99


def test_scores_are_higher_is_better_and_a_failure_is_the_worst() -> None:
    architecture = BUILTIN["nas201"].decode("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    loss = Metric("loss", higher_is_better=False)
    low, high, failed = (Evaluation(architecture, "a", value, loss) for value in (0.1, 0.9, None))
    assert low.score > high.score > failed.score
    assert best([high, failed, low]) is low
    assert best([failed]) is None


@pytest.mark.parametrize(("task", "test"), [("cifar10", 94.37), ("cifar100", 73.51), ("imagenet16_120", 47.31)])
def test_best_published_test_accuracies_of_nasbench201(nasbench201: Table, task: str, test: float) -> None:
    assert nasbench201.column(task, "test").max() == pytest.approx(test, abs=0.005)


@pytest.mark.parametrize(("task", "best_value"), [("class_scene", 54.94), ("autoencoder", 0.5772)])
def test_best_published_values_of_transnas101(transnas101: Table, task: str, best_value: float) -> None:
    assert transnas101.column(task).max() == pytest.approx(best_value, abs=0.005)


def test_a_table_looks_up_both_splits_apart(nasbench201: Table) -> None:
    space = BUILTIN["nas201"]
    evaluator = TableEvaluator(nasbench201, space, "cifar100")
    cell = space.decode(nasbench201.architectures[int(nasbench201.column("cifar100").argmax())])
    (found,) = evaluator.evaluate([cell])
    assert found.value == nasbench201.column("cifar100").max()
    assert evaluator.test(cell) == pytest.approx(73.51, abs=0.005)
    assert (found.origin, found.metric.unit) == ("table", "%")


def test_a_task_that_the_table_lacks_is_named() -> None:
    with pytest.raises(ConfigError, match=r"invented_a.*got 'cifar10'"):
        TableEvaluator(invented_table(), BUILTIN["nas201"], "cifar10")


def test_the_invented_table_is_the_same_everywhere() -> None:
    assert invented_table().checksum[:12] == "b3d9b44ced06"
