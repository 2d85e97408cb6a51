"""Search methods of a study: each is a function from task and seed to evaluations in order.

Everything here runs in a worker process, with plain functions and no Prefect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from flows.build import caller_of
from flows.evaluators import space_of
from flows.studies.entrants.bench import Bench
from flows.studies.rows import Who
from lapt.base.digests import digest
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, stopping
from lapt.pipeline.config import Pipeline
from lapt.pipeline.controls import (
    ZERO_COST,
    InOrder,
    by_frequency,
    by_predictor,
    by_size,
    by_zero_cost,
    random_subspace,
    source_ranking,
)
from lapt.pipeline.objectives import cost_of
from lapt.pipeline.sources import BootstrapArchive, Source, TopArchive, is_read
from lapt.pipeline.target import TargetSearch
from lapt.principles import Principles
from lapt.reasoning.config import ChatReasoner, FrequencyReasoner, deterministic
from lapt.reasoning.language.direct import Direct
from lapt.search import SEARCHERS, Prior, Searcher
from lapt.search.config import SECTIONS, SearchSection
from lapt.search.loop import asking, scored, search
from lapt.spaces import Architecture, SearchSpace

COUNTS = {"params": "parameters", "flops": "flops"}
"""Method by size -> the count that it uses."""
RESAMPLED = "archives resampled"
"""Variant in which every seed reads its own archive, drawn with replacement from the common one."""
LONG = 500
"""Evaluations that baselines may take to reach the goal (the paper's ">500")."""


@dataclass(frozen=True)
class Searched:
    """The result of a method on one task: its evaluations in order, the learned principles and the first refined space.

    ``lacking``: architectures that it proposed and that were skipped.
    """

    evaluations: Sequence[Evaluation]
    learned: Principles | None = None
    refined: SearchSpace | None = None
    stood_in: bool | None = None
    """Whether counting stood in for the language model at any step."""
    lacking: int = 0
    spent: Sequence[int] | None = None
    """Of each evaluation, the number of whole trainings that cost as many epochs as the search by then; None if no
    training stops early."""


Search = Callable[[Bench, str, int], Searched]
"""(bench, task, seed) -> result."""


@dataclass(frozen=True)
class Entrant:
    """One line of a comparison: a method under a pipeline. It is sent to worker processes.

    ``draws``: number of draws of the reasoner, each used with every seed; None: every seed has its own draw. ``fixed``:
    nothing is random but the draw, so one seed stands for all.
    """

    method: str
    pipeline: Pipeline
    search: Search
    budget: int
    reasoner: str | None = None
    variant: str | None = None
    draws: int | None = None
    fixed: bool = False
    default: bool = True
    """Whether it is in a comparison that names no methods."""
    source_budget: int | None = None
    against: Who | None = None
    """Its baseline, if the study has one for it."""

    @property
    def who(self) -> Who:
        return Who(self.method, self.reasoner, self.variant, self.source_budget)

    @property
    def label(self) -> str:
        source = [f"{self.source_budget:,} source evaluations"] if self.source_budget else []
        return ", ".join([part for part in (self.method, self.reasoner, self.variant) if part] + source)


class Watched(TargetSearch):
    """A search that remembers what was stated and to what it refined, in order."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.stated: list[Principles] = []
        self.refined: list[SearchSpace] = []

    def refine(self, principles: Principles, g: int) -> SearchSpace:
        self.stated.append(principles)
        self.refined.append(super().refine(principles, g))
        return self.refined[-1]


# --- the methods ---------------------------------------------------------------------------------------------------
def lapt(bench: Bench, task: str, seed: int) -> Searched:
    """LAPT as the pipeline declares it."""
    steps = bench.steps(seed)
    archive = bench.archive(seed)
    learned = bench.learned(steps, seed)
    watched = Watched(steps, bench.evaluator(task), archive)
    _, evaluations = watched.run(learned)
    stood_in = any(principles.origin.instead_of for principles in watched.stated)
    refined = watched.refined[0] if watched.refined else None
    spent = None if watched.rungs is None else watched.rungs.trainings
    return Searched(evaluations, learned, refined, stood_in, watched.lacking, spent)


def alone(method: str, bench: Bench, task: str, seed: int) -> Searched:
    """A search method on the whole space. Transfer methods also get the source's evaluations.

    Where the pipeline has two objectives, a method that can search for both does so.
    """
    config = bench.pipeline.search.by(method)
    source = tuple(bench.archive(seed).asked) if SEARCHERS[method].transfers else ()
    cost = cost_of(bench.pipeline, bench.evaluator(task)) if SEARCHERS[method].objectives else None
    prior = Prior(source, costs=None if cost is None else cost.of)
    stream = _stream(seed, method, task)
    feasible = bench.feasible(task)
    searcher = config.searcher(bench.space, bench.evaluator(task), seed=stream, prior=prior, feasible=feasible)
    return _run(bench, task, searcher)


def stopping_early(method: str, bench: Bench, task: str, seed: int) -> Searched:
    """As ``alone``, by the rungs of the pipeline."""
    evaluator, seeded = bench.evaluator(task), bench.steps(seed)
    config = bench.pipeline.search.by(method)
    stream, feasible = _stream(seed, method, task), bench.feasible(task)
    searcher = config.searcher(bench.space, evaluator, seed=stream, feasible=feasible)
    rungs = seeded.rungs(evaluator)
    assert rungs is not None
    stopped = {epochs: stopping(evaluator).at(epochs) for epochs in rungs.fidelity.epochs}
    found = rungs.search(
        searcher,
        lambda architectures, epochs: stopped[epochs].evaluate(architectures),
        budget=bench.budget,
        ask_size=bench.pipeline.search.asked,
    )
    return Searched(found, lacking=searcher.lacking, spent=rungs.trainings)


def warm_start(bench: Bench, task: str, seed: int) -> Searched:
    """The pipeline's search method on the whole space, with the source's best as its initial population."""
    config, evaluator, there = bench.pipeline.search, bench.evaluator(task), bench.askable(task)
    first = [one for one in source_ranking(bench.archive(seed)) if there.contains(one)][: config.population_size]
    stream, feasible = _stream(seed, "warm_start", task), bench.feasible(task)
    searcher = config.searcher(bench.space, evaluator, seed=stream, feasible=feasible)
    return _run(bench, task, searcher, first)


def ranking(bench: Bench, task: str, seed: int) -> Searched:
    """The source archive's architectures on the target, in the source's order. Nothing is random."""
    return _in_order(bench, task, source_ranking(bench.archive(seed)))


def mode(bench: Bench, task: str, seed: int) -> Searched:
    """The most frequent operator of each layer first. Nothing is random."""
    return _in_order(bench, task, by_frequency(bench.askable(task), bench.archive(seed)))


def predictor(bench: Bench, task: str, seed: int) -> Searched:
    """A predictor fitted to the source's scores; its best are tried on the target in order."""
    return _in_order(bench, task, by_predictor(bench.askable(task), bench.archive(seed).asked))


def size(count: str, bench: Bench, task: str, seed: int) -> Searched:
    """The largest architectures first, by parameters or flops."""
    evaluator = bench.evaluator(task)
    return _in_order(bench, task, by_size(evaluator.evaluate(scored(bench.space, evaluator)), count))


def zero_cost(score: str, bench: Bench, task: str, seed: int) -> Searched:
    """Architectures by a score of untrained networks, best first."""
    return _in_order(bench, task, by_zero_cost(bench.space, score))


def subspace(bench: Bench, task: str, seed: int) -> Searched:
    """The pipeline's search method inside a random space of the size of Omega_r, at LAPT's budget."""
    steps = bench.steps(seed)
    refined = steps.refine(bench.learned(steps, seed), task=task)
    drawn = random_subspace(bench.space, refined, np.random.default_rng(_stream(seed, "random_subspace")))
    config, evaluator, seeded = bench.pipeline.search, bench.evaluator(task), _stream(seed, "inside", task)
    least, feasible = bench.pipeline.budget, bench.feasible(task)
    searcher = config.searcher(drawn, evaluator, seed=seeded, at_least=least, feasible=feasible)
    return _run(bench, task, searcher)


def direct(bench: Bench, task: str, seed: int) -> Searched:
    """Architectures proposed by the language model itself, a population at a time, at LAPT's budget."""
    config = bench.pipeline.reasoner
    assert isinstance(config, ChatReasoner)
    drawn = bench.drawn(seed)
    evaluator, pipeline = bench.evaluator(task), bench.pipeline
    searcher = Direct(
        bench.space,
        caller=caller_of(config, bench.execution, bench.run_id(seed), sample=drawn),
        archive=bench.archive(seed),
        task=task,
        parts=config.prompt,
        strict=config.on_invalid == "raise",
        seed=_stream(drawn, "direct", task),
        identity=evaluator.identity,
    )
    there = bench.askable(task)
    searcher.there = None if there is bench.space else there  # a model is not told which architectures there are
    found = search(searcher, evaluator.evaluate, budget=pipeline.budget, ask_size=pipeline.search.population_size)
    return Searched(found, stood_in=searcher.filled > 0, lacking=searcher.lacking)


def under_one(declared: Pipeline, named: Sequence[Pipeline]) -> Pipeline:
    """The pipeline under the reasoner that is named, or as it is declared. Raises ConfigError for several."""
    if len(named) > 1:
        raise ConfigError("one reasoner in this study", f"{len(named)}", "lapt study reasoners compares several")
    return named[0] if named else declared


def counting(pipeline: Pipeline) -> FrequencyReasoner:
    """``frequency`` as the pipeline declares it, else with its best cap on operators.

    The cap is three where there are four to choose from (TransNAS-Bench-101, REA: mean rank 39 against 86 with two),
    and two of NAS-Bench-201's five.
    """
    if isinstance(pipeline.reasoner, FrequencyReasoner):
        return pipeline.reasoner
    most = max(len(layer.operators) for layer in space_of(pipeline).layers)
    return FrequencyReasoner(max_operators=3 if most == 4 else 2)


# --- entrants ------------------------------------------------------------------------------------------------------
def lapt_entrant(pipeline: Pipeline, *, variant: str | None = None, draws: int | None = None) -> Entrant:
    """LAPT under the name of its search method: ``lapt-rea``, ``lapt-random``."""
    return Entrant(
        pipeline.label,
        pipeline,
        lapt,
        pipeline.budget,
        pipeline.reasoner.named,
        variant,
        None if deterministic(pipeline.reasoner) else draws,
    )


def with_other_archives(entrant: Entrant) -> Iterator[Entrant]:
    """The entrant; and if all seeds would read one archive and state the same principles, a resampled variant too."""
    yield entrant
    source = entrant.pipeline.source
    if not isinstance(source, Source):
        return
    if deterministic(entrant.pipeline.reasoner) and isinstance(source.archive, TopArchive):
        archive = BootstrapArchive(strategy="bootstrap", size=source.archive.size)
        resampled = entrant.pipeline.model_copy(update={"source": source.model_copy(update={"archive": archive})})
        yield replace(entrant, pipeline=resampled, variant=RESAMPLED)


def with_controls(pipeline: Pipeline, longest: int = LONG) -> tuple[Entrant, ...]:
    """LAPT as declared, search methods alone, and the controls without an LLM.

    All other search methods follow, alone and in LAPT; they run only if named. A method that refines the space has
    LAPT's budget; any other may go on to ``longest``.
    """
    whole = not pipeline.source.drawn  # then rankings of the archive are the same for every seed
    searches = dict(other_searches(pipeline.search))
    usual = [method for method in dict.fromkeys((pipeline.search.method, "rea", "random")) if method in searches]
    default = (
        *with_other_archives(lapt_entrant(pipeline)),
        *(Entrant(method, pipeline, partial(alone, method), longest) for method in usual),
    )
    if is_read(pipeline.source):
        default += (
            Entrant("source_ranking", pipeline, ranking, longest, fixed=whole),
            Entrant("mode", pipeline, mode, longest, fixed=whole),
            Entrant("source_predictor", pipeline, predictor, longest, fixed=whole),
            Entrant("random_subspace", pipeline, subspace, pipeline.budget, pipeline.reasoner.named),
        )
    others = [Entrant(c, pipeline, partial(size, COUNTS[c]), longest, fixed=True, default=False) for c in COUNTS]
    others += [Entrant(s, pipeline, partial(zero_cost, s), longest, fixed=True, default=False) for s in ZERO_COST]
    others.append(Entrant("warm_start", pipeline, warm_start, longest, default=False))
    for method, section in searches.items():
        searched = pipeline.model_copy(update={"search": section})
        others.append(Entrant(method, pipeline, partial(alone, method), longest, default=False))
        others += with_other_archives(replace(lapt_entrant(searched), default=False))
    known = {entrant.method for entrant in default}
    return (*default, *(entrant for entrant in others if entrant.method not in known))


def other_searches(section: SearchSection) -> Iterator[tuple[str, SearchSection]]:
    """Every search method with the same budget. Methods whose defaults do not fit the budget are left out; declare
    them."""
    for method in SECTIONS:
        try:
            other = section.by(method)
        except ConfigError:
            continue
        yield method, other


def _in_order(bench: Bench, task: str, order: Iterable[Architecture]) -> Searched:
    evaluator = bench.evaluator(task)

    def make(there: SearchSpace) -> InOrder:
        return InOrder(there, order, identity=evaluator.identity)

    return _run(bench, task, asking(make, bench.space, evaluator, feasible=bench.feasible(task)))


def _run(bench: Bench, task: str, searcher: Searcher, first: Sequence[Architecture] = ()) -> Searched:
    evaluate, asked = bench.evaluator(task).evaluate, bench.pipeline.search.asked
    found = search(searcher, evaluate, budget=bench.budget, ask_size=asked, first=first)
    return Searched(found, lacking=searcher.lacking)


def _stream(seed: int, *names: object) -> Sequence[int]:
    return [seed, int(digest([str(name) for name in names])[:15], 16)]
