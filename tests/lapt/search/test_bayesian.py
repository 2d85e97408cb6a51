"""The Gaussian process against scikit-learn's, acquisitions against what they are by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel

from lapt.evaluation import Evaluation, top
from lapt.search import Prior
from lapt.search.methods.bayesian import GaussianProcessSearch, expected_improvement, pareto_front
from lapt.search.methods.model_based import apart, scores_of, standardised
from lapt.search.models.gaussian_process import Kernel, fit_kernel, log_likelihood, predict, squared_distances
from lapt.search.models.hypervolume import Staircase
from lapt.search.searcher import Adviser
from lapt.spaces import Architecture
from lapt.spaces.features import Floats
from lapt.testing.searchers import TRANS101, run, told

SPACE = TRANS101.space

RNG = np.random.default_rng(0)
X, AT = RNG.normal(size=(40, 3)), RNG.normal(size=(25, 3))
Y = np.sin(X[:, 0]) + 0.1 * RNG.normal(size=40)
Y = (Y - Y.mean()) / Y.std()


def test_predictions_are_those_of_scikit_learn() -> None:
    kernel = Kernel(1.0, 1.5, 0.05)
    mean, deviation = predict(kernel, [squared_distances(X, X)], Y, [squared_distances(X, AT)])
    theirs = GaussianProcessRegressor(Matern(1.5 * np.sqrt(3), nu=2.5), alpha=0.05, optimizer=None).fit(X, Y)
    their_mean, their_deviation = theirs.predict(AT, return_std=True)
    signal = Y @ np.linalg.solve(Matern(1.5 * np.sqrt(3), nu=2.5)(X) + 0.05 * np.eye(40), Y) / 40
    assert mean == pytest.approx(their_mean)
    assert deviation == pytest.approx(np.sqrt(signal) * their_deviation)


def test_the_chosen_kernel_has_the_highest_marginal_likelihood_of_its_neighbours() -> None:
    def likelihood(kernel: Kernel) -> float:
        shape = Matern(kernel.lengthscale * np.sqrt(3), nu=2.5)
        signal = Y @ np.linalg.solve(shape(X) + kernel.noise * np.eye(40), Y) / 40
        scaled = signal * shape + WhiteKernel(signal * kernel.noise)
        return float(GaussianProcessRegressor(scaled, alpha=0, optimizer=None).fit(X, Y).log_marginal_likelihood_value_)

    chosen = fit_kernel([squared_distances(X, X)], Y)
    for factor in (0.5, 2):
        assert likelihood(chosen) > likelihood(Kernel(1.0, chosen.lengthscale * factor, chosen.noise))
        assert likelihood(chosen) > likelihood(Kernel(1.0, chosen.lengthscale, chosen.noise * factor**2))


def test_the_likelihood_finds_the_block_that_matters() -> None:
    noise = RNG.normal(size=(40, 3))
    matters, not_at_all = squared_distances(X[:, :1], X[:, :1]), squared_distances(noise, noise)
    assert fit_kernel([matters, not_at_all], Y).weight == 2
    assert fit_kernel([not_at_all, matters], Y).weight == 0.25


class Anew(GaussianProcessSearch):
    """Measures every distance at every ask."""

    def _apart(self, x: Floats, at: Floats) -> tuple[list[Floats], list[Floats]]:
        self._distances = None
        return super()._apart(x, at)


def test_distances_that_are_kept_within_a_batch_change_no_ask() -> None:
    for prior in (Prior(), Prior(expects=Parity(1))):
        kept, anew = (run(search(SPACE, seed=3, prior=prior), [6] * 4) for search in (GaussianProcessSearch, Anew))
        assert kept == anew


def test_expected_improvement_is_what_draws_improve_on_average() -> None:
    draws = RNG.normal(0.3, 0.5, 400_000)
    (value,) = expected_improvement(np.array([0.3]), np.array([0.5]), 0.6)
    assert value == pytest.approx(np.maximum(draws - 0.6, 0).mean(), rel=0.01)


def test_the_pareto_front_is_what_nothing_dominates() -> None:
    merits = RNG.integers(0, 6, size=(200, 3)).astype(float)
    dominated = [any((other >= row).all() and (other > row).any() for other in merits) for row in merits]
    assert pareto_front(merits).tolist() == [not d for d in dominated]


def test_standardised_targets_have_no_long_lower_tail() -> None:
    targets = standardised(np.array([93.0, 94, 93.5, 93.2, 93.7, 93.9, 93.3, 93.6, 10]))
    assert (targets.mean(), targets.std()) == (pytest.approx(0), pytest.approx(1))
    assert targets.min() > -3


def test_the_likelihood_is_what_the_kernel_was_chosen_by() -> None:
    among = [squared_distances(X, X)]
    chosen = fit_kernel(among, Y)
    for other in (Kernel(1.0, 0.5, 0.01), Kernel(1.0, 10.0, 1.0)):
        assert log_likelihood(chosen, among, Y) >= log_likelihood(other, among, Y)


class Parity:
    """Expects that cells with many 3x3 convolutions are good, or, with sign -1, bad."""

    def __init__(self, sign: float) -> None:
        self.sign = sign

    def __call__(self, architectures: Sequence[Architecture]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        counts = np.array([a.operators.count("nor_conv_3x3") for a in architectures], dtype=np.float64)
        return self.sign * (counts - 1.5) / 1.06  # over the space: mean 6 / 4, deviation (6 x 3 / 16)^0.5


def found_at(prior: Prior, n: int, seed: int) -> float:
    """The most 3x3 convolutions among n asked, where more are better."""
    searcher = GaussianProcessSearch(SPACE, seed=seed, prior=prior)
    return max(a.operators.count("nor_conv_3x3") for a in run(searcher, [1] * n))


def test_a_right_expectation_is_followed_and_a_wrong_one_is_overruled() -> None:
    right, wrong, none = (
        np.mean([found_at(prior, 7, seed) for seed in range(6)])
        for prior in (Prior(expects=Parity(1)), Prior(expects=Parity(-1)), Prior())
    )
    assert right > none
    assert right > wrong
    assert np.mean([found_at(Prior(expects=Parity(-1)), 25, seed) for seed in range(3)]) >= 5


def test_no_trust_is_no_prior() -> None:
    def asked(**more: object) -> list[Architecture]:
        return run(GaussianProcessSearch(SPACE, seed=3, **more), [1] * 9)  # type: ignore[arg-type]

    assert asked(prior=Prior(expects=Parity(1)), trust=0.0, near=False) == asked()


def test_near_asks_neighbours_of_the_best_while_it_has_unseen_ones() -> None:
    searcher = GaussianProcessSearch(SPACE, seed=3, near=True)
    run(searcher, [5])
    elsewhere = 0
    for _ in range(60):
        (incumbent,) = top(searcher.history, 1)
        around = set(SPACE.neighbours(incumbent.architecture)) - {e.architecture for e in searcher.history}
        (asked,) = searcher.ask(1)
        assert asked in around or not around
        elsewhere += not around
        searcher.tell(told([asked]))
    assert 0 < elsewhere < 60  # 18 neighbours: the best of all has been found, and what lies around it


def test_near_goes_with_a_prior_unless_it_is_said() -> None:
    assert not GaussianProcessSearch(SPACE, seed=0).near
    assert GaussianProcessSearch(SPACE, seed=0, prior=Prior(expects=Parity(1))).near
    assert not GaussianProcessSearch(SPACE, seed=0, prior=Prior(expects=Parity(1)), near=False).near


def test_pending_architectures_are_expected_too() -> None:
    searcher = GaussianProcessSearch(SPACE, seed=0, prior=Prior(expects=Parity(1)))
    run(searcher, [6])
    batch = searcher.ask(5)
    assert len(set(batch)) == 5
    searcher.tell(told(batch))
    assert all(isinstance(evaluation, Evaluation) for evaluation in searcher.history)


def first_layers(architectures: Sequence[Architecture]) -> np.ndarray:
    """A cost that cells of one function do not share: the places of the first two layers' operators, as a number."""
    one, two, *_ = (layer.operators for layer in SPACE.layers)
    places = [10 * one.index(a.operators[0]) + two.index(a.operators[1]) for a in architectures]
    return np.array(places, dtype=float)


def test_what_differs_in_cost_alone_is_predicted_once_and_gains_by_its_own_cost() -> None:
    """With advice, the gain of every candidate is that of a prediction for each of them."""
    prior = Prior(advisers=(Adviser("parity", Parity(1)),), costs=first_layers)
    searcher = GaussianProcessSearch(SPACE, seed=0, prior=prior)
    run(searcher, [8])
    candidates, learned = searcher._candidates(), [one.architecture for one in searcher.learned]
    x, y = candidates.standardise(searcher._described(learned)), searcher.targets(scores_of(searcher.learned))
    found = searcher.rated(x, y, candidates)
    assert searcher._alike is not None
    assert len(searcher._alike[1]) < len(found)
    weighing, among, across = searcher._weighing, apart(SPACE, x, x), apart(SPACE, x, candidates.x)
    expected, there = (weighing.expected(of) for of in (learned, candidates.architectures))
    predicted = weighing.predicted(among, y, expected, across, there)
    steps = Staircase.of(
        y, first_layers(learned), (float(y.min()), float(first_layers(candidates.architectures).max()))
    )
    costs = first_layers(candidates.architectures)
    gains = sum(share * steps.expected_gain(mean, deviation, costs) for share, mean, deviation in predicted)
    assert found == pytest.approx(gains, rel=1e-6, abs=1e-12)
