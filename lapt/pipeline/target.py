"""The search on one target: the loop of Algorithm 1 with the steps of a pipeline."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from lapt.algorithms import Found, adapt_target, iterations_of
from lapt.archive import Archive
from lapt.errors import BudgetSpent
from lapt.evaluation import Evaluation, Evaluator, stopping
from lapt.pipeline.steps import Steps
from lapt.principles import Principles
from lapt.reasoning.expectation import advisers_of
from lapt.search import Searcher
from lapt.search.alarm import refuted
from lapt.search.searcher import Adviser, Refuted, Weighed
from lapt.spaces import Architecture, SearchSpace

_EVERY = 5
"""Number of new scores after which the advisers are judged again."""

Iteration = tuple[SearchSpace, tuple[Evaluation, ...], int]
"""Omega_r, the evaluations so far, g."""


class TargetSearch:
    """One target's loop of refining, searching and adapting, by plain functions.

    A subclass overrides a step to watch it or to run it elsewhere. ``archive``: of the source, for search methods that
    transfer (``Steps.transfers``). After ``run``: ``repeats`` counts the repeated proposals that search methods passed
    over, ``lacking`` those without a score in the table; ``space_size`` is that of the last refined space; ``stopped``
    names the limit that ended the search before its last iteration, None if none did; ``advice`` holds the advisers'
    weights at the last ask, ``refuted`` the advisers that the scores turned against. ``rungs``: where trainings stop
    early, their scores; the loop sees those of the last rung alone.
    """

    def __init__(self, steps: Steps, evaluator: Evaluator, archive: Archive | None = None) -> None:
        self.steps, self.evaluator, self.archive = steps, evaluator, archive
        self.task = evaluator.task
        self.rungs = steps.rungs(evaluator)
        self.repeats = self.lacking = 0
        self.space_size = steps.space.size
        self.stopped: str | None = None
        self.advice: tuple[Weighed, ...] = ()
        self.refuted: list[Refuted] = []
        self._advisers: tuple[Adviser, ...] = ()
        self._heeded = 0
        self._after: dict[int, Evaluator] = {}
        self._first: SearchSpace | None = None

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

    def evaluate(
        self, architectures: list[Architecture], refined: SearchSpace, g: int, epochs: int | None = None
    ) -> list[Evaluation]:
        """Scores in the order asked; fewer where a limit is reached. ``epochs``: after so many of a training, where it
        stops early."""
        return self.evaluator_after(epochs).evaluate(architectures)

    def evaluator_after(self, epochs: int | None) -> Evaluator:
        """The evaluator of a rung, by its epochs; of whole trainings if None."""
        if epochs is None:
            return self.evaluator
        if epochs not in self._after:
            self._after[epochs] = stopping(self.evaluator).at(epochs)
        return self._after[epochs]

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
        if self._first is None:
            self._first = refined
        return refined

    def search(self, refined: SearchSpace, history: Sequence[Evaluation], g: int) -> list[Evaluation]:
        """Lines 7 and 8: this iteration's evaluations B_n."""
        searcher, first = self.searcher(refined, history if self.rungs is None else self.rungs.comparable, g)

        def evaluate(asked: list[Architecture], epochs: int | None = None) -> list[Evaluation]:
            self._heed(searcher.history)
            return self.evaluate(asked, refined, g, epochs)

        if self.rungs is None:
            found = self.steps.search(searcher, evaluate, history, g, first)
            self._heed([*history, *found])
        else:
            found = self.steps.search_by_rungs(self.rungs, searcher, evaluate, g, first)
            self._heed(searcher.history)
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
            self._revisited(refined),
        )
        return searcher, self.steps.first(refined, self.principles, self.evaluator, history)

    def _revisited(self, refined: SearchSpace) -> SearchSpace | None:
        """The first refined space, if the search goes back to it (``Revisiting``); None if it does not.

        It does not without ``adaptation.revisit``; where Omega_r is no larger; after an adviser was refuted, since the
        first space rests on all of them; and where a supernet has weights for Omega_r alone.
        """
        pipeline, first = self.steps.pipeline, self._first
        if first is None or first.size >= refined.size or self._left_out or pipeline.evaluator.kind == "supernet":
            return None
        return first if pipeline.adaptation.revisit else None

    def count(self, searcher: Searcher) -> None:
        """Count the proposals that a search method passed over (``repeats``, ``lacking``), and keep its ``advice``."""
        self.advice = searcher.advice or self.advice
        self.repeats += searcher.repeats
        self.lacking += searcher.lacking
