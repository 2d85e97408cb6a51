"""Making of a tabular benchmark by real training: resumable from the store, parallel, one task a batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from prefect import flow

from flows.evaluators import measuring
from flows.running.cancelling import cancellable
from flows.running.progress import listener
from lapt.base.noise import Noise, noise
from lapt.errors import LaptError
from lapt.evaluation import Evaluation
from lapt.evaluators.training import TrainingEvaluator
from lapt.pipeline.benchmarking import Measured, distinct, measured_again, sampled
from lapt.pipeline.config import BenchmarkPlan, Execution
from lapt.report.benchmark import benchmark_page
from lapt.spaces import Architecture, space_named
from storage.benchmarks.tables import BenchmarkInfo, write_measured
from storage.store import Store
from storage.versions import versions
from tasks.step import context
from tasks.steps import train_batch

BATCH = 128
"""Trainings in one task of the flow: a minute or two of work."""

Train = Callable[[str, int, Sequence[Architecture]], list[Evaluation]]
"""(task, n-th seed, architectures) -> their evaluations."""


@flow(name="build-benchmark", flow_run_name="benchmark {plan.name}", persist_result=False)
@cancellable
def build_benchmark(plan: BenchmarkPlan, execution: Execution, out: Path) -> BenchmarkInfo:
    """Train all that the plan needs and the store lacks, then write the table to ``out`` and its page beside it.

    Raises LaptError when an architecture failed: a table has no holes.
    """
    cells = distinct(space_named(plan.space))
    train = _trains(plan, execution)
    measured = {task: _measured(plan, task, cells, train) for task in plan.tasks}
    space = space_named(plan.space)
    evaluator = measuring(plan, execution, Store(execution.store))(plan.tasks[0], 0).evaluator
    assert isinstance(evaluator, TrainingEvaluator)
    sizes = [evaluator.backbone_size(cell) for cell in cells]
    info = write_measured(plan.name, plan.space, [space.encode(cell) for cell in cells], sizes, measured, out)
    processes = execution.processes or len(os.sched_getaffinity(0))
    out.with_suffix(".md").write_text(benchmark_page(plan, measured, versions(), processes), encoding="utf-8")
    return info


@flow(name="try-benchmark", flow_run_name="trial of {plan.name}", persist_result=False)
@cancellable
def try_benchmark(plan: BenchmarkPlan, execution: Execution, architectures: int) -> dict[str, Noise]:
    """Task -> noise between two seeds on so many random architectures, to see whether the recipe is worth a table."""
    cells = distinct(space_named(plan.space))
    chosen = [cells[position] for position in sampled(len(cells), architectures)]
    train = _trains(plan, execution)
    return {
        task: noise(np.array([[e.score for e in train(task, n, chosen)] for n in range(2)]).T) for task in plan.tasks
    }


def _measured(plan: BenchmarkPlan, task: str, cells: Sequence[Architecture], train: Train) -> Measured:
    every = train(task, 0, cells)
    again = measured_again(np.array([evaluation.score for evaluation in every]), plan.best, plan.sample)
    seeds: list[list[Evaluation | None]] = [list(every)]
    for n in range(1, plan.seeds):
        found = dict(zip(again, train(task, n, [cells[position] for position in again]), strict=True))
        seeds.append([found.get(position) for position in range(len(cells))])
    return Measured(every[0].metric, plan.sample, seeds)


def _trains(plan: BenchmarkPlan, execution: Execution) -> Train:
    evaluator_of = measuring(plan, execution, Store(execution.store))

    def train(task: str, n: int, architectures: Sequence[Architecture]) -> list[Evaluation]:
        evaluator, label, hears = evaluator_of(task, n), f"{task}, seed {n}", listener.get()
        hears.target(task, len(architectures), f"seed {n}")
        found: list[Evaluation] = []
        for first in range(0, len(architectures), BATCH):
            batch = architectures[first : first + BATCH]
            hears.stage(f"{label}: {first:,} of {len(architectures):,}")
            found += _complete(label, train_batch(context(evaluator), context(batch), label=label, first=first + 1))
        hears.target_done(task)
        return found

    return train


def _complete(label: str, evaluations: list[Evaluation]) -> list[Evaluation]:
    failed = [evaluation for evaluation in evaluations if evaluation.failed]
    if failed:
        raise LaptError(
            f"a score of every architecture ({label})",
            f"{len(failed)} failed, the first with {failed[0].error!r}",
            "run it again with --retry-failed if memory was short, else choose a recipe that trains all of them",
        )
    return evaluations
