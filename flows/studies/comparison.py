"""Comparison of entrants on a benchmark over seeds: Table 2 of the paper, reasoners, prompts."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from functools import partial

from flows.studies.count import contrasts
from flows.studies.count.contrasts import Quantity
from flows.studies.count.figures import Figures, anytime
from flows.studies.entrants.methods import Bench, Entrant
from flows.studies.jobs import Job, Ledger, Outcome, outcome_of
from flows.studies.rows import StudyResult
from lapt.errors import ConfigError
from lapt.evaluators.workers import Crashed, Workers
from lapt.pipeline.config import Execution
from lapt.pipeline.published import Published
from lapt.reasoning.endpoint.calls import AwaitingReply
from storage.store import Store


class Comparison:
    """Runs entrants over seeds in a process pool. The order of jobs changes no figure."""

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
        """``methods``: only these of the entrants. ``baseline``: the one for all, see ``contrasts``. ``notes``: this
        study's own, after the first. ``store``: where finished jobs are kept; unless ``fresh``, they are taken from
        there. ``title``: of its tables; the name if unset.

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
        """All jobs, the longest budget first, so that the last to finish are short."""
        jobs: list[Job] = []
        for entrant in self.entrants:
            seeds = range(1 if entrant.fixed else self.seeds)
            if entrant.draws is None:
                jobs += [Job(entrant, None, (seed,)) for seed in seeds]
            else:
                jobs += [Job(entrant, draw, tuple(seeds)) for draw in range(entrant.draws)]
        return sorted(jobs, key=lambda job: job.entrant.budget, reverse=True)

    def run(self, progress: Callable[[int, int], None] = lambda done, total: None) -> StudyResult:
        """Run every job and make the rows. ``progress(done, total)`` is called as jobs end.

        Raises AwaitingReply when prompts wait for a reply, once all prompts are written.
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
        """Whether a second run of the job would find the same: not if a language model is to be asked again."""
        return job.entrant.pipeline.reasoner.kind != "chat" or self.execution.replies in ("auto", "replay")

    def _outcomes(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        """The outcome of every job as it ends; in this process if there is only one job or process."""
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
"""Number of seeds from which p can fall below 0.01 in one comparison: the smallest p is 2^(1 - seeds)."""
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
