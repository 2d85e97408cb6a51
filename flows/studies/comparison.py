"""Methods compared on a tabular benchmark over seeds: Table 2 of the paper, and any preset with a table."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from flows.studies.methods import LONG, Bench, budget_of, deterministic, methods_of, reasons
from flows.studies.rows import Row, StudyResult
from lapt.config import Execution, Pipeline
from lapt.errors import ConfigError
from lapt.evaluation import best
from lapt.measures import evaluations_to, rank, top_threshold
from lapt.published import Published
from lapt.statistics import summarised

TOP_SHARE = 0.001


class Returned(NamedTuple):
    """What a method returns: scores in the task's unit, and 1 + the architectures strictly better by validation."""

    validation: float
    test: float | None
    rank: int


@dataclass(frozen=True)
class Curve:
    """One method on one task with one seed: scores in the order evaluated, and what it would return at a budget."""

    method: str
    task: str
    seed: int
    to_top: int | None
    to_best: int | None
    evaluations: int
    returned: dict[int, Returned]
    """Budget -> the incumbent then."""


class Comparison:
    """Runs methods over seeds in a process pool; seeds and methods are scheduling alone and change no figure."""

    def __init__(
        self,
        name: str,
        pipeline: Pipeline,
        *,
        seeds: int,
        methods: Sequence[str] | None = None,
        execution: Execution,
        published: Sequence[Published] = (),
    ) -> None:
        known = methods_of(pipeline)
        unknown = [method for method in methods or () if method not in known]
        if unknown:
            raise ConfigError(f"methods among {list(known)}", f"{unknown}", "name some of them, separated by commas")
        self.name, self.pipeline, self.seeds, self.execution = name, pipeline, seeds, execution
        self.methods = tuple(methods or known)
        self.published = tuple(published)
        self.processes = execution.processes or multiprocessing.cpu_count()
        self.bench = Bench(pipeline, execution)
        for task in (pipeline.source.task, *pipeline.targets):
            self.bench.table.column(task)

    @property
    def jobs(self) -> list[tuple[str, int]]:
        """(method, seed), longest first, so that the last to finish are short."""
        jobs = [(m, s) for m in self.methods for s in range(1 if deterministic(m, self.pipeline) else self.seeds)]
        return sorted(jobs, key=lambda job: reasons(job[0]))

    def run(self, progress: Callable[[int, int], None] = lambda done, total: None) -> StudyResult:
        """Every job, then the rows. ``progress(done, total)`` is called as jobs end."""
        began = time.monotonic()
        curves: list[Curve] = []
        jobs = self.jobs
        progress(0, len(jobs))
        context = multiprocessing.get_context("spawn")
        # A fresh pool inherits no state of this process; importing costs a second, once a worker.
        pool = ProcessPoolExecutor(
            min(self.processes, len(jobs)), context, initializer=_prepare, initargs=(self.pipeline, self.execution)
        )
        try:
            futures = [pool.submit(_curves, method, seed) for method, seed in jobs]
            for done, future in enumerate(as_completed(futures), start=1):
                curves.extend(future.result())
                progress(done, len(jobs))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return StudyResult(
            study=self.name,
            pipeline=self.pipeline.name,
            seeds=self.seeds,
            methods=self.methods,
            rows=tuple(self._rows(curves)),
            seconds=round(time.monotonic() - began, 2),
            notes=self._notes(),
        )

    def _rows(self, curves: Sequence[Curve]) -> list[Row]:
        rows: list[Row] = []
        for task in self.pipeline.targets:
            for method in self.methods:
                here = sorted((c for c in curves if (c.method, c.task) == (method, task)), key=lambda c: c.seed)
                rows.extend(self._of(method, task, here))
            rows.extend(self._published(task))
        rows.extend(row for method in self.methods for row in self._mean_rank(method, curves))
        return rows

    def _mean_rank(self, method: str, curves: Sequence[Curve]) -> list[Row]:
        """Mean over the targets, then over the seeds, as published ranks are."""
        mine = [curve for curve in curves if curve.method == method]
        rows = []
        for budget in sorted(mine[0].returned):
            means = [
                float(np.mean([curve.returned[budget].rank for curve in mine if curve.seed == seed]))
                for seed in sorted({curve.seed for curve in mine})
            ]
            row = Row(
                method=method, reasoner=self._reasoner(method), target="mean", quantity="rank", unit="", budget=budget
            )
            rows.append(row.with_summary(summarised(means)))
        return rows

    def _reasoner(self, method: str) -> str | None:
        return self.pipeline.reasoner.kind if reasons(method) else None

    def _published(self, task: str) -> list[Row]:
        """Rows of their own for published methods that were not run here; the others stand beside ours."""
        rows = []
        for row in self.published:
            if row.method in self.methods:
                continue
            common = {"method": row.method, "reasoner": row.reasoner, "target": task}
            for quantity, unit, value in (
                ("archs_to_top_0.1%", "evaluations", row.archs.get(task)),
                ("test", self._unit(task), row.test.get(task)),
            ):
                if value is not None:
                    rows.append(Row(**common, quantity=quantity, unit=unit, published=f"{value}"))
        return rows

    def _of(self, method: str, task: str, curves: Sequence[Curve]) -> list[Row]:
        published = next((row for row in self.published if row.method == method), None)
        length = budget_of(method, self.pipeline)
        common = {
            "method": method,
            "reasoner": self._reasoner(method),
            "target": task,
        }
        hits = [float(curve.to_top is not None) for curve in curves]
        archs = [float(curve.to_top or length + 1) for curve in curves]
        rows = [
            Row(
                **common,
                quantity="archs_to_top_0.1%",
                unit="evaluations",
                budget=length,
                censored=int(len(hits) - sum(hits)),
                published=published.archs.get(task) if published else None,
            ).with_summary(summarised(archs)),
            Row(**common, quantity="hit_rate", unit="", budget=length).with_summary(summarised(hits)),
        ]
        spent = Row(**common, quantity="evaluations", unit="evaluations", budget=length)
        rows.append(spent.with_summary(summarised([float(curve.evaluations) for curve in curves])))
        to_best = [float(curve.to_best) for curve in curves if curve.to_best is not None]
        scripts = Row(**common, quantity="archs_to_best_if_found", unit="evaluations", budget=length)
        missed = len(curves) - len(to_best)
        rows.append(
            (scripts.with_summary(summarised(to_best)) if to_best else scripts).model_copy(update={"censored": missed})
        )
        unit = self._unit(task)
        for budget in sorted(curves[0].returned):
            returned = [curve.returned[budget] for curve in curves]
            at = {**common, "unit": unit, "budget": budget}
            rows.append(Row(**at, quantity="validation").with_summary(summarised([r.validation for r in returned])))
            ranked = Row(**at | {"unit": ""}, quantity="rank")
            rows.append(ranked.with_summary(summarised([float(r.rank) for r in returned])))
            tests = [r.test for r in returned if r.test is not None]
            if tests:
                cited = f"{published.test[task]}" if published and budget == length and task in published.test else None
                rows.append(Row(**at, quantity="test", published=cited).with_summary(summarised(tests)))
        return rows

    def _unit(self, task: str) -> str:
        return self.bench.table.metrics[task].unit

    def _notes(self) -> tuple[str, ...]:
        source = self.pipeline.source
        notes = [
            f"source {source.task}, archive {source.archive.strategy} {source.archive.size}; "
            f"{self.seeds} seeds; LAPT's budget {self.pipeline.budget} evaluations a target",
            "archs (archs_to_top_0.1%): evaluations to the first of the top 0.1 % by validation, mean and 95 % "
            "interval; a miss counts as budget + 1, and beyond 100 evaluations a median stands for a mean with misses",
            f"hits: seeds that got there within {self.pipeline.budget} evaluations (LAPT, random_subspace) or {LONG}",
            "test: of the incumbent by validation at the end; published: archs / test in %",
            "to the best (archs_to_best_if_found): the published scripts' rule, evaluations to the global best by "
            "validation, mean over the seeds that found it; ±: sd over seeds",
        ]
        notes += [f"published {row.method}: {row.name}" for row in self.published if row.reasoner]
        fixed = [method for method in self.methods if deterministic(method, self.pipeline)]
        if fixed:
            notes.append(f"{', '.join(fixed)}: nothing random, one run stands for every seed")
        return tuple(notes)


_bench: Bench | None = None


def _prepare(pipeline: Pipeline, execution: Execution) -> None:
    global _bench
    _bench = Bench(pipeline, execution)


def _curves(method: str, seed: int) -> list[Curve]:
    if _bench is None:
        raise RuntimeError("a worker process runs jobs after _prepare")
    return [_curve(_bench, method, task, seed) for task in _bench.pipeline.targets]


def _curve(bench: Bench, method: str, task: str, seed: int) -> Curve:
    evaluations = methods_of(bench.pipeline)[method](bench, task, seed)
    evaluator = bench.evaluator(task)
    scores = [evaluation.score for evaluation in evaluations]
    column = evaluator.metric.higher_is_better
    all_scores = bench.table.column(task) if column else -bench.table.column(task)
    returned = {}
    for budget in sorted({bench.pipeline.budget, budget_of(method, bench.pipeline)}):
        incumbent = best(evaluations[:budget])
        if incumbent is not None and incumbent.value is not None:
            test = evaluator.test(incumbent.architecture)
            returned[budget] = Returned(incumbent.value, test, rank(incumbent.score, all_scores))
    return Curve(
        method=method,
        task=task,
        seed=seed,
        to_top=evaluations_to(scores, top_threshold(all_scores, TOP_SHARE)),
        to_best=evaluations_to(scores, float(all_scores.max())),
        evaluations=len(evaluations),
        returned=returned,
    )
