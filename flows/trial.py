"""Trial of a recipe: random networks are trained with two seeds, to see whether scores tell them apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flows.running.progress import Listener, listener
from flows.scoring import Scoring
from lapt.base.noise import noise
from lapt.errors import ConfigError, LaptError
from lapt.evaluation import Evaluation, Evaluator
from lapt.evaluators.config import TrainingEvaluation
from lapt.pipeline.config import Execution, Pipeline
from lapt.pipeline.constraints import feasible_of
from lapt.pipeline.results import Trial
from lapt.search.loop import askable
from lapt.spaces import Architecture, SearchSpace

SEEDS = 2
LEAST = 4
"""Networks that must have both scores."""
_DRAWS = 100
"""Draws for each network that is wanted: a space may have fewer functions than that."""


def trial(
    pipeline: Pipeline,
    execution: Execution,
    architectures: int,
    heard: Callable[[int, int], None] = lambda done, total: None,
) -> list[Trial]:
    """Train so many random networks of each target with ``SEEDS`` seeds: the run's own, and the next.

    All trainings are stored, so a run on the same store does not pay again for those with its own seed. ``heard(done,
    total)``: called after each. Raises ConfigError if nothing is trained, and LaptError if fewer than ``LEAST``
    networks have both scores.
    """
    config = pipeline.evaluator
    if not isinstance(config, TrainingEvaluation):
        raise ConfigError(
            "evaluator.kind training, for a trial", config.kind, "leave out --trial: no network is trained for a score"
        )
    seeds = [config.model_copy(update={"seed": config.seed + n}) for n in range(SEEDS)]
    scorings = [Scoring.by(pipeline.model_copy(update={"evaluator": seed}), execution) for seed in seeds]
    chosen = [_drawn(pipeline, one, scorings[0].space, architectures) for one in scorings[0].evaluators]
    counter = _Counter(heard, SEEDS * sum(map(len, chosen)))
    token = listener.set(counter)
    try:
        found = []
        for at, asked in enumerate(chosen):
            rows = [counter.evaluate(scoring.evaluators[at], asked) for scoring in scorings]
            found.append(_trial(pipeline, scorings[0].evaluators[at], rows))
        return found
    finally:
        listener.reset(token)


def _drawn(pipeline: Pipeline, evaluator: Evaluator, space: SearchSpace, wanted: int) -> list[Architecture]:
    """Random architectures that a search may ask for, each another function; always the same ones."""
    there = askable(space, evaluator, feasible=feasible_of(pipeline.constraints, space, evaluator))
    rng, found = np.random.default_rng(pipeline.seed), dict[str, Architecture]()
    for _ in range(_DRAWS * wanted):
        architecture = there.sample(rng)
        found.setdefault(evaluator.identity(architecture), architecture)
        if len(found) == wanted:
            break
    return list(found.values())


def _trial(pipeline: Pipeline, evaluator: Evaluator, rows: list[list[Evaluation]]) -> Trial:
    complete = [pair for pair in zip(*rows, strict=True) if not any(one.failed for one in pair)]
    failed = tuple(str(one.error) for pair in zip(*rows, strict=True) for one in pair if one.failed)
    if len(complete) < LEAST:
        raise LaptError(
            f"{LEAST} or more networks with {SEEDS} scores on {evaluator.task}",
            f"{len(complete)}"
            + (f", and {len(failed)} failed trainings, the first with {failed[0]!r}" if failed else ""),
            "choose a recipe that trains them" if failed else "use a larger space, or fewer constraints",
        )
    scores = np.array([[one.score for one in pair] for pair in complete])
    found, metric, budget = noise(scores), evaluator.metric, pipeline.budget
    return Trial(
        task=evaluator.task,
        metric=metric.name,
        unit=metric.unit,
        mean=float(scores.mean()) * (1 if metric.higher_is_better else -1),
        noise=found,
        budget=budget,
        gain=found.gain(budget),
        failed=failed,
    )


class _Counter(Listener):
    """Count of trainings. Stored ones are not heard of one by one, so each call counts what it returns."""

    def __init__(self, heard: Callable[[int, int], None], total: int) -> None:
        self.heard, self.total, self.done = heard, total, 0
        self.under_way = 0
        heard(0, total)

    def evaluate(self, evaluator: Evaluator, asked: list[Architecture]) -> list[Evaluation]:
        found = evaluator.evaluate(asked)
        self.done, self.under_way = self.done + len(asked), 0
        self.heard(self.done, self.total)
        return found

    def scored(self, task: str) -> None:
        self.under_way += 1
        self.heard(self.done + self.under_way, self.total)
