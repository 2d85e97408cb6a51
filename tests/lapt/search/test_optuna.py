"""Optuna's samplers as a search method, and the way to a study of one's own and back."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from flows.build import run_id
from lapt.errors import ConfigError, SpaceError
from lapt.front.transfer import _search
from lapt.pipeline.config import load_pipeline
from lapt.search import SEARCHERS, Prior
from lapt.search.config import SECTIONS
from lapt.spaces import BUILTIN, Architecture
from lapt.spaces.distributions import params
from lapt.testing.searchers import DARTS, DECLARED, told

SPACE = BUILTIN["trans101"]


@pytest.fixture
def optuna() -> Any:
    return pytest.importorskip("optuna", reason="the extra optuna is not installed")


def test_the_short_form_means_the_two_keys() -> None:
    short = load_pipeline("trans101", ["search.method=optuna:RandomSampler"])
    spelt = load_pipeline("trans101", ["search.method=optuna", "search.sampler=RandomSampler"])
    assert (
        short
        == spelt
        == type(short).model_validate(
            {**short.model_dump(), "search": {"method": "optuna:RandomSampler", "population_size": 10, "ask_size": 1}}
        )
    )
    assert (short.search.method, short.search.parameters) == ("optuna", {"sampler": "RandomSampler", "options": {}})
    assert run_id(short, "x") == run_id(spelt, "x")
    sections = [_search(method, 20) for method in ("optuna:A", {"method": "optuna", "sampler": "A"})]
    assert sections[0] == sections[1]
    assert SECTIONS["optuna"].model_validate(sections[0]).parameters["sampler"] == "A"
    with pytest.raises(ConfigError, match=r"did you mean optuna:TPESampler\?"):
        load_pipeline("trans101", ["search.method=tpe"])


def test_without_optuna_the_remedy_is_its_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"pip install 'lapt\[optuna\]'"):
        SEARCHERS["optuna"](SPACE, seed=0)


def test_only_samplers_that_a_seed_makes(optuna: Any) -> None:
    for sampler in ("NoSampler", "GridSampler", "nsgaii"):
        with pytest.raises(ConfigError, match=rf"a sampler of Optuna .* got {sampler}: .*; TPESampler is one"):
            SEARCHERS["optuna"](SPACE, seed=0, sampler=sampler)


def test_what_is_told_reaches_the_study(optuna: Any) -> None:
    """Of two earlier evaluations one lies outside and one failed; of two that were asked for, one failed."""
    none, convolution = Architecture(("none",) * 6, SPACE.sample(np.random.default_rng(0)).sources), "nor_conv_3x3"
    other = none._replace(operators=("skip_connect",) * 6)
    small = SPACE.restrict(operators={SPACE.layer_names[0]: [convolution, "skip_connect"]})
    searcher: Any = SEARCHERS["optuna"](small, seed=0)
    searcher.tell(told([none, other], lambda architecture: 3.0 if architecture == none else None))
    one, two = searcher.ask(2)
    searcher.tell(told([one, two], lambda architecture: 7.0 if architecture == one else None))
    trials = searcher.study.trials
    assert [(trial.state.name, trial.value) for trial in trials] == [
        *(("COMPLETE", 3.0), ("FAIL", None), ("COMPLETE", 7.0), ("FAIL", None)),
    ]
    assert list(trials[0].params.values())[1:] == ["none"] * 5
    assert [small.from_optuna(trial.params) for trial in trials[1:]] == [other, one, two]


def test_a_repeat_is_told_its_known_score(optuna: Any) -> None:
    few = SPACE.restrict(operators={layer: ["none"] for layer in SPACE.layer_names[1:]})
    searcher: Any = SEARCHERS["optuna"](few, seed=0, sampler="RandomSampler")
    for _ in range(few.size):
        searcher.tell(told(searcher.ask(1), lambda architecture: float(len(architecture.operators[0]))))
    assert searcher.repeats > 0
    finished = [trial for trial in searcher.study.trials if trial.state.name == "COMPLETE"]
    assert len(finished) == len(searcher.study.trials) == few.size + searcher.repeats
    assert all(trial.value == len(few.from_optuna(trial.params).operators[0]) for trial in finished)


def depth(architectures: Sequence[Architecture]) -> np.ndarray:
    """A cost: 3x3 convolutions twice, other operators once; not known without any."""
    weights = {"none": 0.0, "nor_conv_3x3": 2.0}
    found = np.array([sum(weights.get(operator, 1.0) for operator in one.operators) for one in architectures])
    return np.where(found == 0, np.nan, found)


def test_with_two_objectives_the_study_is_told_both(optuna: Any) -> None:
    """Of three evaluations one failed, and one has no known cost."""
    searcher: Any = SEARCHERS["optuna"](SPACE, seed=0, sampler="NSGAIISampler", prior=Prior(costs=depth))
    convolutions = Architecture(("nor_conv_3x3",) * 6, SPACE.sample(np.random.default_rng(0)).sources)
    others = [convolutions._replace(operators=(operator,) * 6) for operator in ("skip_connect", "none")]
    skips, _ = others
    searcher.tell(told([convolutions, *others], lambda architecture: None if architecture == skips else 5.0))
    assert [trial.values for trial in searcher.study.trials] == [[5.0, 12.0], None, None]
    assert [direction.name for direction in searcher.study.directions] == ["MAXIMIZE", "MINIMIZE"]


def test_samplers_for_one_objective_and_wrong_options_are_refused(optuna: Any) -> None:
    with pytest.raises(ConfigError, match=r"for two objectives; got CmaEsSampler: .*; NSGAIISampler and TPESampler"):
        SEARCHERS["optuna"](SPACE, seed=0, sampler="CmaEsSampler", prior=Prior(costs=depth))
    for options in ({"population_size": 1}, {"populace": 5}):
        with pytest.raises(ConfigError, match=rf"made from a seed and {next(iter(options))}; got NSGAIISampler"):
            SEARCHERS["optuna"](SPACE, seed=0, sampler="NSGAIISampler", options=options)


def test_options_reach_the_sampler_and_are_left_out_at_their_default(optuna: Any) -> None:
    short = ["search.method=optuna:NSGAIISampler"]
    assert "options" not in load_pipeline("trans101", short).model_dump(mode="json")["search"]
    pipeline = load_pipeline("trans101", [*short, "search.options={population_size: 7}"])
    searcher: Any = SEARCHERS["optuna"](SPACE, seed=0, **pipeline.search.parameters)
    assert searcher.study.sampler.population_size == 7


@pytest.mark.parametrize("ground", [DARTS, DECLARED], ids=["darts", "declared"])
def test_there_and_back(optuna: Any, ground: Any) -> None:
    space = ground.space
    distributions = space.to_optuna()
    sources = [layer for layer in space.layers if len(layer.sources) > 1]
    assert list(distributions) == list(params(space.layers, ground.scattered(1)[0]))
    assert len(distributions) == len(space.layers) + len(sources)
    for architecture in ground.scattered(50):
        chosen = params(space.layers, architecture)
        assert all(chosen[name] in distributions[name].choices for name in distributions)
        assert space.from_optuna(chosen) == space.as_member(architecture)


def test_choices_that_a_layer_lacks() -> None:
    first, *_ = SPACE.layer_names
    chosen = params(SPACE.layers, SPACE.sample(np.random.default_rng(0)))
    for wrong in ({**chosen, first: "conv"}, {name: chosen[name] for name in chosen if name != first}):
        with pytest.raises(SpaceError, match=rf"expected {first} among"):
            SPACE.from_optuna(wrong)
