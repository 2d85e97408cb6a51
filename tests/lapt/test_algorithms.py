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


def test_where_scores_hang_on_the_space_only_what_was_scored_again_is_compared() -> None:
    """Iteration 2 scores the best of iteration 1 anew: lower, and below what it finds itself."""
    seen: list[tuple[str, object]] = []

    def rescore(space: str, evaluations: Sequence[Evaluation], g: int) -> list[Evaluation] | None:
        seen.append(("rescore", (space, [e.value for e in evaluations])))
        return [evaluation(0.4, "again")] if g == 2 else None

    def search(space: str, history: Sequence[Evaluation], g: int) -> list[Evaluation]:
        seen.append(("search", [e.value for e in history]))
        return [evaluation(0.9 if g == 1 else 0.5, f"found {g}")]

    def adapt(
        principles: str, base: float, best: float, evaluations: Sequence[Evaluation], g: int
    ) -> tuple[str, float]:
        seen.append(("adapt", (base, best, [e.value for e in evaluations])))
        return principles, max(base, best)

    incumbent, every = adapt_target(
        "P", iterations=2, refine=lambda principles, g: f"space {g}", search=search, adapt=adapt, rescore=rescore
    )
    assert seen == [
        ("rescore", ("space 1", [])), ("search", []), ("adapt", (-math.inf, 0.9, [0.9])),
        ("rescore", ("space 2", [0.9])), ("search", [0.4]), ("adapt", (0.4, 0.5, [0.4, 0.5])),
    ]  # fmt: skip
    assert incumbent is not None
    assert incumbent.identity == "found 2"
    assert [e.identity for e in every] == ["found 1", "again", "found 2"]


def test_nothing_that_the_new_space_has_leaves_the_best_of_before() -> None:
    found = {1: [evaluation(0.9)], 2: []}
    incumbent, _ = adapt_target(
        "P",
        iterations=2,
        refine=lambda principles, g: g,
        search=lambda space, history, g: found[g],
        adapt=lambda principles, base, best, evaluations, g: (principles, base),
        rescore=lambda space, evaluations, g: [] if g == 2 else None,
    )
    assert incumbent is found[1][0]


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
