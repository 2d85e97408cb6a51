"""Jobs of a study, in a worker process and in the store: a stopped study goes on, and ``lapt sql`` has its rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

import lapt
from flows.studies.count.figures import Curve, Returned, points
from flows.studies.entrants.bench import Bench
from flows.studies.entrants.measures import under_constraints
from flows.studies.entrants.methods import Entrant, Searched
from flows.studies.rows import ParetoResult, StudyResult, TransferResult, Who
from lapt.archive import NothingScored
from lapt.base.digests import digest, short
from lapt.base.statistics import Scores, evaluations_to, rank, top_threshold
from lapt.errors import BudgetSpent, StoreError
from lapt.evaluation import Evaluation, best
from lapt.pipeline.config import Execution
from lapt.reasoning.endpoint.calls import AwaitingReply, ReasonerError
from lapt.search.loop import scored
from storage.store import Store
from storage.versions import versions

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
    scores = _scores(searched, entrant.budget)
    all_scores = bench.benchmark.scores(task)
    worst = None if all_scores is None else len(all_scores)
    returned = {}
    for budget in sorted({bench.pipeline.budget, entrant.budget}):
        incumbent = best(_within(searched, budget))
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
        shares=() if (front := bench.true_front(task)) is None else front.shares(searched.evaluations),
        constrained=_constrained(bench, task, searched),
    )


def _within(searched: Searched, budget: int) -> Sequence[Evaluation]:
    """The evaluations that are there at a budget."""
    if searched.spent is None:
        return searched.evaluations[:budget]
    return [one for one, spent in zip(searched.evaluations, searched.spent, strict=True) if spent <= budget]


def _scores(searched: Searched, budget: int) -> list[float]:
    """The scores in order. Where trainings stop early: the best that each further whole training's epochs brought,
    minus infinity where they brought none."""
    if searched.spent is None:
        return [evaluation.score for evaluation in searched.evaluations]
    scores = [-np.inf] * budget
    for evaluation, spent in zip(searched.evaluations, searched.spent, strict=True):
        scores[spent - 1] = max(scores[spent - 1], evaluation.score)
    return scores


def _constrained(bench: Bench, task: str, searched: Searched) -> dict[str, float]:
    feasible = bench.feasible(task)
    if feasible is None:
        return {}
    return under_constraints(bench.pipeline.constraints, feasible, bench.evaluator(task), searched.evaluations)


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


VERSION = 1
"""Raise it by hand when the form of a stored job changes."""


class Ledger:
    """Finished jobs of studies in a store. A job is found by its content and computed once for all studies.

    ``checksum``: of the table. The key also has the code's digest: no figure mixes two versions of a method.
    """

    def __init__(self, store: Store, checksum: str) -> None:
        self.store, self.checksum = store, checksum

    def key(self, job: Job) -> str:
        entrant = job.entrant
        search = entrant.search
        named = (search.func, *search.args) if isinstance(search, partial) else (search,)
        return digest(
            {
                "version": VERSION,
                "code": code(),
                "table": self.checksum,
                "pipeline": entrant.pipeline.model_dump(mode="json"),
                "who": list(entrant.who),
                "search": [getattr(part, "__name__", str(part)) for part in named],
                "budget": entrant.budget,
                "draw": job.draw,
                "seeds": list(job.seeds),
            }
        )

    def known(self, jobs: Sequence[Job]) -> dict[str, list[Curve]]:
        """Key -> result, of the jobs that are finished."""
        keys = [self.key(job) for job in jobs]
        stored = self.store.read("study_jobs", filter=pc.field("key").isin(keys)).to_pylist()
        return {row["key"]: [_read(written) for written in json.loads(row["curves"])] for row in stored}

    def keep(self, study: str, job: Job, curves: Sequence[Curve]) -> None:
        written = json.dumps([asdict(curve) for curve in curves], separators=(",", ":"))
        row = {"key": self.key(job), "study": study, "label": job.entrant.label, "curves": written}
        self.store.append("study_jobs", [row])


def keep(store: Store, result: StudyResult) -> str:
    """Append the rows to the data set ``studies`` and write the whole result for its page. Returns their id, a digest
    of the rows."""
    rows = [row.model_dump(mode="json") for row in result.rows]
    said = {"study": result.study, "pipeline": result.pipeline, "rows": rows}
    study_id = short(said)
    common = {"study_id": study_id, "study": result.study, "pipeline": result.pipeline}
    store.append("studies", [{**common, **row} for row in rows])
    whole = {"versions": versions(), "result": result.model_dump(mode="json")}
    store.files.write(_file(study_id), json.dumps(whole, separators=(",", ":")).encode())
    return study_id


def studies(store: Store) -> list[str]:
    """The ids of all stored studies, each once."""
    return sorted({row["study_id"] for row in store.read("studies", ["study_id"]).to_pylist()})


def kept(store: Store, study_id: str) -> tuple[StudyResult, dict[str, str]]:
    """A stored study's result, and the versions that ran it. Raises StoreError if its file is gone or unreadable."""
    try:
        whole = json.loads(store.files.read(_file(study_id)))
        said = whole["result"]
        kind = TransferResult if "pairs" in said else ParetoResult if "infeasible" in said else StudyResult
        return kind.model_validate(said), whole["versions"]
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            f"the file {_file(study_id)} of {store.address}", f"{type(error).__name__}: {error}", "run the study again"
        ) from error


def _file(study_id: str) -> str:
    return f"reports/study-{study_id}.json"


@lru_cache(maxsize=1)
def code() -> str:
    """Digest of the modules that a figure depends on."""
    folders = (Path(lapt.__file__).parent, Path(__file__).parent)
    paths = [path for folder in folders for path in sorted(folder.rglob("*.py")) if "report" not in path.parts]
    return digest([path.read_text(encoding="utf-8") for path in paths])


def _read(written: dict[str, Any]) -> Curve:
    returned = {int(budget): Returned(*found) for budget, found in written["returned"].items()}
    lists = {name: tuple(written[name]) for name in ("ranks", "values", "shares")}
    return Curve(**{**written, **lists, "who": Who(*written["who"]), "returned": returned})
