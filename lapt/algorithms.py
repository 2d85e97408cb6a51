"""Algorithms 1 and 2 of the paper. The only copy of the loop.

Both take their steps as callables: a flow passes tasks and subflows, a study passes plain functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from typing import Any, Literal, TypeVar

from lapt.errors import BudgetSpent
from lapt.evaluation import Evaluation, best, top

VERSION = 1
"""Part of every run id. Raised by hand when the same configuration would evaluate other architectures."""
EARLIER: dict[str, Any] = {"refuted": "keep", "revisit": 0}
"""Keys of ``adaptation`` that earlier versions lacked, with what those versions did. A stored run without a key is read
so, and a run that says the same has the id of before."""

A = TypeVar("A")
P = TypeVar("P")
S = TypeVar("S")
R = TypeVar("R")

Found = tuple[Evaluation | None, list[Evaluation]]
"""The incumbent, and every evaluation in order."""

Rule = Literal["paper", "scripts"]
"""paper: update when Base <= Best. scripts: update only when the incumbent strictly improves (the published code)."""


def algorithm_1(
    targets: Sequence[str],
    *,
    build_archive: Callable[[], A],
    learn: Callable[[A], P],
    adapt_target: Callable[[str, P], R],
) -> dict[str, R]:
    """Algorithm 1: learn principles from the source once, then adapt them to each target task."""
    archive = build_archive()  # line 1
    principles = learn(archive)  # line 2
    return {task: adapt_target(task, principles) for task in targets}  # lines 3-12


def adapt_target(
    principles: P,
    *,
    search: Callable[[S, tuple[Evaluation, ...], int], Sequence[Evaluation]],
    **steps: Any,
) -> Found:
    """Lines 4-12 of Algorithm 1 for one target task: the incumbent and every evaluation in order.

    ``search(Omega_r, evaluations so far, g)`` gives this iteration's evaluations B_n; the other steps are those of
    ``iterations_of``.
    """
    loop = iterations_of(principles, **steps)
    try:
        asked = next(loop)
        while True:
            try:
                found = search(*asked)
            except BudgetSpent as spent:
                asked = loop.throw(spent)
            else:
                asked = loop.send(found)
    except StopIteration as end:
        result: Found = end.value
        return result


def iterations_of(
    principles: P,
    *,
    iterations: int,
    refine: Callable[[P, int], S],
    adapt: Callable[[P, float, float, Sequence[Evaluation], int], tuple[P, float]],
    rescore: Callable[[S, Sequence[Evaluation], int], Sequence[Evaluation] | None] = lambda refined, found, g: None,
    stopped: Callable[[BudgetSpent], None] = lambda spent: None,
) -> Generator[tuple[S, tuple[Evaluation, ...], int], Sequence[Evaluation], Found]:
    """Lines 4-12 of Algorithm 1 as a generator: at line 7 the space to search is yielded, and B_n is sent.

    ``refine(P_n, g)`` gives Omega_r; ``adapt(P_n, Base, Best, all evaluations, g)`` is Algorithm 2. Scores are
    higher-is-better, so Base starts at minus infinity (line 4's 0 would never be reached by a negative loss). A step
    that raises BudgetSpent ends the loop: ``stopped`` is called with it, and the evaluations so far are returned.

    ``rescore(Omega_r, evaluations so far, g)``: None if all scores stay valid. If scores depend on Omega_r (inherited
    weights): the best so far, scored anew by Omega_r's own supernet. From then on only these are compared, adapted to
    and searched from, and Base is the best of them.
    """
    base = -math.inf  # line 4
    every: list[Evaluation] = []
    evaluations: list[Evaluation] = []  # of these, those whose scores hold
    try:
        for g in range(1, iterations + 1):  # line 5
            refined = refine(principles, g)  # line 6
            again = rescore(refined, tuple(evaluations), g)
            if again is not None:
                evaluations = list(again)
                every.extend(again)
                base = max((evaluation.score for evaluation in evaluations), default=-math.inf)
            found = yield refined, tuple(evaluations), g  # line 7
            evaluations.extend(found)
            every.extend(found)
            best_found = max((evaluation.score for evaluation in found), default=-math.inf)  # line 8
            principles, base = adapt(principles, base, best_found, tuple(evaluations), g)  # line 9
    except BudgetSpent as spent:
        stopped(spent)
    return best(evaluations) or best(every), every  # line 12


def algorithm_2(
    principles: P,
    base: float,
    best_found: float,
    evaluations: Sequence[Evaluation],
    *,
    r: int,
    update: Callable[[P, Sequence[Evaluation]], P],
    explore: Callable[[P], P],
    rule: Rule = "paper",
) -> tuple[P, float]:
    """Algorithm 2: adapt the principles to the target task, and return them with the new Base.

    ``evaluations`` are all on this task, since r is larger than one iteration in Table 1. An iteration that found
    nothing (Best of minus infinity: exhausted or all failed) is no improvement, whatever Base is.
    """
    improved = base <= best_found if rule == "paper" else base < best_found
    if improved and best_found > -math.inf:  # line 1
        return update(principles, top(evaluations, r)), best_found  # lines 2-3
    return explore(principles), base  # line 5
