"""The steps of Algorithms 1 and 2 for one pipeline, as plain functions.

A flow wraps each in a task; a study calls them as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from lapt.algorithms import algorithm_2
from lapt.archive import Archive, best_of_all, best_of_random, resampled, worst_of_all
from lapt.base.digests import digest
from lapt.evaluation import Evaluation, Evaluator, top
from lapt.pipeline.config import BootstrapArchive, Pipeline, RandomArchive, WorstArchive
from lapt.pipeline.controls import InOrder, source_ranking
from lapt.principles import Principles
from lapt.reasoning import Reasoner
from lapt.reasoning.expectation import BACKGROUND, Expectation, expectation_of
from lapt.search import NOTHING, SEARCHERS, Prior, Searcher
from lapt.search.confined import askable, asking
from lapt.search.loop import Evaluate, search
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

    def refine(self, principles: Principles, *, task: str) -> SearchSpace:
        """Line 6: the refined space Omega_r."""
        return self.reasoner.translate(self.space, principles, task=task)

    def prior(self, principles: Principles, archive: Archive | None) -> Prior:
        """The prior knowledge of a target's search, beside its space.

        ``archive``: of the source, for methods that transfer (``transfers``)."""
        return Prior(
            source=() if archive is None else archive.asked,
            expects=self._expects(principles) if self._ordered(self.pipeline.guidance.prior, principles) else None,
        )

    @property
    def transfers(self) -> bool:
        """Whether the search method learns from the source's evaluations."""
        return SEARCHERS[self.pipeline.search.method].transfers

    def searcher(self, refined: SearchSpace, evaluator: Evaluator, g: int, prior: Prior = NOTHING) -> Searcher:
        """The search method of iteration g, with one random stream for each seed, task and iteration."""
        seed, prior = self._stream(evaluator.task, g), with_images(prior, evaluator)
        return self.pipeline.search.searcher(refined, evaluator, seed=seed, prior=prior, at_least=self._so_far(g))

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
        there = askable(refined, evaluator, at_least=self._so_far(1))
        if there.size <= ENUMERABLE:
            members = list(there.members())
        else:
            members = list(dict.fromkeys(there.sample(rng) for _ in range(BACKGROUND)))
        perturbed = SHARPNESS * self._expects(principles)(members) + rng.gumbel(size=len(members))
        distinct: dict[Architecture, Architecture] = {}
        for at in np.argsort(-perturbed, kind="stable"):
            distinct.setdefault(self.space.canonical(members[int(at)]), members[int(at)])
            if len(distinct) == self.pipeline.search.population_size:
                break
        return list(distinct.values())

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
        return algorithm_2(
            principles,
            base,
            best_found,
            evaluations,
            r=self.pipeline.adaptation.top_r,
            update=partial(self.reasoner.update, self.space, task=task),
            explore=partial(self.reasoner.explore, self.space, task=task),
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
                lambda space: InOrder(space, order, seed=seed, identity=evaluator.identity), self.space, evaluator
            )
        else:
            config = config.by(method)
            searcher = config.searcher(self.space, evaluator, seed=seed, prior=with_images(NOTHING, evaluator))
        return search(searcher, evaluator.evaluate, budget=self.pipeline.budget, ask_size=config.asked), searcher

    def _so_far(self, g: int) -> int:
        """Number of evaluations up to iteration g. A pool of at least this many still has some that are new."""
        return sum(self.pipeline.search.budget(iteration) for iteration in range(1, g + 1))

    def _ordered(self, wanted: bool | None, principles: Principles) -> bool:
        return principles.ordering if wanted is None else wanted

    def _expects(self, principles: Principles) -> Expectation:
        return expectation_of(self.space, principles)

    def _stream(self, *names: object) -> list[int]:
        return [self.pipeline.seed, int(digest([str(name) for name in names])[:15], 16)]


def with_images(prior: Prior, evaluator: Evaluator) -> Prior:
    """The prior with ``strengths`` of the evaluator, which only evaluators with training images have."""
    return replace(prior, strengths=getattr(evaluator, "strengths", None))
