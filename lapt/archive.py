"""The archive A of established architectures (Algorithm 1, line 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lapt.digests import short
from lapt.errors import ConfigError, LaptError
from lapt.evaluation import Evaluation, Evaluator, top
from lapt.spaces import Architecture, SearchSpace


@dataclass(frozen=True)
class Archive:
    """Good architectures of the source task, best first.

    ``asked``: the evaluations that were paid for, in order; for the top of a whole table, the entries themselves,
    though they were chosen from ``chosen_from`` scores.
    """

    space: SearchSpace
    task: str
    entries: tuple[Evaluation, ...]
    asked: tuple[Evaluation, ...]
    chosen_from: int

    @property
    def digest(self) -> str:
        return short([self.space.name, self.task, [self.space.encode(e.architecture) for e in self.entries]])


def best_of_all(space: SearchSpace, evaluator: Evaluator, size: int) -> Archive:
    """The ``size`` best of the whole space: for tabular benchmarks, as in the paper's experiments."""
    evaluations = evaluator.evaluate(list(space.members()))
    entries = _best(evaluations, size, evaluator.task)
    return Archive(space, evaluator.task, entries, asked=entries, chosen_from=len(evaluations))


def best_of_random(
    space: SearchSpace, evaluator: Evaluator, size: int, samples: int, rng: np.random.Generator
) -> Archive:
    """The ``size`` best of ``samples`` distinct random architectures: what a user without a full table can pay for."""
    if samples > space.size:
        raise ConfigError(
            f"at most {space.size} samples of {space.name}", f"source.archive.samples = {samples}", "ask for fewer"
        )
    drawn: dict[str, Architecture] = {}
    while len(drawn) < samples:
        architecture = space.sample(rng)
        drawn.setdefault(evaluator.identity(architecture), architecture)
    asked = tuple(evaluator.evaluate(list(drawn.values())))
    return Archive(space, evaluator.task, _best(asked, size, evaluator.task), asked, chosen_from=len(asked))


def _best(evaluations: Sequence[Evaluation], size: int, task: str) -> tuple[Evaluation, ...]:
    entries = tuple(top(evaluations, size))
    if not entries:
        raise LaptError(
            f"an architecture that could be scored on the source task {task}",
            f"{len(evaluations)} failed evaluations, the first with {evaluations[0].error!r}",
            "mend what made them fail, or choose another source task",
        )
    return entries
