"""The picture of a search with two objectives, drawn and read back."""

from __future__ import annotations

import re

import pytest
from matplotlib.figure import Figure

from lapt.pipeline.config import load_pipeline
from lapt.pipeline.results import ControlResult, Found, FrontPoint, TargetResult
from lapt.report.fronts import Front, drawn, front_part, quantity_named
from lapt.report.history import Search, TaskHistory, Trial

COMMON = {
    "task": "invented_a", "architecture": "b", "validation": 90.0, "metric": "accuracy", "unit": "%",
    "evaluations": 4, "paid_now": 0, "seconds": 0.0,
}  # fmt: skip
PIPELINE = load_pipeline("invented", ["search.method=gp", "objectives=[accuracy, latency_ms]"])


def trial(ordinal: int, value: float | None) -> Trial:
    return Trial(ordinal, 1, f"cell {ordinal}", value, value, value, "f", "computed")


def search(method: str, *values: float | None) -> Search:
    return Search(method, [trial(n, value) for n, value in enumerate(values, start=1)], "accuracy", "%", True)


OURS = search("lapt-gp", 80.0, 90.0, None, 70.0)
CONTROL = ControlResult(**COMMON, method="random", front=(FrontPoint("a", 60.0, 2.0, 1),), costs=(2.0,))
RESULT = TargetResult(
    **COMMON, repeats=0, space_size=4, controls=(CONTROL,), costs=(1.0, 5.0, None, 3.0),
    front=(FrontPoint("a", 80.0, 1.0, 1), FrontPoint("b", 90.0, 5.0, 2)),
)  # fmt: skip
TARGET = TaskHistory("invented_a", OURS, [search("random", 60.0)])


def test_all_that_was_evaluated_is_a_point_and_the_best_is_marked() -> None:
    front = Front.of("lapt-gp", RESULT, OURS)
    assert front.points == ((1.0, 80.0), (5.0, 90.0), (3.0, 70.0))
    assert front.front == ((1.0, 80.0), (5.0, 90.0))
    assert front.best == (5.0, 90.0)


def test_a_result_without_costs_has_its_front_alone() -> None:
    older = RESULT.model_copy(update={"costs": ()})
    front = Front.of("lapt-gp", older, OURS)
    assert front.points == front.front
    assert front.best == (5.0, 90.0)
    assert "costs" not in older.model_dump()


def test_the_best_may_be_off_the_front_where_a_cheaper_one_is_as_good() -> None:
    twice = search("lapt-gp", 90.0, 90.0)
    found = RESULT.model_copy(update={"costs": (7.0, 5.0), "front": (FrontPoint("b", 90.0, 5.0, 2),)})
    assert Front.of("lapt-gp", found, twice).best == (7.0, 90.0)


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_cells_that_compute_nothing_do_not_stretch_the_axis(higher_is_better: bool) -> None:
    sign = 1 if higher_is_better else -1
    points = tuple((float(n), sign * score) for n, score in enumerate((1.0, 88.0, 89.0, 90.0, 91.0)))
    result = Found(**{**COMMON, "higher_is_better": higher_is_better})
    axes = Figure().add_subplot()
    drawn(axes, [Front("lapt-gp", points, points, points[-1])], result, "latency_ms")
    low, high = sorted(sign * end for end in axes.get_ylim())
    assert 82 < low < 88
    assert 91 < high < 93
    assert axes.get_xlabel() == "latency (ms)"
    assert axes.get_ylabel() == "validation accuracy (%)"


def test_the_part_of_a_page_says_what_is_drawn() -> None:
    part = front_part("t1-front", PIPELINE, TARGET, RESULT)
    assert part is not None
    name = re.search('aria-label="([^"]+)"', part.picture)
    assert name is not None
    assert name[1] == (
        "invented_a: accuracy (%) against latency (ms); lapt-gp has 2 on its front, from 80 % at 1 to 90 % at 5; "
        "random has 1 on its front, from 60 % at 2 to 60 % at 2"
    )
    assert all(text in part.picture for text in ("lapt-gp", "random", "best score of lapt-gp"))
    assert [row.cells[0] for row in part.table.rows] == ["1", "5"]


def test_one_objective_and_an_unfinished_run_have_no_such_part() -> None:
    assert front_part("t1-front", PIPELINE, TARGET, None) is None
    assert front_part("t1-front", PIPELINE, TARGET, RESULT.model_copy(update={"front": ()})) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("latency_ms", "latency (ms)"), ("parameters", "parameters"), ("multiply_adds", "multiply-adds"),
        ("cifar10_raspi4_latency_ms", "cifar10 raspi4 latency (ms)"), ("peak_MB", "peak (MB)"), ("ms", "ms"),
    ],
)  # fmt: skip
def test_units_are_read_off_names(name: str, said: str) -> None:
    assert quantity_named(name) == said
