"""Limits of a run's cost: their counting, and a search that they cut short."""

from __future__ import annotations

from functools import cache

import pytest

from lapt.archive import best_of_random
from lapt.errors import BudgetSpent
from lapt.evaluation import Evaluation
from lapt.evaluators.table import TableEvaluator
from lapt.pipeline.config import Execution
from lapt.pipeline.limits import Meter, RunLimits
from lapt.search import SEARCHERS
from lapt.search.loop import search
from lapt.spaces import BUILTIN, Architecture
from lapt.testing import invented_table

SPACE = BUILTIN["nas201"]


def test_there_is_room_until_a_limit_and_what_it_left_out_is_known() -> None:
    meter = Meter(RunLimits(evaluations=10))
    assert (meter.room(4), meter.denied) == (4, None)
    meter.asked(4)
    assert meter.room(6) == 6
    assert meter.denied is None, "all that was wanted"
    assert meter.room(8) == 6
    assert str(meter.denied) == (
        "expected at most 10 evaluations of this run; got 4 and 8 more to ask for; "
        "with a higher limit, or none, the same run goes on from here"
    )
    meter.asked(6)
    assert meter.room(1) == 0
    with pytest.raises(BudgetSpent, match="got 10;"):
        meter.check()


@pytest.mark.parametrize("name", ["seconds", "device_seconds"])
def test_time_ends_everything_that_costs_time(name: str) -> None:
    meter = Meter(RunLimits.model_validate({name: 1e-9}))
    meter.paid(2.0)
    assert meter.room(5) == 0
    assert not meter.may_train()
    assert meter.denied is not None


def test_evaluations_do_not_hold_back_the_final_trainings() -> None:
    meter = Meter(RunLimits(evaluations=1))
    meter.asked(1)
    assert meter.may_train()
    assert meter.denied is None


def test_a_training_counts_what_it_took_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lapt.pipeline.limits.time.monotonic", lambda: 100.0)
    meter = Meter(RunLimits())
    meter.trained(30.0, began=60.0)
    assert meter.device_seconds == 30.0, "the rest was waiting"
    meter.trained(3600.0, began=90.0)
    assert meter.device_seconds == 40.0, "most of it was there before"


def test_no_limit_is_no_part_of_what_is_written() -> None:
    assert set(Execution(store="s").model_dump(mode="json")) & {"limits", "snapshot"} == set()
    said = Execution.model_validate({"store": "s", "limits": {"seconds": 5}, "snapshot": False}).model_dump(mode="json")
    assert (said["limits"]["seconds"], said["snapshot"]) == (5.0, False)


@pytest.mark.parametrize("method", ["random", "rea", "gp", "local_search"])
@pytest.mark.parametrize("room", [0, 1, 3, 7, 12])
def test_a_search_that_is_cut_short_asked_for_the_first_of_the_whole_one(method: str, room: int) -> None:
    assert list(asked_within(method, room)) == list(whole_search(method))[:room]


def asked_within(method: str, limit: int) -> tuple[str, ...]:
    evaluator, left = TableEvaluator(invented_table(), SPACE, "invented_a"), limit

    def evaluate(architectures: list[Architecture]) -> list[Evaluation]:
        nonlocal left
        found = evaluator.evaluate(architectures[:left])
        left -= len(found)
        return found

    searcher = SEARCHERS[method](SPACE, seed=3, identity=evaluator.identity)
    first = list(SPACE.members())[:4]
    found = search(searcher, evaluate, budget=12, ask_size=4, first=first)
    return tuple(SPACE.encode(one.architecture) for one in found)


@cache
def whole_search(method: str) -> tuple[str, ...]:
    return asked_within(method, 12)


def test_an_archive_that_is_cut_short_is_none() -> None:
    class Cut(TableEvaluator):
        def evaluate(self, architectures: object) -> list[Evaluation]:
            return super().evaluate(list(architectures)[:5])  # type: ignore[call-overload]

    with pytest.raises(BudgetSpent, match=r"6 evaluations of invented_a, .*got 5 when a limit"):
        best_of_random(SPACE, Cut(invented_table(), SPACE, "invented_a"), 3, 6, seed=0)
