"""The methods that a study compares, each a function from seed and task to evaluations in order.

Everything here runs in a worker process, with plain functions and no Prefect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial

import numpy as np

from flows.build import reasoner_of, run_id, space_of, table_of
from lapt.archive import Archive
from lapt.config import Execution, Pipeline
from lapt.digests import digest
from lapt.evaluation import Evaluation
from lapt.evaluators import Table, TableEvaluator
from lapt.search import SEARCHERS, Searcher
from lapt.search.controls import InOrder, by_frequency, random_subspace, source_ranking
from lapt.search.loop import search
from lapt.spaces import Architecture, SearchSpace
from lapt.steps import Steps

LONG = 500
"""Evaluations that baselines may take to reach the goal (the paper's ">500")."""


class Bench:
    """What every method shares in one process: table, space, archive, principles."""

    def __init__(self, pipeline: Pipeline, execution: Execution) -> None:
        self.pipeline, self.execution = pipeline, execution
        self._archives: dict[int, Archive] = {}

    @cached_property
    def table(self) -> Table:
        return table_of(self.pipeline, self.execution.data)

    @cached_property
    def space(self) -> SearchSpace:
        return space_of(self.pipeline)

    def evaluator(self, task: str) -> TableEvaluator:
        return TableEvaluator(self.table, self.space, task)

    def steps(self, seed: int) -> Steps:
        """Of the run that ``lapt run`` makes with that seed: they share what a language model replied."""
        pipeline = self.pipeline.model_copy(update={"seed": seed})
        return Steps(pipeline, self.space, reasoner_of(pipeline, self.execution, run_id(pipeline, self.table.checksum)))

    def archive(self, seed: int) -> Archive:
        """The same for every seed when it is the top of a whole table."""
        drawn = 0 if self.pipeline.source.archive.strategy == "top" else seed
        if drawn not in self._archives:
            self._archives[drawn] = self.steps(drawn).build_archive(self.evaluator(self.pipeline.source.task))
        return self._archives[drawn]


Method = Callable[[Bench, str, int], list[Evaluation]]


def lapt(bench: Bench, task: str, seed: int) -> list[Evaluation]:
    """LAPT as the pipeline declares it."""
    steps = bench.steps(seed)
    _, evaluations = steps.adapt_target(bench.evaluator(task), steps.learn(bench.archive(seed)))
    return evaluations


def alone(method: str, bench: Bench, task: str, seed: int) -> list[Evaluation]:
    """A search method on the whole space, with nothing transferred."""
    config = bench.pipeline.search
    parameters = config.parameters if config.method == method else {}
    searcher = SEARCHERS[method](
        bench.space, seed=_stream(seed, method, task), identity=bench.evaluator(task).identity, **parameters
    )
    return _run(bench, task, searcher, budget=LONG)


def ranking(bench: Bench, task: str, seed: int) -> list[Evaluation]:
    """The source archive's architectures on the target, in the source's order; nothing random."""
    return _in_order(bench, task, source_ranking(bench.archive(seed)))


def mode(bench: Bench, task: str, seed: int) -> list[Evaluation]:
    """The most frequent operator of each layer first; nothing random."""
    return _in_order(bench, task, by_frequency(bench.space, bench.archive(seed)))


def subspace(bench: Bench, task: str, seed: int) -> list[Evaluation]:
    """The pipeline's search method inside a random space of the size of Omega_r, at LAPT's budget."""
    steps = bench.steps(seed)
    refined = steps.refine(steps.learn(bench.archive(seed)), task=task)
    drawn = random_subspace(bench.space, refined, np.random.default_rng(_stream(seed, "random_subspace")))
    config = bench.pipeline.search
    identity = bench.evaluator(task).identity
    searcher = SEARCHERS[config.method](
        drawn, seed=_stream(seed, "inside", task), identity=identity, **config.parameters
    )
    return _run(bench, task, searcher, budget=bench.pipeline.budget)


def methods_of(pipeline: Pipeline) -> dict[str, Method]:
    """Method by name. LAPT goes by the search method it uses: ``lapt-rea``, ``lapt-random``."""
    return {
        f"lapt-{pipeline.search.method}": lapt,
        "rea": partial(alone, "rea"),
        "random": partial(alone, "random"),
        "source_ranking": ranking,
        "mode": mode,
        "random_subspace": subspace,
    }


def reasons(method: str) -> bool:
    """Does it refine the space by a reasoner?"""
    return method.startswith("lapt-") or method == "random_subspace"


def deterministic(method: str, pipeline: Pipeline) -> bool:
    """Does it give the same evaluations for every seed? Rankings do, of an archive that is not drawn."""
    return method in ("source_ranking", "mode") and pipeline.source.archive.strategy == "top"


def budget_of(method: str, pipeline: Pipeline) -> int:
    """Evaluations a method may spend: what refines the space has LAPT's budget, what does not may go on."""
    return pipeline.budget if reasons(method) else LONG


def _in_order(bench: Bench, task: str, order: list[Architecture]) -> list[Evaluation]:
    return _run(bench, task, InOrder(bench.space, order, identity=bench.evaluator(task).identity), budget=LONG)


def _run(bench: Bench, task: str, searcher: Searcher, *, budget: int) -> list[Evaluation]:
    evaluator = bench.evaluator(task)
    return search(searcher, evaluator.evaluate, budget=budget, ask_size=bench.pipeline.search.asked)


def _stream(seed: int, *names: object) -> Sequence[int]:
    return [seed, int(digest([str(name) for name in names])[:15], 16)]
