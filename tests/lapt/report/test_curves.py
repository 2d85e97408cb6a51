"""Incumbents of a search whose evaluator changed on the way, and of one that failed throughout."""

from __future__ import annotations

from functools import partial

from lapt.report.figures import incumbents, svg
from lapt.report.history import Search, Trial


def trial(ordinal: int, value: float | None, incumbent: float | None, fingerprint: str = "one") -> Trial:
    iteration = 1 if fingerprint == "one" else 2
    return Trial(ordinal, iteration, f"cell {ordinal}", value, value, incumbent, fingerprint, "computed")


def test_scores_of_two_supernets_are_not_compared() -> None:
    trials = [
        trial(1, 99.0, 99.0),
        trial(2, 50.0, 50.0, "two"),
        trial(3, 60.0, 60.0, "two"),
        trial(4, None, 60.0, "two"),
    ]
    search = Search("lapt-rea", trials, "accuracy", "%", True)
    assert search.best is trials[2]
    drawn = svg("t", "said", partial(incumbents, searches=[search]))
    assert "validation accuracy (%)" in drawn


def test_a_search_without_a_success_is_drawn_as_such() -> None:
    search = Search("lapt-rea", [trial(1, None, None)], "accuracy", "%", True)
    assert search.best is None
    assert "no evaluation succeeded" in svg("t", "said", partial(incumbents, searches=[search]))


def test_where_lower_is_better_the_best_is_the_lowest() -> None:
    trials = [
        Trial(n, 1, f"cell {n}", value, -value, incumbent, "one", "table")
        for n, value, incumbent in ((1, 0.5, 0.5), (2, 0.3, 0.3), (3, 0.4, 0.3))
    ]
    search = Search("rea", trials, "l1", "", False)
    assert search.best is trials[1]
    assert "validation l1" in svg("t", "said", partial(incumbents, searches=[search]))
