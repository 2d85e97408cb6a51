"""The steps of Algorithms 1 and 2 for one pipeline, as plain functions.

A flow wraps each in a task; a study calls them as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from lapt.algorithms import algorithm_2
from lapt.archive import Archive, best_of_all, best_of_random, nothing_read, of_fronts, resampled, worst_of_all
from lapt.base.digests import digest, short
from lapt.evaluation import Evaluation, Evaluator, top
from lapt.pipeline.config import Pipeline
from lapt.pipeline.constraints import feasible_of, quantities
from lapt.pipeline.controls import InOrder, source_ranking
from lapt.pipeline.objectives import cost_of
from lapt.pipeline.sources import (
    AnyArchive,
    BootstrapArchive,
    FrontArchive,
    Source,
    WorstArchive,
    only_source,
    sources_of,
)
from lapt.principles import Principles
from lapt.reasoning import Joined, Reasoner
from lapt.reasoning.expectation import BACKGROUND, Expectation, advisers_of, expectation_of, together
from lapt.reasoning.ordering import promising_by
from lapt.reasoning.reasoner import seeing
from lapt.search import NOTHING, SEARCHERS, Prior, Searcher
from lapt.search.feasible import Feasible
from lapt.search.halving import EvaluateAt, Rungs
from lapt.search.loop import Evaluate, askable, asking, search
from lapt.search.revisiting import Revisiting
from lapt.spaces import ENUMERABLE, Architecture, SearchSpace

SHARPNESS = 3.0
"""Sharpness of the first population's draw. Its mean expectation lies one or two deviations above its space's."""

SOURCE_RANKING = "source_ranking"
"""The control that transfers the source's ranking, without principles and without a search."""


@dataclass(frozen=True)
class Steps:
    """The steps of Algorithm 1, line by line, as ``pipeline`` declares them. Keeps no state between calls."""

    pipeline: Pipeline
    space: SearchSpace
    reasoner: Reasoner

    def build_archives(self, read: Callable[[Source], Archive]) -> tuple[Archive, ...]:
        """Line 1, for every source; an empty archive for what is not read. ``read``: builds that of one source."""
        pipeline = self.pipeline
        found = (
            read(one) if isinstance(one, Source) else nothing_read(self.space, one.named)
            for one in sources_of(pipeline.source)
        )
        return tuple(found) or (nothing_read(self.space, pipeline.source.named),)

    def build_archive(
        self, evaluator: Evaluator, source: Source | None = None, space: SearchSpace | None = None
    ) -> Archive:
        """Line 1: the archive A, from the source task alone, under the source's name.

        ``source``: the pipeline's only one if unset. ``space``: the source's own, if it is another."""
        there = self.space if space is None else space
        source = only_source(self.pipeline.source) if source is None else source
        return replace(self._archive(source.archive, evaluator, there), task=source.named)

    def _archive(self, archive: AnyArchive, evaluator: Evaluator, there: SearchSpace) -> Archive:
        if isinstance(archive, WorstArchive):
            return worst_of_all(there, evaluator, archive.size)
        cost = cost_of(self.pipeline, evaluator) if isinstance(archive, FrontArchive) else None
        if archive.paid is not None:
            size = archive.size if cost is None else archive.paid
            best = best_of_random(there, evaluator, size, archive.paid, seed=self._stream("archive"))
        else:
            best = best_of_all(there, evaluator, archive.size if cost is None else there.size)
        if cost is not None:
            return of_fronts(best, self.pipeline.objectives[1], cost, archive.size)
        return resampled(best, seed=self._stream("archive")) if isinstance(archive, BootstrapArchive) else best

    def learn(self, *archives: Archive) -> Principles:
        """Line 2: the principles learned from the archives, one for each source."""
        reasoner = self.reasoner
        if len(archives) == 1 or not isinstance(reasoner, Joined):
            return reasoner.learn(self.space, archives[0])
        read = next((archive for archive in archives if archive.entries), archives[0])
        more = [read] * (len(reasoner.advisers) - len(archives))  # experts have no archive of their own
        together = short([archive.digest for archive in archives])
        return reasoner.learn_apart(self.space, (*archives, *more), self.pipeline.source.named, together)

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

    def searcher(
        self,
        refined: SearchSpace,
        evaluator: Evaluator,
        g: int,
        prior: Prior = NOTHING,
        first: SearchSpace | None = None,
    ) -> Searcher:
        """The search method of iteration g, with one random stream for each seed, task and iteration.

        ``first``: the first refined space, to which the search goes back now and then; None if it does not.
        """
        costs, feasible = cost_of(self.pipeline, evaluator), self.feasible(evaluator)
        kept = 1.0 if feasible is None else feasible.share
        prior = replace(with_images(prior, evaluator), costs=None if costs is None else costs.of, kept=kept)

        def of(space: SearchSpace, *names: str) -> Searcher:
            seed, at_least = self._stream(evaluator.task, g, *names), self._so_far(g)
            return self.pipeline.search.searcher(
                space, evaluator, seed=seed, prior=prior, at_least=at_least, feasible=feasible
            )

        here = of(refined)
        return here if first is None else Revisiting(here, of(first, "first space"), self.pipeline.adaptation.revisit)

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

    def rungs(self, evaluator: Evaluator) -> Rungs | None:
        """The rungs of a search on one target; None if every training is whole."""
        fidelity = self.pipeline.fidelity
        return None if fidelity is None else Rungs(fidelity, evaluator.identity)

    def search_by_rungs(
        self,
        rungs: Rungs,
        searcher: Searcher,
        evaluate: EvaluateAt,
        g: int,
        first: Sequence[Architecture] = (),
    ) -> list[Evaluation]:
        """As ``search``, with trainings that stop early: the scores of whole trainings."""
        config = self.pipeline.search
        return rungs.search(searcher, evaluate, budget=config.budget(g), ask_size=config.asked, first=first)

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
