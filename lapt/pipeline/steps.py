"""The steps of Algorithms 1 and 2 for one pipeline, as plain functions.

A flow wraps each in a task; a study calls them as they are.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from lapt.algorithms import Found, adapt_target, algorithm_2, iterations_of
from lapt.archive import Archive, best_of_all, best_of_random, resampled, worst_of_all
from lapt.base.digests import digest
from lapt.errors import BudgetSpent
from lapt.evaluation import Evaluation, Evaluator, top
from lapt.pipeline.config import BootstrapArchive, Pipeline, RandomArchive, WorstArchive
from lapt.pipeline.constraints import feasible_of, quantities
from lapt.pipeline.controls import InOrder, source_ranking
from lapt.pipeline.objectives import cost_of
from lapt.principles import Principles
from lapt.reasoning import Reasoner
from lapt.reasoning.expectation import BACKGROUND, Expectation, advisers_of, expectation_of, together
from lapt.reasoning.ordering import promising_by
from lapt.reasoning.reasoner import seeing
from lapt.search import NOTHING, SEARCHERS, Prior, Searcher
from lapt.search.alarm import refuted
from lapt.search.feasible import Feasible
from lapt.search.loop import Evaluate, askable, asking, search
from lapt.search.searcher import Adviser, Refuted, Weighed
from lapt.spaces import ENUMERABLE, Architecture, SearchSpace

SHARPNESS = 3.0
"""Sharpness of the first population's draw. Its mean expectation lies one or two deviations above its space's."""

_EVERY = 5
"""Number of new scores after which the advisers are judged again."""

SOURCE_RANKING = "source_ranking"
"""The control that transfers the source's ranking, without principles and without a search."""


@dataclass(frozen=True)
class Steps:
    """The steps of Algorithm 1, line by line, as ``pipeline`` declares them. Keeps no state between calls."""

    pipeline: Pipeline
    space: SearchSpace
    reasoner: Reasoner

    def build_archive(self, evaluator: Evaluator) -> Archive:
        """Line 1: the archive A, from the source task alone."""
        archive = self.pipeline.source.archive
        if isinstance(archive, RandomArchive):
            return best_of_random(self.space, evaluator, archive.size, archive.samples, seed=self._stream("archive"))
        if isinstance(archive, WorstArchive):
            return worst_of_all(self.space, evaluator, archive.size)
        best = best_of_all(self.space, evaluator, archive.size)
        return resampled(best, seed=self._stream("archive")) if isinstance(archive, BootstrapArchive) else best

    def learn(self, archive: Archive) -> Principles:
        """Line 2: the principles learned from the archive."""
        return self.reasoner.learn(self.space, archive)

    def refine(self, principles: Principles, *, task: str, without: frozenset[str] = frozenset()) -> SearchSpace:
        """Line 6: the refined space Omega_r; the whole space if principles order it and cut nothing.

        ``without``: advisers whose principles do not count. If none is left, it is the whole space; if some are, it is
        as large as it would be with all of them.
        """
        if self._orders:
            return self.space
        refined = self.reasoner.translate(self.space, principles, task=task)
        if not without:
            return refined
        heard = self._heard(principles, task, without)
        breadth = principles.breadth or refined.size / self.space.size
        return promising_by(self.space, together(heard), breadth) if heard else self.space

    def prior(
        self, principles: Principles, archive: Archive | None, *, task: str, without: frozenset[str] = frozenset()
    ) -> Prior:
        """The prior knowledge of a search on ``task``, beside its space.

        ``archive``: of the source, for methods that transfer (``transfers``). ``without``: as of ``refine``."""
        source = () if archive is None else archive.asked
        if self._orders:
            advisers = advisers_of(self.space, principles, task=task)
            return Prior(source, advisers=tuple(adviser for adviser in advisers if adviser.name not in without))
        if not self._ordered(self.pipeline.guidance.prior, principles):
            return Prior(source)
        if not without:
            return Prior(source, self._expects(principles))
        heard = self._heard(principles, task, without)
        return Prior(source, together(heard) if heard else None)

    def _heard(self, principles: Principles, task: str, without: frozenset[str]) -> list[Expectation]:
        """The expectations of the advisers that are left."""
        advisers = advisers_of(self.space, principles, task=task)
        heard = (adviser.expects for adviser in advisers if adviser.name not in without)
        return [expects for expects in heard if isinstance(expects, Expectation)]

    @property
    def transfers(self) -> bool:
        """Whether the search method learns from the source's evaluations."""
        return SEARCHERS[self.pipeline.search.method].transfers

    def searcher(self, refined: SearchSpace, evaluator: Evaluator, g: int, prior: Prior = NOTHING) -> Searcher:
        """The search method of iteration g, with one random stream for each seed, task and iteration."""
        seed, costs = self._stream(evaluator.task, g), cost_of(self.pipeline, evaluator)
        prior = replace(with_images(prior, evaluator), costs=None if costs is None else costs.of)
        return self.pipeline.search.searcher(
            refined,
            evaluator,
            seed=seed,
            prior=prior,
            at_least=self._so_far(g),
            feasible=self.feasible(evaluator),
        )

    def feasible(self, evaluator: Evaluator) -> Feasible | None:
        """The architectures that meet the constraints, on targets and for controls; None without constraints.

        The source's archive is not constrained: principles of large architectures hold for small ones too.
        """
        return feasible_of(self.pipeline.constraints, self.space, evaluator)

    def quantities(self, evaluator: Evaluator, found: Evaluation | None) -> dict[str, float]:
        """The constrained quantities of the architecture found; none without constraints."""
        return quantities(self.pipeline.constraints, evaluator, None if found is None else found.architecture)

    def first(
        self, refined: SearchSpace, principles: Principles, evaluator: Evaluator, history: Sequence[Evaluation]
    ) -> list[Architecture]:
        """The first population on a task, evaluated before the method's first ask: principles expect it to be good.

        It is drawn from Omega_r without replacement (Gumbel top-k), one architecture for each canonical form. Each
        standard deviation of expectation multiplies the odds by exp(``SHARPNESS``). Seeds draw different populations.
        """
        if history or not self._ordered(self.pipeline.guidance.initial, principles):
            return []
        rng = np.random.default_rng(self._stream("first", evaluator.task))
        feasible = self.feasible(evaluator)
        there = askable(refined, evaluator, at_least=self._so_far(1), feasible=feasible)
        if there.size <= ENUMERABLE:
            members = list(there.members())
        else:
            members = list(dict.fromkeys(there.sample(rng) for _ in range(BACKGROUND)))
        perturbed = SHARPNESS * self._expects(principles)(members) + rng.gumbel(size=len(members))
        distinct: dict[Architecture, Architecture] = {}
        confirms = feasible.confirmed if feasible is not None and feasible.exact is not None else None
        for at in np.argsort(-perturbed, kind="stable"):
            if confirms is not None and not confirms(members[int(at)]):
                continue
            distinct.setdefault(self.space.canonical(members[int(at)]), members[int(at)])
            if len(distinct) == self._guided_start:
                break
        return list(distinct.values())

    @property
    def _guided_start(self) -> int:
        """Number of first evaluations that principles choose: as many as the method has at random without them."""
        search = self.pipeline.search
        return getattr(search, "initial", search.population_size) if self._orders else search.population_size

    @property
    def _orders(self) -> bool:
        return self.pipeline.refinement == "order"

    def search(
        self,
        searcher: Searcher,
        evaluate: Evaluate,
        history: Sequence[Evaluation],
        g: int,
        first: Sequence[Architecture] = (),
    ) -> list[Evaluation]:
        """Lines 7 and 8: this iteration's evaluations B_n."""
        config = self.pipeline.search
        return search(searcher, evaluate, budget=config.budget(g), ask_size=config.asked, history=history, first=first)

    def again(self, refined: SearchSpace, evaluations: Sequence[Evaluation]) -> list[Architecture]:
        """The architectures that a new supernet scores again: those of the top r so far that are in Omega_r."""
        found = (evaluation.architecture for evaluation in top(evaluations, self.pipeline.adaptation.top_r))
        return [architecture for architecture in found if refined.contains(architecture)]

    def adapt(
        self, principles: Principles, base: float, best_found: float, evaluations: Sequence[Evaluation], *, task: str
    ) -> tuple[Principles, float]:
        """Line 9: Algorithm 2."""
        reasoner = seeing(self.reasoner, evaluations)
        return algorithm_2(
            principles,
            base,
            best_found,
            evaluations,
            r=self.pipeline.adaptation.top_r,
            update=partial(reasoner.update, self.space, task=task),
            explore=partial(reasoner.explore, self.space, task=task),
            rule=self.pipeline.adaptation.rule,
        )

    def control(
        self, method: str, evaluator: Evaluator, archive: Archive | None = None
    ) -> tuple[list[Evaluation], Searcher]:
        """A control's evaluations on the whole space with LAPT's budget, and its searcher.

        ``method``: a search method, to which nothing is transferred; or ``source_ranking``, which does not search but
        takes the source's best (``archive``) in their order there."""
        seed, config = self._stream("control", method, evaluator.task), self.pipeline.search
        if method == SOURCE_RANKING:
            assert archive is not None
            order = source_ranking(archive)
            searcher: Searcher = asking(
                lambda space: InOrder(space, order, seed=seed, identity=evaluator.identity),
                self.space,
                evaluator,
                feasible=self.feasible(evaluator),
            )
        else:
            config = config.by(method)
            searcher = config.searcher(
                self.space,
                evaluator,
                seed=seed,
                prior=with_images(NOTHING, evaluator),
                feasible=self.feasible(evaluator),
            )
        return search(searcher, evaluator.evaluate, budget=self.pipeline.budget, ask_size=config.asked), searcher

    def _so_far(self, g: int) -> int:
        """Number of evaluations up to iteration g. A pool of at least this many still has some that are new.

        0 if scores are inherited: a supernet has no weights for what lies outside its refined space."""
        if self.pipeline.evaluator.kind == "supernet":
            return 0
        return sum(self.pipeline.search.budget(iteration) for iteration in range(1, g + 1))

    def _ordered(self, wanted: bool | None, principles: Principles) -> bool:
        return (self._orders or principles.ordering) if wanted is None else wanted

    def _expects(self, principles: Principles) -> Expectation:
        return expectation_of(self.space, principles)

    def _stream(self, *names: object) -> list[int]:
        return [self.pipeline.seed, int(digest([str(name) for name in names])[:15], 16)]


def with_images(prior: Prior, evaluator: Evaluator) -> Prior:
    """The prior with ``strengths`` of the evaluator, which only evaluators with training images have."""
    return replace(prior, strengths=getattr(evaluator, "strengths", None))


Iteration = tuple[SearchSpace, tuple[Evaluation, ...], int]
"""Omega_r, the evaluations so far, g."""


class TargetSearch:
    """One target's loop of refining, searching and adapting, by plain functions.

    A subclass overrides a step to watch it or to run it elsewhere. ``archive``: of the source, for search methods that
    transfer (``Steps.transfers``). After ``run``: ``repeats`` counts the repeated proposals that search methods passed
    over, ``lacking`` those without a score in the table; ``space_size`` is that of the last refined space; ``stopped``
    names the limit that ended the search before its last iteration, None if none did; ``advice`` holds the advisers'
    weights at the last ask, ``refuted`` the advisers that the scores turned against.
    """

    def __init__(self, steps: Steps, evaluator: Evaluator, archive: Archive | None = None) -> None:
        self.steps, self.evaluator, self.archive = steps, evaluator, archive
        self.task = evaluator.task
        self.repeats = self.lacking = 0
        self.space_size = steps.space.size
        self.stopped: str | None = None
        self.advice: tuple[Weighed, ...] = ()
        self.refuted: list[Refuted] = []
        self._advisers: tuple[Adviser, ...] = ()
        self._heeded = 0

    def run(self, principles: Principles) -> Found:
        """The incumbent, and every evaluation in order."""
        self._advisers = advisers_of(self.steps.space, principles, task=self.task)
        return adapt_target(principles, search=self.search, **self._steps)

    def iterations(self, principles: Principles) -> Generator[Iteration, Sequence[Evaluation], Found]:
        """``run`` as a generator, for callers that evaluate by themselves: yields iterations, is sent evaluations."""
        self._advisers = advisers_of(self.steps.space, principles, task=self.task)
        return iterations_of(principles, **self._steps)

    @property
    def _steps(self) -> dict[str, Any]:
        return {
            "iterations": self.steps.pipeline.adaptation.iterations,
            "refine": self._refine,
            "adapt": self.adapt,
            "rescore": self.rescore,
            "stopped": self.stop,
        }

    def refine(self, principles: Principles, g: int) -> SearchSpace:
        """Line 6: Omega_r of iteration g."""
        return self.steps.refine(principles, task=self.task, without=self._left_out)

    @property
    def _left_out(self) -> frozenset[str]:
        """The advisers that the search goes on without."""
        dropped = self.steps.pipeline.adaptation.refuted == "drop"
        return frozenset(known.adviser for known in self.refuted) if dropped else frozenset()

    def rescore(self, refined: SearchSpace, history: Sequence[Evaluation], g: int) -> list[Evaluation] | None:
        """The best so far, scored anew for Omega_r, if scores depend on it; None if they stay valid."""
        return None

    def evaluate(self, architectures: list[Architecture], refined: SearchSpace, g: int) -> list[Evaluation]:
        """Scores in the order asked; fewer where a limit is reached."""
        return self.evaluator.evaluate(architectures)

    def adapt(
        self, principles: Principles, base: float, best_found: float, evaluations: Sequence[Evaluation], g: int
    ) -> tuple[Principles, float]:
        """Line 9: adapt the principles. After the last search they stay as they are, which saves a model's call."""
        if g == self.steps.pipeline.adaptation.iterations:
            return principles, base
        return self.steps.adapt(principles, base, best_found, evaluations, task=self.task)

    def stop(self, spent: BudgetSpent) -> None:
        """Note the limit that ends the search."""
        self.stopped = str(spent)

    def _refine(self, principles: Principles, g: int) -> SearchSpace:
        self.principles = principles
        refined = self.refine(principles, g)
        self.space_size = refined.size
        return refined

    def search(self, refined: SearchSpace, history: Sequence[Evaluation], g: int) -> list[Evaluation]:
        """Lines 7 and 8: this iteration's evaluations B_n."""
        searcher, first = self.searcher(refined, history, g)

        def evaluate(asked: list[Architecture]) -> list[Evaluation]:
            self._heed(searcher.history)
            return self.evaluate(asked, refined, g)

        found = self.steps.search(searcher, evaluate, history, g, first)
        self._heed([*history, *found])
        self.count(searcher)
        return found

    def _heed(self, evaluations: Sequence[Evaluation]) -> None:
        """Report each adviser once, as soon as the scores turn against it; every ``_EVERY`` scores are asked."""
        if len(evaluations) < self._heeded + _EVERY:
            return
        self._heeded = len(evaluations)
        for adviser, against in refuted(self._advisers, evaluations):
            if adviser.name not in {known.adviser for known in self.refuted}:
                self.refuted.append(Refuted(adviser.name, against, len(evaluations)))
                self.refute(self.refuted[-1], adviser.statements)

    def refute(self, of: Refuted, statements: Sequence[str]) -> None:
        """Tell of an adviser that the scores turned against. ``statements``: its principles in words."""

    def searcher(
        self, refined: SearchSpace, history: Sequence[Evaluation], g: int
    ) -> tuple[Searcher, list[Architecture]]:
        """The search method of iteration g, and the architectures evaluated before its first ask."""
        searcher = self.steps.searcher(
            refined,
            self.evaluator,
            g,
            self.steps.prior(self.principles, self.archive, task=self.task, without=self._left_out),
        )
        return searcher, self.steps.first(refined, self.principles, self.evaluator, history)

    def count(self, searcher: Searcher) -> None:
        """Count the proposals that a search method passed over (``repeats``, ``lacking``), and keep its ``advice``."""
        self.advice = searcher.advice or self.advice
        self.repeats += searcher.repeats
        self.lacking += searcher.lacking
