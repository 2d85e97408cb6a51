"""Learning from a source's evaluations, and the networks of the methods that do."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern
from torch import nn

from flows.studies.entrants.bench import Bench
from flows.studies.entrants.methods import alone
from lapt.archive import Archive, best_of_random
from lapt.evaluators import TableEvaluator
from lapt.pipeline.config import Execution, load_pipeline
from lapt.search import SEARCHERS, Prior
from lapt.search.methods.model_based import flat_graphs
from lapt.search.methods.transfer import family_features, learnable
from lapt.search.models.neural import DeepKernel, Relation, fit_relation, seeded, wins
from lapt.spaces import BUILTIN, Architecture
from lapt.testing import invented_table
from lapt.testing.searchers import TRANS101, convolutions, run, told
from lapt.training.device import with_threads

SPACE = TRANS101.space

TRANSFERS = ["weaknas_t", "arch_graph", "arch_zero", "transfer_gp"]


@pytest.fixture(scope="module")
def archive() -> Archive:
    """60 evaluations of the invented source."""
    space = BUILTIN["nas201"]
    return best_of_random(space, TableEvaluator(invented_table(), space, "invented_source"), 20, 60, seed=1)


@pytest.mark.parametrize("method", TRANSFERS)
def test_the_first_asks_are_better_than_most_of_the_space(method: str, archive: Archive) -> None:
    evaluator = TableEvaluator(invented_table(), archive.space, "invented_a")
    asked = SEARCHERS[method](archive.space, seed=0, prior=Prior(source=archive.asked)).ask(5)
    upper = np.quantile(evaluator.table.column("invented_a"), 0.75)
    assert np.mean([evaluation.score for evaluation in evaluator.evaluate(asked)]) > upper


def test_arch_zero_hears_nothing_of_the_target(archive: Archive) -> None:
    one, other = (SEARCHERS["arch_zero"](SPACE, seed=0, steps=5, prior=source()) for _ in range(2))
    assert run(one, [4] * 6) == run(other, [4] * 6, lambda architecture: -convolutions(architecture))
    adapted = (SEARCHERS["arch_graph"](SPACE, seed=0, steps=5, prior=source()) for _ in range(2))
    assert run(next(adapted), [4] * 6) != run(next(adapted), [4] * 6, lambda a: -convolutions(a))


def source() -> Prior:
    return Prior(source=tuple(told(list(SPACE.members())[::60])))


def test_transfer_gp_starts_from_the_best_of_the_source_that_lie_in_the_space() -> None:
    refined = SPACE.restrict(operators={"0->1": ["skip_connect", "nor_conv_1x1"]})
    asked = SEARCHERS["transfer_gp"](refined, seed=0, identity=TRANS101.function_of, prior=source()).ask(5)
    inside = [e for e in source().source if refined.contains(e.architecture)]
    best = sorted(inside, key=lambda evaluation: -evaluation.score)
    assert asked[0] == best[0].architecture
    assert min(map(convolutions, asked)) >= np.median([e.score for e in inside])


def test_of_a_source_that_tells_nothing_apart_there_is_nothing_to_learn() -> None:
    members = list(SPACE.members())[:5]
    assert learnable(Prior(source=tuple(told(members, lambda architecture: 1.0)))) == ()
    assert learnable(Prior(source=tuple(told(members, lambda architecture: None)))) == ()
    some = Prior(source=tuple(told(members, lambda a: None if a == members[0] else 1.0)))
    assert learnable(some) == ()  # why one failed may have nothing to do with how good it is
    apart = Prior(source=tuple(told(members, lambda a: None if a == members[0] else float(members.index(a)))))
    assert learnable(apart) == apart.source[1:]


def test_a_cell_looks_the_same_from_every_restriction() -> None:
    refined = SPACE.restrict(operators={"0->1": ["skip_connect"], "2->3": ["nor_conv_3x3"]})
    members = list(refined.members())[::31]
    assert np.array_equal(family_features(SPACE, members), family_features(refined, members))
    whole = family_features(SPACE, list(SPACE.members()))
    assert np.abs(whole.mean(axis=0)).max() < 1e-9
    assert whole.std(axis=0) == pytest.approx(np.ones(whole.shape[1]))


def test_alone_in_a_study_a_transfer_method_has_the_source_and_gp_has_not() -> None:
    bench = Bench(load_pipeline("invented"), Execution(store="unused"), budget=4)
    first = bench.archive(0).entries[0].architecture
    assert alone("transfer_gp", bench, "invented_a", 0).evaluations[0].architecture == first
    assert alone("gp", bench, "invented_a", 0).evaluations[0].architecture != first


# --- the networks ------------------------------------------------------------------------------------------------
def test_a_relation_learns_a_known_order() -> None:
    members = list(SPACE.members())
    rng = np.random.default_rng(0)
    drawn = [members[int(at)] for at in rng.choice(len(members), 260, replace=False)]
    seen, unseen = drawn[:60], drawn[60:]
    x = flat_graphs(SPACE, seen)
    live = np.array([depth(architecture) for architecture in seen])
    relation = seeded(lambda: Relation(SPACE, 32, x.shape[1]), 0)
    with with_threads(1):
        fit_relation(relation, x, live, steps=100, rate=0.01, rng=rng)
        shares = wins(relation, flat_graphs(SPACE, unseen), np.arange(128))
    assert spearmanr(shares, [depth(architecture) for architecture in unseen]).statistic > 0.8


def depth(architecture: Architecture) -> float:
    """A score of the function: 3x3 convolutions of the canonical cell."""
    return convolutions(SPACE.canonical(architecture))


def test_one_of_two_is_better_never_both() -> None:
    members = list(SPACE.members())[::500]
    x = flat_graphs(SPACE, members)
    relation = seeded(lambda: Relation(SPACE, 8, x.shape[1]), 3)
    embedding = relation.encoder(torch.as_tensor(x, dtype=torch.float32))
    logits = relation(embedding[:, None], embedding[None])
    assert torch.allclose(logits, -logits.T, atol=1e-6)
    (alone,) = wins(relation, x[:1], np.array([0]))
    assert alone == 0.5


def test_a_deep_kernel_without_a_network_is_scikit_learns_process() -> None:
    rng = np.random.default_rng(0)
    x, at = rng.normal(size=(20, 3)), rng.normal(size=(9, 3))
    y = np.sin(x[:, 0])
    kernel = seeded(lambda: DeepKernel(3), 0)
    kernel.phi = nn.Identity()
    noise = 0.01 + 0.1  # the least, and exp(log_noise)
    theirs = GaussianProcessRegressor(Matern(1.0, nu=2.5), alpha=noise, optimizer=None).fit(x, y)
    mean, deviation = kernel.predict(x, y, at)
    their_mean, their_deviation = theirs.predict(at, return_std=True)
    signal = y @ np.linalg.solve(Matern(1.0, nu=2.5)(x) + noise * np.eye(20), y) / 20
    assert mean == pytest.approx(their_mean)
    assert deviation == pytest.approx(np.sqrt(signal) * their_deviation)
    scaled = GaussianProcessRegressor(signal * Matern(1.0, nu=2.5), alpha=signal * noise, optimizer=None).fit(x, y)
    unlikely = -scaled.log_marginal_likelihood_value_ / 20 - 0.5 - np.log(2 * np.pi) / 2
    assert float(kernel.unlikelihood(torch.from_numpy(x), torch.from_numpy(y)).detach()) == pytest.approx(unlikely)


def test_networks_leave_the_global_generator_as_it_was() -> None:
    before = torch.random.get_rng_state()
    run(SEARCHERS["arch_graph"](SPACE, seed=0, steps=2, prior=source()), [2] * 4)
    run(SEARCHERS["transfer_gp"](SPACE, seed=0, steps=2, tuning=2, prior=source()), [2] * 4)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("method", ["bonas", "arch_graph", "arch_zero", "transfer_gp"])
def test_a_missing_torch_is_named_before_anything_is_asked(method: str) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; from lapt.search import SEARCHERS; from lapt.spaces import BUILTIN; "
        "SEARCHERS['weaknas_t'](BUILTIN['trans101'], seed=0).ask(1); "
        f"print('the others work'); SEARCHERS[{method!r}](BUILTIN['trans101'], seed=0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "the others work"
    assert "ConfigError" in done.stderr
    assert "pip install 'lapt[train]'" in done.stderr
