"""Jobs of a study, and their results in a worker process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from flows.studies.count.figures import Curve, Returned, points
from flows.studies.entrants.methods import Bench, Entrant, Searched
from lapt.archive import NothingScored
from lapt.base.measures import Scores, evaluations_to, rank, top_threshold
from lapt.errors import BudgetSpent
from lapt.evaluation import best
from lapt.pipeline.config import Execution
from lapt.reasoning.endpoint.calls import AwaitingReply, ReasonerError
from lapt.search.loop import scored

TOP_SHARE = 0.001


@dataclass(frozen=True)
class Job:
    """One entrant with one draw of its reasoner, on every task. Its seeds run in one process, so a draw is asked for
    once."""

    entrant: Entrant
    draw: int | None
    seeds: tuple[int, ...]


@dataclass
class Outcome:
    """The result of a job. ``failure``: why it stopped. ``awaited``: prompts that wait for a person's reply."""

    curves: list[Curve] = field(default_factory=list)
    failure: str | None = None
    awaited: list[AwaitingReply] = field(default_factory=list)


def outcome_of(job: Job, execution: Execution) -> Outcome:
    """Run the job's searches, until one fails. It is called in a worker process."""
    entrant, outcome = job.entrant, Outcome()
    bench = Bench(entrant.pipeline, execution, job.draw, entrant.budget)
    for seed in job.seeds:
        for task in bench.pipeline.targets:
            try:
                outcome.curves.append(_curve(bench, job, task, seed))
            except AwaitingReply as waiting:
                outcome.awaited.append(waiting)  # the others write their prompts too
            except (ReasonerError, BudgetSpent) as error:
                outcome.failure = f"{task}, seed {seed}: {error}"
                return outcome
    return outcome


def _curve(bench: Bench, job: Job, task: str, seed: int) -> Curve:
    entrant = job.entrant
    try:
        searched = entrant.search(bench, task, seed)
    except NothingScored:  # this seed's archive: there is nothing to transfer, and no search begins
        searched = Searched(())
    evaluator = bench.evaluator(task)
    scores = [evaluation.score for evaluation in searched.evaluations]
    all_scores = bench.benchmark.scores(task)
    worst = None if all_scores is None else len(all_scores)
    returned = {}
    for budget in sorted({bench.pipeline.budget, entrant.budget}):
        incumbent = best(searched.evaluations[:budget])
        if incumbent is None:
            returned[budget] = Returned(None, None, worst)
        else:
            test = evaluator.test(incumbent.architecture)
            ranked = None if all_scores is None else rank(incumbent.score, all_scores)
            returned[budget] = Returned(incumbent.value, test, ranked)

    incumbents = np.maximum.accumulate([-np.inf, *scores])  # before the first evaluation there is none
    at = [min(n, len(scores)) for n in points(entrant.budget)]
    sign = 1 if evaluator.metric.higher_is_better else -1

    def rank_inside() -> float:
        assert searched.refined is not None
        assert all_scores is not None
        inside = best(evaluator.evaluate(scored(searched.refined, evaluator)))
        return float(len(all_scores) if inside is None else rank(inside.score, all_scores))

    return Curve(
        who=entrant.who,
        task=task,
        draw=job.draw,
        seed=seed,
        to_top=None if all_scores is None else evaluations_to(scores, top_threshold(all_scores, TOP_SHARE)),
        to_best=None if all_scores is None else evaluations_to(scores, float(all_scores.max())),
        evaluations=len(scores),
        returned=returned,
        principles=_of_principles(searched, None if all_scores is None else rank_inside),
        ranks=() if all_scores is None else _ranks(incumbents[at], all_scores),
        values=tuple(sign * float(incumbents[n]) if np.isfinite(incumbents[n]) else None for n in at),
        failed=sum(evaluation.failed for evaluation in searched.evaluations),
        lacking=searched.lacking,
    )


def _ranks(found: Scores, all_scores: Scores) -> tuple[int, ...]:
    """For each score found: 1 + the number of all scores strictly better. Minus infinity (none) has the last rank."""
    better = len(all_scores) - np.searchsorted(np.sort(all_scores), found, side="right")
    return tuple(min(1 + int(number), len(all_scores)) for number in better)


def _of_principles(searched: Searched, rank_inside: Callable[[], float] | None) -> dict[str, float]:
    """Quantities of the learned principles and of the first refined space.

    support: mean support of the principles in the archive, 0..1. space_size: the space's members. best_inside: the rank
    of its best member, if there are ranks. stood_in: 1 if counting stood in for the model.
    """
    found: dict[str, float] = {}
    if searched.learned is not None:
        supports = [principle.support for principle in searched.learned.principles]
        found["support"] = sum(supports) / len(supports) if supports else 0.0
    if searched.refined is not None:
        found["space_size"] = float(searched.refined.size)
        if rank_inside is not None:
            found["best_inside"] = rank_inside()
    if searched.stood_in is not None:
        found["stood_in"] = float(searched.stood_in)
    return found
