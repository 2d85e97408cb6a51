"""A pipeline names a search method and its parameters; another method keeps the budget, and old runs their ids."""

from __future__ import annotations

import pickle

import pytest

from flows.build import run_id
from flows.studies.entrants.methods import lapt_entrant
from lapt.algorithms import EARLIER
from lapt.errors import ConfigError
from lapt.pipeline.config import load_pipeline
from lapt.search import SEARCHERS, Prior
from lapt.search.config import SECTIONS
from lapt.spaces import BUILTIN
from lapt.testing import invented_strengths


def test_ids_of_runs_are_those_of_version_1() -> None:
    """Written down before methods declared their own parameters: stored runs must be found again."""
    # As version 1 did, without keys for it.
    kept = ["controls=[]", *(f"adaptation.{key}={value}" for key, value in EARLIER.items())]
    two, three = ([*kept, f"reasoner={{kind: frequency, max_operators: {most}}}"] for most in (2, 3))
    assert run_id(load_pipeline("nas201", two), "x") == "0276b9468ba8"
    assert run_id(load_pipeline("trans101", three), "x") == "451e78fef2aa"
    rivals = load_pipeline("trans101", [*three, "search.method=random", "search.ask_size=2"])
    assert run_id(rivals, "x") == "37a8b3c0acba"


@pytest.mark.parametrize("method", list(SEARCHERS))
def test_every_method_is_named_by_a_pipeline(method: str) -> None:
    pipeline = load_pipeline("trans101", [f"search.method={method}"])
    assert (pipeline.search.method, pipeline.search.population_size, pipeline.budget) == (method, 10, 50)
    assert lapt_entrant(pipeline).label.startswith(f"lapt-{method}")
    assert pickle.loads(pickle.dumps(pipeline)) == pipeline
    assert set(pipeline.search.parameters) == set(SEARCHERS[method].Parameters.model_fields)


def test_parameters_are_those_of_the_method() -> None:
    given = ["search.initial=7", "search.method=gp"]
    assert load_pipeline("trans101", given).search.parameters == {"initial": 7, "trust": 0.5, "near": None}
    with pytest.raises(ConfigError, match=r"'method', 'initial', 'trust'.*got search\.tournament_size"):
        load_pipeline("trans101", [*given, "search.tournament_size=3"])
    with pytest.raises(ConfigError, match=r"search\.initial"):
        load_pipeline("trans101", ["search.method=gp", "search.initial=1"])


@pytest.mark.parametrize("method", list(SEARCHERS))
def test_constructors_check_the_same_parameters(method: str) -> None:
    with pytest.raises(ConfigError, match=r"in the parameters of \w+ one of the keys \[.*\]; got generations"):
        SEARCHERS[method](BUILTIN["trans101"], seed=0, prior=Prior(strengths=invented_strengths), generations=2)
    with pytest.raises(ConfigError, match=r"initial: input should be greater than or equal to 2; got 1"):
        SEARCHERS["gp"](BUILTIN["trans101"], seed=0, initial=1)


def test_an_unknown_method_lists_the_known() -> None:
    with pytest.raises(ConfigError, match=", ".join(f"'{name}'" for name in SECTIONS)):
        load_pipeline("trans101", ["search.method=gradient_descent"])
