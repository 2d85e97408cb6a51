"""Entrants compared on a benchmark over seeds: Table 2 of the paper, reasoners, prompts."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial

import numpy as np

from flows.studies import contrasts
from flows.studies.benchmarks import Scores
from flows.studies.contrasts import Quantity
from flows.studies.figures import Curve, Figures, Returned, anytime, points
from flows.studies.ledger import Ledger
from flows.studies.methods import Bench, Entrant, Searched
from flows.studies.rows import StudyResult
from lapt.archive import NothingScored
from lapt.config import Execution
from lapt.errors import BudgetSpent, ConfigError
from lapt.evaluation import best
from lapt.evaluators.workers import Crashed, Workers
from lapt.measures import evaluations_to, rank, top_threshold
from lapt.published import Published
from lapt.reasoning.calls import AwaitingReply, ReasonerError
from lapt.search.confined import scored
from storage.store import Store

TOP_SHARE = 0.001


@dataclass(frozen=True)
class Job:
    """One entrant with one draw of its reasoner, on every task. What a draw says is asked for once, so its seeds run
    in one process."""

    entrant: Entrant
    draw: int | None
    seeds: tuple[int, ...]


@dataclass
class Outcome:
    """What a job found; ``failure``: why it stopped; ``awaited``: prompts that somebody is to answer."""

    curves: list[Curve] = field(default_factory=list)
    failure: str | None = None
    awaited: list[AwaitingReply] = field(default_factory=list)


class Comparison:
    """Runs entrants over seeds in a process pool; seeds and entrants are scheduling alone and change no figure."""

    def __init__(
        self,
        name: str,
        entrants: Sequence[Entrant],
        *,
        seeds: int,
        execution: Execution,
        methods: Sequence[str] | None = None,
        published: Sequence[Published] = (),
        baseline: str | None = None,
        store: Store | None = None,
        fresh: bool = False,
        notes: Sequence[str] = (),
        title: str = "",
    ) -> None:
        """``methods``: some of the entrants' alone; ``baseline``: what all are held against, see ``contrasts``.
        ``notes``: of this study, behind the first. ``store``: where finished jobs are kept and, unless ``fresh``, those
        that are finished are taken from. ``title``: what its tables are called; the name if unset.

        Raises LaptError for a method, table or task that is not there.
        """
        known = list(dict.fromkeys(entrant.method for entrant in entrants))
        unknown = [method for method in methods or () if method not in known]
        if unknown:
            close = [near for one in unknown for near in get_close_matches(one, known, n=2)]
            meant = f"did you mean {' or '.join(close)}? " if close else ""
            remedy = f"{meant}--list-methods names all {len(known)}"
            raise ConfigError("methods that this study knows", ", ".join(unknown), remedy)
        self.title = title or name
        wanted = list(methods or dict.fromkeys(entrant.method for entrant in entrants if entrant.default))
        self.entrants = sorted((e for e in entrants if e.method in wanted), key=lambda e: wanted.index(e.method))
        self.name, self.seeds, self.execution, self.published = name, seeds, execution, tuple(published)
        self.pipeline = self.entrants[0].pipeline
        self.methods = tuple(dict.fromkeys(entrant.method for entrant in self.entrants))
        self.baselines = contrasts.baselines(self.entrants, baseline)
        self.processes = execution.processes or multiprocessing.cpu_count()
        benchmark = Bench(self.pipeline, execution).benchmark
        known_tasks = {task: benchmark.evaluator(task) for task in (self.pipeline.source.task, *self.pipeline.targets)}
        self.ledger, self.fresh = None if store is None else Ledger(store, benchmark.checksum), fresh
        self._units = {task: known_tasks[task].metric.unit for task in self.pipeline.targets}
        self.ranked = all(benchmark.scores(task) is not None for task in self.pipeline.targets)
        self.compared: Quantity = "rank" if self.ranked else "validation"
        self.own_notes = tuple(notes)

    @property
    def jobs(self) -> list[Job]:
        """The longest first by budget, so that the last to finish are short."""
        jobs: list[Job] = []
        for entrant in self.entrants:
            seeds = range(1 if entrant.fixed else self.seeds)
            if entrant.draws is None:
                jobs += [Job(entrant, None, (seed,)) for seed in seeds]
            else:
                jobs += [Job(entrant, draw, tuple(seeds)) for draw in range(entrant.draws)]
        return sorted(jobs, key=lambda job: job.entrant.budget, reverse=True)

    def run(self, progress: Callable[[int, int], None] = lambda done, total: None) -> StudyResult:
        """Every job, then the rows. ``progress(done, total)`` is called as jobs end.

        Raises AwaitingReply when prompts wait for a reply, after every one is written.
        """
        began = time.monotonic()
        outcomes: dict[str, list[Outcome]] = {entrant.label: [] for entrant in self.entrants}
        jobs, waiting = self.jobs, list[Job]()
        known = {} if self.ledger is None or self.fresh else self.ledger.known([j for j in jobs if self._settled(j)])
        for job in jobs:
            found = known.get(self.ledger.key(job)) if self.ledger is not None and known else None
            if found is None:
                waiting.append(job)
            else:
                outcomes[job.entrant.label].append(Outcome(found))
        progress(len(jobs) - len(waiting), len(jobs))
        for done, (job, outcome) in enumerate(self._outcomes(waiting), start=1):
            outcomes[job.entrant.label].append(outcome)
            if self.ledger is not None and not outcome.failure and not outcome.awaited:
                self.ledger.keep(self.name, job, outcome.curves)
            progress(len(jobs) - len(waiting) + done, len(jobs))
        self._answered([outcome for found in outcomes.values() for outcome in found])
        failures = {label: [o.failure for o in found if o.failure] for label, found in outcomes.items()}
        entrants = [entrant for entrant in self.entrants if not failures[entrant.label]]
        curves = [c for entrant in entrants for outcome in outcomes[entrant.label] for c in outcome.curves]
        rows = list(Figures(entrants, self.pipeline.targets, self._units, self.published).rows(curves))
        tests = contrasts.Contrasts(
            entrants, self.pipeline.targets, self.pipeline.budget, self.baselines, self.compared, self._units
        )
        return StudyResult(
            study=self.name,
            title=self.title,
            pipeline=self.pipeline.name,
            seeds=self.seeds,
            methods=self.methods,
            rows=tuple(tests.tested(rows, curves)),
            seconds=round(time.monotonic() - began, 2),
            notes=self._notes(),
            failures=tuple(f"{label}: {found[0]}" for label, found in failures.items() if found),
            curves=tuple(
                anytime(entrant, task, self.pipeline.budget, curves)
                for task in self.pipeline.targets
                for entrant in entrants
            ),
        )

    def _settled(self, job: Job) -> bool:
        """Would it find the same again? Not where a language model is to be asked anew."""
        return job.entrant.pipeline.reasoner.kind != "chat" or self.execution.replies in ("auto", "replay")

    def _outcomes(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        """Of every job as they end; in this process where one is all there is to be."""
        if not jobs:
            return
        if self.processes == 1:
            yield from ((job, outcome_of(job, self.execution)) for job in jobs)
            return
        workers = Workers(partial(outcome_of, execution=self.execution), min(self.processes, len(jobs)))
        for position, outcome in workers(jobs):
            yield jobs[position], Outcome(failure=str(outcome)) if isinstance(outcome, Crashed) else outcome
        workers.close()

    @staticmethod
    def _answered(outcomes: Sequence[Outcome]) -> None:
        awaited = {waiting.expected for outcome in outcomes for waiting in outcome.awaited}
        if awaited:
            raise AwaitingReply(
                "replies to the prompts that wait",
                f"none yet to {len(awaited)} of them",
                "lapt reasoner waiting lists them, lapt reasoner reply saves one; then type the same command again",
            )

    def _notes(self) -> tuple[str, ...]:
        source = self.pipeline.source
        factor = any(entrant.source_budget is not None or entrant.against for entrant in self.entrants)
        read = source.archive.described
        if any(entrant.source_budget for entrant in self.entrants):
            read = "the best tenth of so many random architectures, or the best 50 of all"
        notes = [
            f"source {source.task}, {read}; {self.seeds} seed{'s' if self.seeds > 1 else ''}; "
            f"LAPT's budget {self.pipeline.budget} evaluations a target"
        ]
        notes += self.own_notes
        notes += OF_VALUES if not self.ranked else OF_RANKS if factor else self._of_methods()
        fixed = [entrant.label for entrant in self.entrants if entrant.fixed]
        if fixed:
            but = " but the draw" if any(entrant.fixed and entrant.draws for entrant in self.entrants) else ""
            notes.append(f"{'; '.join(fixed)}: nothing random{but}, one run stands for every seed")
        notes += contrasts.notes(self.entrants, self.baselines, self.pipeline.budget, self.compared)
        if self.baselines and self.seeds < ENOUGH:
            notes.append(f"{self.seeds} seeds: no p can be below {2 ** (1 - self.seeds):.2g}, before Holm")
        return tuple(notes)

    def _of_methods(self) -> list[str]:
        long = max(entrant.budget for entrant in self.entrants)
        notes = [
            "archs (archs_to_top_0.1%): evaluations to the first of the top 0.1 % by validation, mean and 95 % "
            "interval; a miss counts as budget + 1"
            + (", and beyond 100 evaluations a median stands for a mean with misses" if long > 100 else ""),
            f"hits: share of the seeds that got there within {self.pipeline.budget} evaluations"
            + (f", or {long} for methods that do not refine the space" if long > self.pipeline.budget else ""),
        ]
        notes += OF_DRAWS if any(entrant.draws for entrant in self.entrants) else OF_METHODS
        if any(row.test for row in self.published):
            notes.append("test: of the incumbent by validation at the end; published: archs / test in %")
        if any(row.rank for row in self.published):
            notes.append("published ranks: of the metrics and splits that their authors had, not of this table")
        absent = [row.method for row in self.published if row.method not in self.methods]
        if absent:
            notes.append(f"not run here, published figures alone: {', '.join(absent)}")
        return notes + [f"published {row.method}: {row.name}" for row in self.published if row.reasoner]


ENOUGH = 9
"""Seeds from which a p below 0.01 can be, in one comparison: the smallest is 2^(1 - seeds)."""
OF_RANKS = ("rank: of the incumbent by validation at the end, 1 + the architectures strictly better",)
OF_VALUES = (
    "validation: of the incumbent after so many evaluations, mean over seeds and 95 % interval, ±: sd over seeds; no "
    "ranks, for nobody can list the space",
)
OF_METHODS = (
    "to the best (archs_to_best_if_found): the published scripts' rule, evaluations to the global best by "
    "validation, mean over the seeds that found it, and how many did; ±: sd over seeds",
)
OF_DRAWS = (
    "rank: of the incumbent by validation at the end, 1 + the architectures strictly better; ± draws: sd of what a "
    "reasoner's draws differ in beyond the search's luck; ± seeds: sd of the search within a draw; the interval is "
    "over both",
    "support: of the learned principles in the archive, 0 to 1; space: architectures in the first refined space, and "
    "the rank of its best",
)


def outcome_of(job: Job, execution: Execution) -> Outcome:
    """In a worker process: the job's searches, until one fails."""
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
    """1 + the number of all scores strictly better than each of some; the last rank for none (minus infinity)."""
    better = len(all_scores) - np.searchsorted(np.sort(all_scores), found, side="right")
    return tuple(min(1 + int(number), len(all_scores)) for number in better)


def _of_principles(searched: Searched, rank_inside: Callable[[], float] | None) -> dict[str, float]:
    """support: of the learned principles in the archive, 0..1, mean; space_size, best_inside: of the first refined
    space, its members and, where there are ranks, the rank of its best; stood_in: 1 where counting stood in."""
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
