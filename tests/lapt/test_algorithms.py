"""Algorithms 1 and 2, by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from lapt.algorithms import Rule, adapt_target, algorithm_1, algorithm_2
from lapt.evaluation import Evaluation, Metric
from lapt.spaces import Architecture


def evaluation(value: float | None, name: str = "a") -> Evaluation:
    return Evaluation(Architecture((name,), ("0",)), name, value, Metric("accuracy"))


def test_algorithm_1_learns_once_and_adapts_for_each_target_from_the_same_principles() -> None:
    calls: list[str] = []

    def learn(archive: str) -> str:
        calls.append(f"learn({archive})")
        return "P"

    def adapt(task: str, principles: str) -> str:
        calls.append(f"adapt({task}, {principles})")
        return f"best on {task}"

    found = algorithm_1(["t1", "t2"], build_archive=lambda: "A", learn=learn, adapt_target=adapt)
    assert calls == ["learn(A)", "adapt(t1, P)", "adapt(t2, P)"]
    assert found == {"t1": "best on t1", "t2": "best on t2"}


def test_the_loop_refines_searches_and_adapts_in_that_order() -> None:
    calls: list[tuple[str, object]] = []
    scores = {1: [1.0, 3.0], 2: [2.0], 3: []}

    def refine(principles: str, g: int) -> str:
        calls.append(("refine", principles))
        return f"space {g}"

    def search(space: str, history: Sequence[Evaluation], g: int) -> list[Evaluation]:
        calls.append(("search", (space, len(history))))
        return [evaluation(value) for value in scores[g]]

    def adapt(
        principles: str, base: float, best: float, evaluations: Sequence[Evaluation], g: int
    ) -> tuple[str, float]:
        calls.append(("adapt", (base, best, len(evaluations))))
        return f"P{g}", max(base, best)

    incumbent, evaluations = adapt_target("P0", iterations=3, refine=refine, search=search, adapt=adapt)
    assert calls == [
        ("refine", "P0"), ("search", ("space 1", 0)), ("adapt", (-math.inf, 3.0, 2)),
        ("refine", "P1"), ("search", ("space 2", 2)), ("adapt", (3.0, 2.0, 3)),
        ("refine", "P2"), ("search", ("space 3", 3)), ("adapt", (3.0, -math.inf, 3)),
    ]  # fmt: skip
    assert incumbent is not None
    assert incumbent.value == 3.0
    assert [e.value for e in evaluations] == [1.0, 3.0, 2.0]


@pytest.mark.parametrize(
    ("base", "best", "rule", "step"),
    [
        (-math.inf, 0.5, "paper", "update"),
        (0.5, 0.6, "paper", "update"),
        (0.5, 0.5, "paper", "update"),  # Base <= Best
        (0.5, 0.4, "paper", "explore"),
        (0.5, 0.5, "scripts", "explore"),  # the incumbent must strictly improve
        (0.5, 0.6, "scripts", "update"),
        (-math.inf, -math.inf, "paper", "explore"),  # nothing found is no improvement
    ],
)
def test_algorithm_2_updates_or_explores(base: float, best: float, rule: Rule, step: str) -> None:
    principles, new_base = algorithm_2(
        "P",
        base,
        best,
        [evaluation(best)],
        r=1,
        update=lambda p, top: f"{p} update",
        explore=lambda p: f"{p} explore",
        rule=rule,
    )
    assert principles == f"P {step}"
    assert new_base == (best if step == "update" else base)


def test_the_update_reads_the_top_r_of_all_evaluations_best_first() -> None:
    evaluations = [evaluation(value, str(value)) for value in (0.2, 0.9, None, 0.5, 0.9)]
    read: list[Sequence[Evaluation]] = []

    def update(principles: str, top: Sequence[Evaluation]) -> str:
        read.append(top)
        return principles

    algorithm_2("P", 0.1, 0.9, evaluations, r=3, update=update, explore=lambda p: p)
    assert [(e.value, e is evaluations[1]) for e in read[0]] == [(0.9, True), (0.9, False), (0.5, False)]
