"""A search that goes back to the first refined space: which space each architecture comes from, and who learns."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from flows.build import run_id
from lapt.algorithms import VERSION
from lapt.base.digests import short
from lapt.evaluation import Evaluation, top
from lapt.evaluators import TableEvaluator
from lapt.pipeline.config import load_pipeline
from lapt.pipeline.steps import Steps
from lapt.pipeline.target import TargetSearch
from lapt.reasoning import Patterns, Reasoner
from lapt.search import SEARCHERS, Searcher
from lapt.search.methods.model_free import RandomSearch
from lapt.search.revisiting import Revisiting
from lapt.spaces import BUILTIN, Architecture, Pool, SearchSpace
from lapt.testing import invented_table
from lapt.testing.searchers import CHECKS, TRANS101, Check, check_what_is_not_there, told
from storage.runs.declared import declared

SPACE, NAS201 = TRANS101.space, BUILTIN["nas201"]
MEMBERS = list(SPACE.members())


def revisiting(
    method: str, space: SearchSpace, *, seed: int, identity: Callable[[Architecture], str] | None = None
) -> Revisiting:
    make = partial(SEARCHERS[method], identity=identity)
    first = Pool.of(space, list(space.members())[::7])
    return Revisiting(make(space, seed=seed), make(first, seed=seed + 1), 3)


RULES = [check for check in CHECKS if check is not check_what_is_not_there]
"""The rules but one: each of the two searchers is made with what is not there."""


@pytest.mark.parametrize("check", RULES, ids=lambda check: check.__name__)
@pytest.mark.parametrize("method", ["rea", "gp"])
def test_conforms(method: str, check: Check) -> None:
    check(partial(revisiting, method))


def test_every_third_is_of_the_first_space_while_it_lasts() -> None:
    first, beyond = Pool.of(SPACE, MEMBERS[:2]), Pool.of(SPACE, MEMBERS[2:])
    searcher = Revisiting(RandomSearch(beyond, seed=0), RandomSearch(first, seed=0), 3)
    asked = [*searcher.ask(4), *searcher.ask(6)]  # however many are asked for at a time
    assert [architecture in MEMBERS[:2] for architecture in asked] == [at in (3, 6) for at in range(1, 11)]
    assert searcher.pending == asked


def test_it_stays_away_while_the_best_so_far_is_elsewhere() -> None:
    first, beyond = Pool.of(SPACE, MEMBERS[:20]), Pool.of(SPACE, MEMBERS[20:])
    searcher = Revisiting(RandomSearch(beyond, seed=0), RandomSearch(first, seed=0), 2)
    searcher.tell(told([MEMBERS[0]], lambda _: 1.0))
    assert [one in MEMBERS[:20] for one in searcher.ask(4)] == [False, True, False, True]
    searcher.tell(told([MEMBERS[30]], lambda _: 2.0))
    assert not any(one in MEMBERS[:20] for one in searcher.ask(4))
    searcher.tell(told([MEMBERS[1]], lambda _: 3.0))
    assert [one in MEMBERS[:20] for one in searcher.ask(2)] == [False, True]
    failed = Revisiting(RandomSearch(beyond, seed=0), RandomSearch(first, seed=0), 2)
    failed.tell(told([MEMBERS[30]], lambda _: None))  # nothing is known yet
    assert [one in MEMBERS[:20] for one in failed.ask(2)] == [False, True]


def test_the_first_space_takes_over_where_the_other_is_used_up() -> None:
    first, beyond = Pool.of(SPACE, MEMBERS[:5]), Pool.of(SPACE, MEMBERS[5:7])
    searcher = Revisiting(RandomSearch(beyond, seed=0), RandomSearch(first, seed=0), 3)
    assert set(searcher.ask(9)) == set(MEMBERS[:7])
    assert searcher.ask(1) == []


def test_both_are_told_and_asked_for_nothing_twice() -> None:
    here, first = RandomSearch(SPACE, seed=0), RandomSearch(Pool.of(SPACE, MEMBERS[:4]), seed=0)
    searcher = Revisiting(here, first, 2)
    asked = searcher.ask(8)
    assert here.pending == first.pending == asked
    evaluations = told(asked)
    searcher.tell(evaluations)
    assert here.history == first.history == searcher.history == evaluations
    assert searcher.pending == []
    better = told(asked[:1], lambda architecture: 99.0)
    searcher.correct(better)
    assert here.history[0] == first.history[0] == searcher.history[0] == better[0]


class Watched(TargetSearch):
    """A search whose searchers are kept, with the refined space of each."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.kept: list[tuple[SearchSpace, Searcher]] = []

    def searcher(
        self, refined: SearchSpace, history: Sequence[Evaluation], g: int
    ) -> tuple[Searcher, list[Architecture]]:
        made, first = super().searcher(refined, history, g)
        self.kept.append((refined, made))
        return made, first


def searched(*more: str, reasoner: Reasoner | None = None) -> tuple[Watched, list[Evaluation]]:
    pipeline = load_pipeline("invented", ["search={method: gp, population_size: 6, generations: 1}", *more])
    steps = Steps(pipeline, NAS201, reasoner or Patterns())
    tasks = pipeline.source.task, pipeline.targets[0]
    source, target = (TableEvaluator(invented_table(), NAS201, task) for task in tasks)
    search = Watched(steps, target)
    _, evaluations = search.run(steps.learn(steps.build_archive(source)))
    return search, evaluations


@pytest.mark.parametrize("method", ["gp", "rea"])
def test_a_search_goes_back_once_adaptation_has_widened_the_space(method: str) -> None:
    search, evaluations = searched(f"search.method={method}")
    assert len(evaluations) == len({one.identity for one in evaluations}) == search.steps.pipeline.budget == 24
    first = search.kept[0][0]
    assert [isinstance(one, Revisiting) for _, one in search.kept] == [False, True, True]
    due = [begun + at for begun in (12, 18) for at in (2, 5)]
    best_there = [at for at in due if first.contains(top(evaluations[:at], 1)[0].architecture)]
    assert best_there
    assert all(first.contains(evaluations[at].architecture) for at in best_there)
    assert searched("adaptation.revisit=0", f"search.method={method}")[1] != evaluations


@pytest.mark.parametrize(
    ("more", "reasoner"),
    [("adaptation.revisit=0", Patterns()), ("refinement=order", Patterns()), ("seed=0", Patterns(growth=1.0))],
)
def test_it_does_not_where_it_may_not_or_nothing_was_widened(more: str, reasoner: Reasoner) -> None:
    search, _ = searched(more, reasoner=reasoner)
    assert not any(isinstance(one, Revisiting) for _, one in search.kept)


def test_it_does_not_once_an_adviser_is_refuted() -> None:
    search, _ = searched("source.archive={strategy: worst, size: 50}", "search.population_size=10")
    assert search.refuted
    assert not isinstance(search.kept[-1][1], Revisiting)


def test_earlier_runs_keep_their_ids_and_are_read_as_they_were() -> None:
    before = load_pipeline("invented", ["adaptation.refuted=keep", "adaptation.revisit=0"])
    config = before.model_dump(mode="json")
    for key in ("refuted", "revisit"):
        del config["adaptation"][key]
    assert declared(json.dumps(config)) == before
    assert run_id(before, "data") != run_id(load_pipeline("invented", ["adaptation.refuted=keep"]), "data")
    assert run_id(before, "data") == short({"pipeline": config, "data": "data", "algorithm": VERSION})
