"""Comparison of entrants on a benchmark over seeds: Table 2 of the paper, reasoners, prompts."""

from __future__ import annotations

import time
from collections.abc import Sequence

from flows.build import say_constraints
from flows.evaluators import space_of
from flows.studies.count import contrasts
from flows.studies.count.contrasts import Quantity
from flows.studies.count.figures import Figures, anytime
from flows.studies.entrants.bench import Bench
from flows.studies.entrants.methods import Entrant
from flows.studies.jobs import Ledger, Outcome
from flows.studies.published import BEST, Published
from flows.studies.rows import StudyResult
from flows.studies.runs import Progress, Runs, chosen
from lapt.pipeline.config import Execution
from lapt.search.halving import check_rungs
from storage.store import Store


class Comparison:
    """Comparison of entrants over seeds."""

    def __init__(
        self,
        name: str,
        entrants: Sequence[Entrant],
        *,
        seeds: int,
        first: int = 0,
        execution: Execution,
        methods: Sequence[str] | None = None,
        published: Sequence[Published] = (),
        baseline: str | None = None,
        store: Store | None = None,
        fresh: bool = False,
        notes: Sequence[str] = (),
        title: str = "",
    ) -> None:
        """``first``: the first seed. ``methods``: only these of the entrants. ``baseline``: the one for all, see
        ``contrasts``. ``notes``: this study's own, after the first. ``store``: where finished jobs are kept; unless
        ``fresh``, they are taken from there. ``title``: of its tables; the name if unset.

        Raises LaptError for a method, table or task that is not there.
        """
        self.title = title or name
        self.entrants = chosen(entrants, methods)
        self.name, self.seeds, self.published = name, seeds, tuple(published)
        self.pipeline = self.entrants[0].pipeline
        self.methods = tuple(dict.fromkeys(entrant.method for entrant in self.entrants))
        self.baselines = contrasts.baselines(self.entrants, baseline)
        bench = Bench(self.pipeline, execution)
        benchmark = bench.benchmark
        known_tasks = {task: benchmark.evaluator(task) for task in self.pipeline.evaluated}
        say_constraints(self.pipeline, space_of(self.pipeline), (known_tasks[task] for task in self.pipeline.targets))
        declared = {entrant.pipeline.fidelity for entrant in self.entrants}
        for fidelity in (one for one in declared if one is not None):
            for task in self.pipeline.targets:
                check_rungs(known_tasks[task], fidelity)
        ledger = None if store is None else Ledger(store, bench.checksum)
        self.runs = Runs(name, self.entrants, seeds=seeds, first=first, execution=execution, ledger=ledger, fresh=fresh)
        self._units = {task: known_tasks[task].metric.unit for task in self.pipeline.targets}
        scores = {task: benchmark.scores(task) for task in self.pipeline.targets}
        self.ranked = all(found is not None for found in scores.values())
        self._best = {
            task: known_tasks[task].metric.score(float(found.max()))
            for task, found in scores.items()
            if found is not None
        }
        self.compared: Quantity = "rank" if self.ranked else "validation"
        self.own_notes = tuple(notes)

    def run(self, progress: Progress = lambda done, total: None) -> StudyResult:
        """Run every job and make the rows.

        Raises AwaitingReply when prompts wait for a reply, once all prompts are written.
        """
        began = time.monotonic()
        outcomes: dict[str, list[Outcome]] = {entrant.label: [] for entrant in self.entrants}
        for job, outcome in self.runs.run(progress):
            outcomes[job.entrant.label].append(outcome)
        failures = {label: [o.failure for o in found if o.failure] for label, found in outcomes.items()}
        entrants = [entrant for entrant in self.entrants if not failures[entrant.label]]
        curves = [c for entrant in entrants for outcome in outcomes[entrant.label] for c in outcome.curves]
        rows = list(Figures(entrants, self.pipeline.targets, self._units, self.published, self._best).rows(curves))
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

    def _notes(self) -> tuple[str, ...]:
        source = self.pipeline.source
        factor = any(entrant.source_budget is not None or entrant.against for entrant in self.entrants)
        read = source.noted
        if any(entrant.source_budget for entrant in self.entrants):
            read = f"{source.named}, the best tenth of so many random architectures, or the best 50 of all"
        notes = [
            f"source {read}; {self.seeds} seed{'s' if self.seeds > 1 else ''}; "
            f"LAPT's budget {self.pipeline.budget} evaluations a target"
        ]
        notes += (*self.runs.notes(), *self.own_notes)
        notes += OF_VALUES if not self.ranked else OF_RANKS if factor else self._of_methods()
        fixed = [entrant.label for entrant in self.entrants if entrant.fixed]
        if fixed:
            but = " but the draw" if any(entrant.fixed and entrant.draws for entrant in self.entrants) else ""
            notes.append(f"{'; '.join(fixed)}: nothing random{but}, one run stands for every seed")
        notes += contrasts.notes(self.entrants, self.baselines, self.pipeline.budget, self.compared)
        if self.baselines:
            notes += contrasts.few(self.seeds)
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
        if any(row.printed for row in self.published):
            notes.append(
                "published, per task: as printed, of metrics and splits that this table lacks, so no figure of ours "
                "can be held against them"
            )
        absent = [row.method for row in self.published if row.method not in (*self.methods, BEST)]
        if absent:
            notes.append(f"not run here, published figures alone: {', '.join(absent)}")
        if any(row.method == BEST for row in self.published):
            notes.append(f"{BEST}: the best architecture of the table by validation, which is not searched for")
        for row in self.published:
            if row.reasoner or row.protocol:
                notes.append(f"published {row.method}: {'; '.join(filter(None, (row.name, row.protocol)))}")
        return notes


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
