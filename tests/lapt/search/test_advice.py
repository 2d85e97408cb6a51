"""Advisers: the closed forms against brute force, what weights say, and searches that listen to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from lapt.evaluation import Evaluation, Metric
from lapt.search import SEARCHERS
from lapt.search.advice import Advice, led
from lapt.search.methods.model_based import apart, features, standardised, whole
from lapt.search.models import advised
from lapt.search.models.advised import BELIEF, DOUBT, Fit, Setting, fit, predict, settings_of, weights
from lapt.search.models.gaussian_process import Kernel, squared_distances
from lapt.search.searcher import Adviser, Prior, Searcher, Weighed
from lapt.spaces import BUILTIN, Architecture
from lapt.spaces.features import Floats

SPACE = BUILTIN["trans101"]
METRIC = Metric("points", "", True)


def problem(n: int = 12) -> tuple[list[Floats], Floats, Floats, list[Floats], Floats]:
    """Distances among n points and to three others, scores, and what two advisers expect of each."""
    rng = np.random.default_rng(3)
    x, at = rng.normal(size=(n, 4)), rng.normal(size=(3, 4))
    y = standardised(rng.normal(size=n) + x[:, 0])
    return [squared_distances(x, x)], y, rng.normal(size=(2, n)), [squared_distances(x, at)], rng.normal(size=(2, 3))


def covariance(one: Fit, among: Sequence[Floats], expected: Floats) -> Floats:
    here = np.array(one.setting.scales)[:, None] * expected
    size = expected.shape[1]
    return np.asarray(one.kernel(among) + DOUBT**2 * here.T @ here + 1 + one.noise * np.eye(size))


def test_the_unit_is_that_of_the_highest_likelihood() -> None:
    among, y, expected, *_ = problem()
    for one in fit(among, y, expected, settings_of(2, 1)):
        mean = BELIEF * (np.array(one.setting.scales)[:, None] * expected).sum(axis=0)
        density = multivariate_normal(mean, covariance(one, among, expected))
        tried = one.unit * np.array([0.5, 0.9, 0.99, 1.0, 1.01, 1.1, 2.0])
        likely = [len(y) * np.log(unit) + density.logpdf(unit * y) for unit in tried]
        assert int(np.argmax(likely)) == 3


def test_the_settings_kept_are_those_of_the_highest_likelihood() -> None:
    among, y, expected, *_ = problem()
    found = fit(among, y, expected, settings_of(2, 1))

    def likelihood(one: Fit) -> float:
        mean = BELIEF * (np.array(one.setting.scales)[:, None] * expected).sum(axis=0)
        density = multivariate_normal(mean, covariance(one, among, expected))
        return float(len(y) * np.log(one.unit) + density.logpdf(one.unit * y))

    assert sum(one.share for one in found) == pytest.approx(1)
    best = likelihood(found[0])
    for one in found:
        assert likelihood(one) - best == pytest.approx(np.log(one.share / found[0].share), abs=1e-6)
    every = [fit(among, y, expected, [setting])[0] for setting in settings_of(2, 1)]
    assert max(map(likelihood, every)) == pytest.approx(best)


def test_predictions_are_those_of_the_joint_normal() -> None:
    among, y, expected, across, there = problem()
    (one,) = fit(among, y, expected, [Setting((1.0, 2.0), 1.0, 2.0)])[:1]
    scales = np.array([1.0, 2.0])[:, None]
    mean_here, mean_there = (BELIEF * (scales * part).sum(axis=0) for part in (expected, there))
    cross = one.kernel(across) + DOUBT**2 * (scales * expected).T @ (scales * there) + 1
    gain = np.linalg.solve(covariance(one, among, expected), cross)
    mean, deviation = predict(one, among, y, expected, one.kernel(across), there)
    assert mean == pytest.approx((mean_there + gain.T @ (one.unit * y - mean_here)) / one.unit)
    prior = 2 + DOUBT**2 * ((scales * there) ** 2).sum(axis=0)
    assert deviation == pytest.approx(np.sqrt(prior - (gain * cross).sum(axis=0)) / one.unit)


def test_who_is_right_gains_weight_and_who_is_wrong_loses_it() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 3))
    y = standardised(x[:, 0])
    among = [squared_distances(rng.normal(size=(30, 3)), rng.normal(size=(30, 3)))]
    among = [(among[0] + among[0].T) / 2]
    np.fill_diagonal(among[0], 0)
    among = [squared_distances(x[:, 1:], x[:, 1:])]
    expected = np.stack([x[:, 0], -x[:, 1]])
    right, _ = weights(fit(among, y, expected, settings_of(2, 1)), among, y, expected)
    assert right[0] > 0.4
    means, doubts = weights(fit(among, -y, expected, settings_of(2, 1)), among, -y, expected)
    assert means[0] < 0.2
    assert doubts[0] > 0.9


def test_without_scales_nothing_is_advised() -> None:
    among, y, expected, across, there = problem()
    found = fit(among, y, expected, [Setting((0.0, 0.0), 1.0, 2.0)])
    means, doubts = weights(found, among, y, expected)
    assert (means.tolist(), doubts.tolist()) == ([0, 0], pytest.approx([1, 1]))
    one = found[0]
    one_more = predict(one, among, y, -3 * expected, one.kernel(across), 7 * there)
    assert np.array(one_more) == pytest.approx(np.array(predict(one, among, y, expected, one.kernel(across), there)))


@pytest.mark.parametrize("advisers", [1, 2, 3, 4])
def test_the_grid_has_each_adviser_alone_and_left_out(advisers: int) -> None:
    scales = {setting.scales for setting in settings_of(advisers, 1)}
    assert (0.0,) * advisers in scales
    assert {sum(value > 0 for value in one) for one in scales} >= {0, 1, max(advisers - 1, 1), advisers}
    assert len(settings_of(advisers, 2)) == len(scales) * len(advised.WEIGHTS) * len(advised.LENGTHSCALES)


def test_constraints_leave_advice_as_many_architectures_to_lead_to() -> None:
    expected = np.random.default_rng(0).permutation(1000.0 * np.arange(782))[None]
    weighed = [Weighed("experts", weight=1.0, doubt=0.0)]
    assert led(weighed, expected).sum() == 12  # 1.5 % of 782
    leading = led(weighed, expected, kept=782 / 15_625)
    assert leading.sum() == 235  # 1.5 % of 15,625, and the highest of them
    assert expected[0, leading].min() > expected[0, ~leading].max()
    assert led(weighed, expected, kept=0.01).all()
    assert led([Weighed("experts", weight=1.0, doubt=1.0)], expected).all()


# --- searches --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Convolutions:
    """Expects much of cells with many 3x3 convolutions on live edges, or little (``sign``)."""

    sign: float

    def __call__(self, architectures: Sequence[Architecture]) -> Floats:
        return np.asarray((convolutions(architectures) - 1.2) / 1.2 * self.sign)


def convolutions(architectures: Sequence[Architecture]) -> Floats:
    live = [SPACE.family.graphs(architecture)[0].edges for architecture in architectures]
    return np.array([sum(e.live and e.operator == "nor_conv_3x3" for e in edges) for edges in live], dtype=np.float64)


def found(searcher: Searcher, budget: int) -> float:
    best = -np.inf
    for _ in range(budget):
        (asked,) = searcher.ask(1)
        score = float(convolutions([asked])[0]) + 0.01 * sum(map(len, asked.operators)) / 60
        searcher.tell([Evaluation(asked, SPACE.encode(asked), score, METRIC)])
        best = max(best, score)
    return float(best)


def prior(*signs: float) -> Prior:
    return Prior(advisers=tuple(Adviser(f"adviser {at}", Convolutions(sign)) for at, sign in enumerate(signs)))


@pytest.mark.parametrize("method", ["rea", "random", "local_search", "gp"])
def test_good_advice_helps_and_bad_advice_is_doubted(method: str) -> None:
    make = partial(SEARCHERS[method], SPACE)
    helped, alone = [], []
    for seed in range(3):
        searcher = make(seed=seed, prior=prior(1.0))
        helped.append(found(searcher, 12))
        alone.append(found(make(seed=seed), 12))
        assert searcher.advice[0].weight > 0.2
        misled = make(seed=seed, prior=prior(-1.0))
        found(misled, 24)
        assert misled.advice[0].doubt > searcher.advice[0].doubt + 0.1
    assert np.mean(helped) > np.mean(alone)


def test_expectations_are_asked_for_once() -> None:
    asked: list[int] = []

    def expects(architectures: Sequence[Architecture]) -> Floats:
        asked.append(len(architectures))
        return np.zeros(len(architectures))

    advice = Advice([Adviser("one", expects)])
    members = list(SPACE.members())[:50]
    assert advice.expected(members).shape == (1, 50)
    assert advice.expected(members[:10]).shape == (1, 10)
    assert advice.expected(members).shape == (1, 50)
    assert asked == [50]


def test_before_the_first_score_the_weights_are_the_priors() -> None:
    (one,) = Advice(prior(1.0).advisers).before
    assert (one.weight, round(one.doubt, 3)) == (BELIEF, 0.159)


def test_equal_features_are_at_no_distance() -> None:
    candidates = whole(SPACE)
    x = candidates.standardise(features(SPACE, candidates.architectures[:20]))
    assert all(np.allclose(np.diag(block), 0) for block in apart(SPACE, x, x))
    assert Kernel(1, 1, 0)(apart(SPACE, x, x)).max() == pytest.approx(1)


def test_advice_leads_to_the_few_it_puts_first_until_the_scores_turn_against_it() -> None:
    there = np.stack([np.arange(1000.0), -np.arange(1000.0)])

    def inside(*weighed: Weighed) -> list[int]:
        return np.flatnonzero(led(weighed, there)).tolist()

    believed, opposed = Weighed("one", 0.5, 0.0), Weighed("two", 0.2, 0.9)
    assert inside(believed, opposed) == list(range(985, 1000)), "1.5 %, by the sum of both"
    assert inside(Weighed("one", 0.1, 0.0), opposed) == list(range(15))
    shares = [len(inside(Weighed("one", 0.5, doubt), opposed)) for doubt in (0.0, 0.3, 0.6, 0.9)]
    assert shares == sorted(set(shares)), "the more doubt, the more are let in"
    assert shares[-1] == pytest.approx(1000 * 0.015 ** (1 - 0.81), abs=1)
    assert len(inside(Weighed("one", 0.5, 1.0), Weighed("two", 0.2, 1.0))) == 1000
    assert len(inside(Weighed("one", -0.1, 0.95), Weighed("two", 0.0, 0.9))) == 1000
