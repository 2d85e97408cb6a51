"""The trainings that a tabular benchmark needs, and the statistics of their scores. Nothing is trained here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lapt.base.noise import Noise, agreement, noise
from lapt.base.statistics import Scores
from lapt.evaluation import Evaluation, Metric
from lapt.spaces import Architecture, SearchSpace


def distinct(space: SearchSpace) -> list[Architecture]:
    """One architecture for each function: the canonical representatives, in the order of their strings."""
    found = {space.encode(canonical): canonical for canonical in map(space.canonical, space.listed())}
    return [found[text] for text in sorted(found)]


def sampled(size: int, wanted: int) -> list[int]:
    """``wanted`` of the positions 0..size-1 (all if there are fewer), always the same ones."""
    return sorted(np.random.default_rng(0).permutation(size)[:wanted].tolist())


def measured_again(scores: Scores, best: int, sample: int) -> list[int]:
    """Positions of the ``best`` highest of N scores and of ``sample`` random ones."""
    highest = np.argsort(-scores, kind="stable")[:best].tolist()
    return sorted({*highest, *sampled(len(scores), sample)})


def between_tasks(scores: Mapping[str, Scores]) -> dict[tuple[str, str], float]:
    """Kendall's tau of every pair of tasks; scores higher is better."""
    return {(a, b): agreement(scores[a], scores[b]) for a, b in combinations(scores, 2)}


def mean_over_seeds(scores: Scores) -> Scores:
    """N means of N architectures x S seeds; NaN where one was not trained."""
    return np.asarray(np.nanmean(scores, axis=1))


@dataclass(frozen=True)
class Measured:
    """One task's trainings; ``sample`` random architectures had every seed.

    ``evaluations[s][n]``: the n-th architecture with seed s, None where it was not trained.
    """

    metric: Metric
    sample: int
    evaluations: Sequence[Sequence[Evaluation | None]]

    @property
    def scores(self) -> Scores:
        """N architectures x S seeds, higher is better; NaN where not trained."""
        return np.array([[np.nan if e is None else e.score for e in seed] for seed in self.evaluations]).T

    @property
    def means(self) -> Scores:
        """N, higher is better: over the seeds that an architecture was trained with."""
        return mean_over_seeds(self.scores)

    def measure(self, name: str) -> Scores:
        """N means of another measurement, by its name."""
        values = [[np.nan if e is None else e.measures[name] for e in seed] for seed in self.evaluations]
        return mean_over_seeds(np.array(values).T)

    @property
    def measures(self) -> list[str]:
        """Names of the measurements beside the score."""
        first = next(e for e in self.evaluations[0] if e is not None)
        return sorted(set(first.measures) - {self.metric.name})

    @property
    def hours(self) -> float:
        """Hours of training and validation, summed over all processes."""
        return sum(e.cost_seconds for seed in self.evaluations for e in seed if e is not None) / 3600

    @property
    def noise(self) -> Noise:
        """Between the seeds, of the random sample: the best were chosen by one of them, so they would flatter."""
        return noise(self.scores[sampled(len(self.scores), self.sample)])
