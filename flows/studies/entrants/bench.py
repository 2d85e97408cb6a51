"""Things that the searches of one entrant share in one process: benchmark, space, archives, principles."""

from __future__ import annotations

from functools import cached_property

from flows.build import checksum_of, reasoner_of, run_id
from flows.evaluators import space_of
from flows.sources import read_from
from flows.studies.entrants.benchmarks import Benchmark, benchmark_of
from flows.studies.entrants.measures import TrueFront
from lapt.archive import Archive
from lapt.evaluation import Evaluator
from lapt.pipeline.config import Execution, Pipeline
from lapt.pipeline.constraints import feasible_of
from lapt.pipeline.objectives import cost_of
from lapt.pipeline.sources import Source
from lapt.pipeline.steps import Steps
from lapt.principles import Principles
from lapt.reasoning import Frequency
from lapt.reasoning.config import deterministic
from lapt.search.feasible import Feasible
from lapt.search.loop import askable, scored
from lapt.spaces import DeclaredSpace, SearchSpace

Place = tuple[str, str | DeclaredSpace, str | None]
"""The source of scores: evaluator, space, data folder."""


class Bench:
    """Things that the searches of one entrant share in one process: benchmark, space, archive.

    ``draw``: of the reasoner. ``budget``: evaluations of methods that do not refine the space, the pipeline's if unset.
    """

    def __init__(
        self, pipeline: Pipeline, execution: Execution, draw: int | None = None, budget: int | None = None
    ) -> None:
        self.pipeline, self.execution, self.draw = pipeline, execution, draw
        self.budget = pipeline.budget if budget is None else budget

    @property
    def _place(self) -> Place:
        return self.pipeline.evaluator.model_dump_json(), self.pipeline.space, self.execution.data

    @property
    def benchmark(self) -> Benchmark:
        if self._place not in _benchmarks:
            _benchmarks[self._place] = benchmark_of(self.pipeline, self.execution.data)
        return _benchmarks[self._place]

    @cached_property
    def checksum(self) -> str:
        """The checksum of all data: of the evaluator, and of the tables that sources name."""
        checksums, _ = read_from(self.pipeline, self.execution, self.space, self.evaluator)
        return checksum_of(self.benchmark.checksum, checksums)

    @cached_property
    def space(self) -> SearchSpace:
        return space_of(self.pipeline)

    def evaluator(self, task: str) -> Evaluator:
        return self.benchmark.evaluator(task)

    def askable(self, task: str) -> SearchSpace:
        """The part of the whole space that a search on that task may evaluate."""
        return askable(self.space, self.evaluator(task), feasible=self.feasible(task))

    def feasible(self, task: str) -> Feasible | None:
        """The architectures that meet the pipeline's constraints, which hold for every method."""
        return feasible_of(self.pipeline.constraints, self.space, self.evaluator(task))

    def true_front(self, task: str) -> TrueFront | None:
        """The front of all architectures that have a score and meet the constraints.

        None with one objective, and if they cannot be listed.
        """
        evaluator = self.evaluator(task)
        cost = cost_of(self.pipeline, evaluator)
        if cost is None or self.benchmark.table is None:
            return None
        key = (*self._place, task, *self.pipeline.objectives, repr(self.pipeline.constraints))
        if key not in _fronts:
            feasible, there = self.feasible(task), scored(self.space, evaluator)
            kept = there if feasible is None else list(filter(feasible.meets, there))
            _fronts[key] = TrueFront.of(evaluator, cost, kept)
        return _fronts[key]

    def seeded(self, seed: int) -> Pipeline:
        return self.pipeline.model_copy(update={"seed": seed})

    def run_id(self, seed: int) -> str:
        """Id of the run that ``lapt run`` makes with that seed: the two share replies of a language model."""
        return run_id(self.seeded(seed), self.checksum)

    def drawn(self, seed: int) -> int:
        """The number of the reasoner's draw that belongs to that seed."""
        return seed if self.draw is None else self.draw

    def steps(self, seed: int) -> Steps:
        pipeline = self.seeded(seed)
        reasoner = reasoner_of(pipeline, self.execution, self.run_id(seed), sample=self.drawn(seed))
        return Steps(pipeline, self.space, reasoner)

    def archive(self, seed: int) -> Archive:
        """The first archive, for methods that read its architectures."""
        return next((one for one in self.archives(seed) if one.entries), self.archives(seed)[0])

    def archives(self, seed: int) -> tuple[Archive, ...]:
        """The archives, one for each source: the same for every seed if chosen from a whole table, else one for each
        draw of the reasoner."""
        key = self._archived(seed)
        if key not in _archives:
            _, read = read_from(self.pipeline, self.execution, self.space, self.evaluator)
            steps = Steps(self.seeded(key[-1]), self.space, Frequency())

            def archive(source: Source) -> Archive:
                there, evaluator = read(source)
                return steps.build_archive(evaluator, source, there)

            _archives[key] = steps.build_archives(archive)
        return _archives[key]

    def learned(self, steps: Steps, seed: int) -> Principles:
        """Principles learned from the archive; only once per archive if the reasoner is deterministic."""
        reasoner = self.pipeline.reasoner
        if not deterministic(reasoner):
            return steps.learn(*self.archives(seed))
        key = (*self._archived(seed), reasoner.model_dump_json())
        if key not in _principles:
            _principles[key] = steps.learn(*self.archives(seed))
        return _principles[key]

    def _archived(self, seed: int) -> tuple[str, str | DeclaredSpace, str | None, str, int]:
        source = self.pipeline.source
        drawn = self.drawn(seed) if source.drawn else 0
        return (*self._place, source.model_dump_json(), drawn)


# Made once a process, whatever else the entrants differ in.
_benchmarks: dict[Place, Benchmark] = {}
_archives: dict[tuple[str, str | DeclaredSpace, str | None, str, int], tuple[Archive, ...]] = {}
_fronts: dict[tuple[str | DeclaredSpace | None, ...], TrueFront] = {}
_principles: dict[tuple[str, str | DeclaredSpace, str | None, str, int, str], Principles] = {}
