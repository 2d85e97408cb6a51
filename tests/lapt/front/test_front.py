"""The front door as a notebook uses it: a function, a source, a result."""

from __future__ import annotations

import doctest
import pickle
import warnings
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lapt
import lapt.front.places
import lapt.front.study
import lapt.front.transfer
from lapt.errors import ConfigError, LaptError
from lapt.evaluation import best
from lapt.front.scored import Written, number_of
from lapt.front.transfer import source_of
from lapt.pipeline.target import TargetSearch
from lapt.search.config import SECTIONS

SOURCE = lapt.table("invented", "invented_source")
TARGET = lapt.table("invented", "invented_a")


@cache
def learned() -> lapt.Principles:
    """Principles of the source, as counting states them."""
    return lapt.ask_tell(source=SOURCE, reasoner="frequency").learned


def convolutions(architecture: object) -> float:
    return float(str(architecture).count("nor_conv_3x3"))


@pytest.mark.parametrize("module", [lapt.front.places, lapt.front.study, lapt.front.transfer], ids=lambda m: m.__name__)
def test_examples_in_docstrings_run(module: object, tmp_path: Path) -> None:
    found = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)  # type: ignore[arg-type]
    assert found.attempted > 1
    assert found.failed == 0


@pytest.mark.parametrize("name", sorted(set(lapt.__all__) - {"__version__"}))
def test_every_name_is_there_and_documented(name: str) -> None:
    assert getattr(lapt, name).__doc__


def test_a_wrong_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(AttributeError, match="transfer"):
        lapt.transfr  # noqa: B018


def test_the_best_of_all_calls_is_found_within_the_budget() -> None:
    asked: list[str] = []

    def score(architecture: lapt.Architecture) -> float:
        asked.append(str(architecture))
        return convolutions(architecture)

    found = lapt.transfer(score, source=SOURCE, budget=11, progress=False)
    assert len(asked) == len(set(asked)) == 11
    assert found.score == max(convolutions(text) for text in asked)
    assert found.history.num_rows == 11
    assert found.history["architecture"].to_pylist() == asked
    assert str(found.architecture) in asked
    assert found.spaces[0].size < found.space.size
    assert len(found.spaces) == 3


def test_minimizing_a_function_is_maximizing_its_negative() -> None:
    down = lapt.transfer(lambda a: -convolutions(a), source=SOURCE, budget=8, direction="minimize", progress=False)
    up = lapt.transfer(convolutions, source=[(str(down.architecture), 1.0)], space="nas201", budget=8, progress=False)
    assert down.score == min(value for value in down.history["value"].to_pylist())
    assert up.score == max(value for value in up.history["value"].to_pylist())


@pytest.mark.parametrize("bad", [None, float("nan"), float("inf"), "raises"])
def test_a_failing_score_is_a_failed_evaluation(bad: object) -> None:
    calls = []

    def score(architecture: lapt.Architecture) -> object:
        calls.append(architecture)
        if len(calls) % 2:
            if bad == "raises":
                raise RuntimeError("out of memory")
            return bad
        return convolutions(architecture)

    found = lapt.transfer(score, source=SOURCE, budget=8, progress=False)  # type: ignore[arg-type]
    errors = found.history["error"].to_pylist()
    assert len(calls) == len(errors) == 8
    assert sum(error is not None for error in errors) == 4
    if bad == "raises":
        assert errors[0] == "RuntimeError: out of memory"


def test_what_is_no_number_is_said_at_once() -> None:
    with pytest.raises(ConfigError, match="a number as score"):
        lapt.transfer(lambda a: "good", source=SOURCE, budget=4, progress=False)  # type: ignore[arg-type,return-value]
    assert number_of(True) == 1.0


def test_nothing_with_a_score_is_an_error_that_names_the_first_failure() -> None:
    def score(architecture: lapt.Architecture) -> float:
        raise ValueError("no data")

    found = lapt.transfer(score, source=SOURCE, budget=4, progress=False)
    assert found.history.num_rows == 4
    with pytest.raises(LaptError, match="ValueError: no data"):
        _ = found.architecture
    assert "no score" in found._repr_html_()


def test_ctrl_c_returns_what_was_found() -> None:
    calls = []

    def score(architecture: lapt.Architecture) -> float:
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(architecture)
        return convolutions(architecture)

    with pytest.warns(UserWarning, match="interrupted after 3 of 20"):
        found = lapt.transfer(score, source=SOURCE, progress=False)
    assert found.history.num_rows == 3


def test_an_evaluator_scores_too_and_controls_stand_beside() -> None:
    found = lapt.transfer(TARGET, source=SOURCE, budget=12, controls=["random", "source_ranking"], progress=False)
    assert list(found.controls) == ["random", "source_ranking"]
    assert found.evaluator.task == "invented_a"
    values = [TARGET.evaluate([found.space.decode(str(found.architecture))])[0].value]
    assert values == [found.score]


def test_the_same_search_as_the_steps_of_a_pipeline() -> None:
    study = lapt.front.transfer._study(TARGET, SOURCE, None, 20, "patterns", "rea", 0, "maximize", (), None, None)
    while not study.done:
        for architecture in study.ask(1):
            study.evaluate(architecture)
    incumbent, evaluations = TargetSearch(study.steps, TARGET, study.archive).run(study.learned)
    assert [e.identity for e in study.evaluations] == [e.identity for e in evaluations]
    assert study.incumbent == incumbent


def test_a_report_is_a_page_and_a_notebook_sees_the_cell(tmp_path: Path) -> None:
    found = lapt.transfer(TARGET, source=SOURCE, budget=8, controls=["random"], progress=False)
    page = found.save_report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert str(found.architecture).split("|")[1] in page
    assert "invented_a" in page
    assert "lapt run run.yaml" in page
    own = lapt.transfer(convolutions, source=SOURCE, budget=4, progress=False).save_report(tmp_path / "own.html")
    assert "It ran in Python" in own.read_text(encoding="utf-8")
    html = found._repr_html_()
    assert html.count("<img") == 2
    assert found.principles.principles[0].statement.split()[0] in html


def test_a_list_is_a_source_and_so_are_principles() -> None:
    space = lapt.space("nas201")
    texts = [space.encode(a) for a, _ in zip(space.members(), range(400), strict=False)]
    pairs = [(text, convolutions(text)) for text in texts]
    found = lapt.transfer(convolutions, source=pairs, space="nas201", budget=6, progress=False)
    assert len(found.archive.entries) == 40  # type: ignore[union-attr]
    again = lapt.transfer(convolutions, source=found.learned, budget=6, progress=False)
    assert again.history["architecture"].to_pylist() == found.history["architecture"].to_pylist()
    alone = lapt.transfer(convolutions, space=space, budget=6, progress=False)
    assert alone.spaces[0].size == space.size


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"source": 7, "space": "nas201"}, "a source: lapt.table"),
        ({"source": [("nonsense", 1)], "space": "nas201"}, "a nas201 cell"),
        ({"source": [1, 2], "space": "nas201"}, "give pairs"),
        ({}, "a space"),
        ({"source": SOURCE, "method": "nonsense"}, "a search method among"),
        ({"source": SOURCE, "budget": 0}, "a budget of one"),
        ({"source": SOURCE, "direction": "up"}, "maximize or minimize"),
        ({"source": SOURCE, "reasoner": "nonsense"}, "reasoner"),
        ({"source": SOURCE, "reasoner": "chat:openai:gpt-4o"}, "a store, which keeps"),
        ({"source": SOURCE, "store": "somewhere"}, "a name for the function"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_one_line(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(LaptError, match=words) as raised:
        lapt.transfer(convolutions, progress=False, **arguments)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)


def test_a_store_pays_once_and_knows_the_run(tmp_path: Path) -> None:
    calls = []

    def score(architecture: lapt.Architecture) -> float:
        calls.append(str(architecture))
        return convolutions(architecture)

    store = str(tmp_path / "store")
    arguments = {"source": SOURCE, "budget": 6, "store": store, "name": "mine", "progress": False}
    first = lapt.transfer(score, **arguments)  # type: ignore[arg-type]
    second = lapt.transfer(score, **arguments)  # type: ignore[arg-type]
    assert len(calls) == 6
    assert first.architecture == second.architecture
    opened = lapt.open_store(store)
    assert len(opened.runs()) == 1
    assert opened.sql("SELECT count(*) AS n FROM evaluations WHERE task = 'target'").to_pylist() == [{"n": 6}]
    other = {**arguments, "name": "another"}
    lapt.transfer(score, **other)  # type: ignore[arg-type]
    assert len(calls) == 12


# --- ask and tell ----------------------------------------------------------------------------------------------
@settings(max_examples=15, deadline=None)
@given(data=st.data(), method=st.sampled_from(["rea", "random", "local_search"]), budget=st.integers(1, 17))
def test_asks_in_any_order_spend_the_budget_and_repeat_nothing(data: st.DataObject, method: str, budget: int) -> None:
    study = lapt.ask_tell(source=learned(), reasoner="frequency", budget=budget, method=method)
    asked: list[str] = []
    waiting: list[Written] = []
    while not study.done or waiting:
        new = study.ask(data.draw(st.integers(1, 4)))
        waiting += new
        asked += map(str, new)
        if data.draw(st.booleans()):
            study = pickle.loads(pickle.dumps(study))
        if waiting and (not new or data.draw(st.booleans())):
            one = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
            study.tell(one, data.draw(st.sampled_from([None, float("nan"), convolutions(one)])))
    assert len(asked) == len(set(asked)) == len(study.evaluations) == budget
    assert study.incumbent == best(study.evaluations)


@pytest.mark.parametrize("method", [m for m in SECTIONS if m in ("gp", "rea", "weaknas", "bananas")])
def test_a_pickle_goes_on_as_the_study_would(method: str) -> None:
    def rest(study: lapt.Study) -> list[str]:
        found = []
        while not study.done:
            for one in study.ask(1):
                found.append(str(one))
                study.tell(one, convolutions(one))
        return found

    study = lapt.ask_tell(source=learned(), budget=9, method=method)
    for one in study.ask(2):
        study.tell(one, convolutions(one))
    copy = pickle.loads(pickle.dumps(study))
    assert rest(copy) == rest(study)


def test_only_what_is_awaited_can_be_told() -> None:
    study = lapt.ask_tell(source=learned(), reasoner="frequency", budget=4, method="rea")
    (one,) = study.ask(1)
    study.tell(str(one), 1.0)
    with pytest.raises(ConfigError, match="asked for and not told"):
        study.tell(one, 2.0)


def test_a_failed_evaluation_is_learned_from_as_one() -> None:
    study = lapt.ask_tell(source=learned(), reasoner="frequency", budget=4, method="rea")
    (one,) = study.ask(1)
    study.tell(one, None)
    assert study.evaluations[-1].failed
    assert study.incumbent is None


def test_the_best_tenth_of_pairs_is_read_but_ten_at_least() -> None:
    space, metric = lapt.space("nas201"), lapt.Metric("score")
    texts = [space.encode(a) for a, _ in zip(space.members(), range(30), strict=False)]
    archive, source = source_of([(text, at) for at, text in enumerate(texts)], space, metric)
    assert [entry.value for entry in archive.entries] == list(range(29, 19, -1))  # type: ignore[union-attr]
    assert source.task == "source"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        few, _ = source_of([(texts[0], 1.0)], space, metric)
    assert len(few.entries) == 1  # type: ignore[union-attr]
