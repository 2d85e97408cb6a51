"""Asynchronous successive halving (Li et al. 2020): who is trained on, and what the others count for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from pydantic import Field, field_validator

from lapt.base.declarations import Frozen
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, Evaluator, stopping
from lapt.search.searcher import Searcher
from lapt.spaces import Architecture

EvaluateAt = Callable[[list[Architecture], int], Sequence[Evaluation]]
"""(architectures, epochs of a rung) -> their scores there, in the order asked; fewer where a limit is reached."""


class Fidelity(Frozen):
    """Evaluations that stop early: the section ``fidelity`` of a pipeline."""

    epochs: tuple[int, ...] = Field(
        min_length=2, description="rungs: epochs after which trainings are compared, rising; the last are all of them"
    )
    keep: float = Field(0.33, gt=0, lt=1, description="share of a rung that is trained on to the next one")

    @field_validator("epochs")
    @classmethod
    def _rise(cls, epochs: tuple[int, ...]) -> tuple[int, ...]:
        if list(epochs) != sorted({epoch for epoch in epochs if epoch > 0}):
            raise ValueError("rungs are numbers of epochs from 1 that rise")
        return epochs

    @property
    def whole(self) -> int:
        """Epochs of a whole training."""
        return self.epochs[-1]

    def added(self, rung: int) -> int:
        """Epochs that a rung adds to the one below it."""
        return self.epochs[rung] - (self.epochs[rung - 1] if rung else 0)

    @property
    def least(self) -> int:
        """Evaluations, in whole trainings, that a search needs until the first architecture reaches the last rung."""
        there, epochs = 1, self.added(len(self.epochs) - 1)
        for rung in reversed(range(len(self.epochs) - 1)):
            there = next(n for n in range(there, 10**9) if kept(n, self.keep) >= there)
            epochs += there * self.added(rung)
        return math.ceil(epochs / self.whole)


def kept(number: int, keep: float) -> int:
    """The number of ``number`` architectures on a rung that may be trained on."""
    return math.floor(number * keep + 1e-9)  # 0.29 * 100 is a little less than 29


class Halving:
    """The rule by which architectures go up: a rung's best share ``keep``, whatever of the rung is still to come.

    It is told scores, higher is better, and knows nothing of trainings. Names are told once a rung.
    """

    def __init__(self, rungs: int, keep: float) -> None:
        self.keep = keep
        self.scores: list[dict[str, float]] = [{} for _ in range(rungs)]
        """Rung -> name -> score, in the order told."""
        self._promoted: list[set[str]] = [set() for _ in range(rungs)]

    def told(self, name: str, rung: int, score: float) -> None:
        """Learn a score on a rung. A failure is minus infinity, and is never promoted."""
        self.scores[rung][name] = score

    def next(self) -> tuple[str, int] | None:
        """The architecture to promote, and the rung that it goes to; None if a new one is to begin.

        From the highest rung down, the best of those among a rung's best share that were not promoted yet; of equals,
        the earlier.
        """
        for rung in reversed(range(len(self.scores) - 1)):
            here = self.scores[rung]
            best = sorted(here, key=lambda name: -here[name])[: kept(len(here), self.keep)]
            for name in best:
                if name not in self._promoted[rung] and here[name] > -math.inf:
                    return name, rung + 1
        return None

    def promote(self, name: str, rung: int) -> None:
        """Note that the architecture goes to that rung."""
        self._promoted[rung - 1].add(name)

    def gain(self, rung: int) -> float:
        """Mean gain of score from that rung to the last, each step over the pairs that are known; 0 without pairs."""
        steps = zip(self.scores[rung:], self.scores[rung + 1 :], strict=False)
        return sum(_mean(above[name] - below[name] for name in above) for below, above in steps)


def _mean(gains: Iterator[float]) -> float:
    finite = [gain for gain in gains if math.isfinite(gain)]
    return float(np.mean(finite)) if finite else 0.0


def check_rungs(evaluator: Evaluator, fidelity: Fidelity) -> None:
    """Raise ConfigError if trainings cannot stop at a rung, or the last rung is not the whole training."""
    found = stopping(evaluator)
    whole = found.epochs
    if whole != fidelity.whole:
        raise ConfigError(
            f"fidelity.epochs that end with {whole}, the epochs of a whole training on {evaluator.task}",
            f"{fidelity.whole}",
            f"write {[*(epoch for epoch in fidelity.epochs if epoch < whole), whole]}",
        )
    for epochs in fidelity.epochs:
        found.at(epochs)


class Rungs:
    """One search by rungs, over all its iterations. Its budget is epochs: so many whole trainings.

    The search method is told each architecture once, and again when more of it is known. An architecture that was not
    trained to the end counts for its score plus the mean gain, from its rung to the last, of those that went on. So it
    can be compared with full scores.
    """

    def __init__(self, fidelity: Fidelity, identity: Callable[[Architecture], str]) -> None:
        self.fidelity, self.halving = fidelity, Halving(len(fidelity.epochs), fidelity.keep)
        self.spent = 0
        """Epochs of all trainings so far."""
        self.evaluations: list[Evaluation] = []
        """The scores of all rungs in order, each with the cost that its rung added."""
        self.completed: list[tuple[int, Evaluation]] = []
        """The scores of the last rung, each with the epochs spent by then."""
        self._identity = identity
        self._allowed = 0
        self._highest: dict[str, tuple[int, Evaluation]] = {}

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of scores on each rung."""
        return tuple(len(scores) for scores in self.halving.scores)

    @property
    def trainings(self) -> list[int]:
        """Of each score of the last rung, the number of whole trainings that cost as many epochs as were spent by
        then."""
        return [-(-spent // self.fidelity.whole) for spent, _ in self.completed]

    def added(self, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
        """New evaluations of a rung, each with the cost that the rung added to the one below."""
        before = [self._highest.get(self._identity(one.architecture)) for one in evaluations]
        return [
            one if at is None else replace(one, cost_seconds=max(0.0, one.cost_seconds - at[1].cost_seconds))
            for one, at in zip(evaluations, before, strict=True)
        ]

    @property
    def comparable(self) -> list[Evaluation]:
        """Every architecture once, in the order begun, with a score that can be compared with full ones."""
        gains = [self.halving.gain(rung) for rung in range(len(self.fidelity.epochs))]
        return [_raised(evaluation, gains[rung]) for rung, evaluation in self._highest.values()]

    def search(
        self,
        searcher: Searcher,
        evaluate: EvaluateAt,
        *,
        budget: int,
        ask_size: int,
        first: Sequence[Architecture] = (),
    ) -> list[Evaluation]:
        """The scores of the last rung that ``budget`` whole trainings' epochs pay for, with what earlier calls left.

        ``ask_size`` trainings at a time: those that are promoted, then new ones. ``first``: begun before the first ask.
        """
        self._allowed += budget * self.fidelity.whole
        known, done = self.comparable, len(self.completed)
        new = list(first[: (self._allowed - self.spent) // self.fidelity.epochs[0]])
        began = not new or self._evaluated(evaluate, new, 0)
        searcher.tell([*known, *self.comparable[len(known) :]])
        while began and (jobs := self._jobs(searcher, ask_size)):
            for rung, architectures in jobs.items():
                began = began and self._evaluated(evaluate, architectures, rung)
            searcher.correct(self.comparable)
        return [evaluation for _, evaluation in self.completed[done:]]

    def _jobs(self, searcher: Searcher, wanted: int) -> dict[int, list[Architecture]]:
        """Rung -> architectures to train to it now: those that the rule promotes, then new ones. None at the end."""
        jobs: dict[int, list[Architecture]] = {}
        left = self._allowed - self.spent
        while wanted and (chosen := self.halving.next()) is not None:
            name, rung = chosen
            if self.fidelity.added(rung) > left:
                return jobs  # what is left is for the next iteration
            self.halving.promote(name, rung)
            jobs.setdefault(rung, []).append(self._highest[name][1].architecture)
            wanted, left = wanted - 1, left - self.fidelity.added(rung)
        new = searcher.ask(min(wanted, left // self.fidelity.epochs[0]))
        return {**jobs, 0: new} if new else jobs

    def _evaluated(self, evaluate: EvaluateAt, architectures: list[Architecture], rung: int) -> bool:
        """Train to a rung; return whether there are all scores."""
        found = list(evaluate(architectures, self.fidelity.epochs[rung]))
        self.evaluations += self.added(found)
        for evaluation in found:
            name = self._identity(evaluation.architecture)
            self.spent += self.fidelity.added(rung)
            self.halving.told(name, rung, evaluation.score)
            self._highest[name] = rung, evaluation
            if rung == len(self.fidelity.epochs) - 1:
                self.completed.append((self.spent, evaluation))
        return len(found) == len(architectures)


def _raised(evaluation: Evaluation, gain: float) -> Evaluation:
    """The evaluation with its score raised by so much."""
    if evaluation.value is None or not gain:
        return evaluation
    return replace(evaluation, value=evaluation.value + (gain if evaluation.metric.higher_is_better else -gain))
