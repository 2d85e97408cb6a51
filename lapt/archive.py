"""The archive A of established architectures (Algorithm 1, line 1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapt.digests import short
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, Evaluator, top
from lapt.spaces import Architecture, SearchSpace


@dataclass(frozen=True)
class Archive:
    """Good architectures of the source task, best first, and how many evaluations they were chosen from."""

    space: SearchSpace
    task: str
    entries: tuple[Evaluation, ...]
    chosen_from: int

    @property
    def digest(self) -> str:
        return short([self.space.name, self.task, [self.space.encode(e.architecture) for e in self.entries]])


def best_of_all(space: SearchSpace, evaluator: Evaluator, size: int) -> Archive:
    """The ``size`` best of the whole space: for tabular benchmarks, as in the paper's experiments."""
    return _chosen(space, evaluator, evaluator.evaluate(list(space)), size)


def best_of_random(
    space: SearchSpace, evaluator: Evaluator, size: int, samples: int, rng: np.random.Generator
) -> Archive:
    """The ``size`` best of ``samples`` distinct random architectures: what a user without a full table can pay for."""
    if samples > space.size:
        raise ConfigError(
            f"at most {space.size} samples of {space.name}", f"source.archive.samples = {samples}", "ask for fewer"
        )
    drawn: dict[str, object] = {}
    architectures: list[Architecture] = []
    while len(architectures) < samples:
        architecture = space.sample(rng)
        if drawn.setdefault(space.encode(architecture), architecture) is architecture:
            architectures.append(architecture)
    return _chosen(space, evaluator, evaluator.evaluate(architectures), size)


def _chosen(space: SearchSpace, evaluator: Evaluator, evaluations: list[Evaluation], size: int) -> Archive:
    return Archive(space, evaluator.task, tuple(top(evaluations, size)), chosen_from=len(evaluations))
