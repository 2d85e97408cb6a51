"""Algorithms 1 and 2 on DARTS: any reasoner and method, at the settings of Table 1, on a formula for a score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import yaml

from lapt.evaluation import Evaluation, Metric
from lapt.pipeline.config import Pipeline
from lapt.pipeline.steps import Steps
from lapt.pipeline.target import TargetSearch
from lapt.reasoning import Frequency, Patterns, Reasoner
from lapt.spaces import BUILTIN, Architecture

SPACE = BUILTIN["darts"]
DECLARED = """
name: darts
space: darts
evaluator: {kind: table, table: none}
source: {task: source, archive: {strategy: random, samples: 200, size: 50}}
targets: [target]
adaptation: {iterations: 2, top_r: 20}
search: {method: rea, population_size: 10, generations: 3, tournament_size: 2, mutation_probability: 0.5,
         crossover_probability: 0.5}
"""


class Formula:
    """Separable convolutions of the normal cell, those that read an input twice; pooling in the reduction cell."""

    metric, fingerprint = Metric("convolutions"), "formula"

    def __init__(self, task: str) -> None:
        self.task = task

    def identity(self, architecture: Architecture) -> str:
        return SPACE.encode(SPACE.canonical(architecture))

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Evaluation]:
        return [Evaluation(a, self.identity(a), value(a), self.metric) for a in architectures]

    def test(self, architecture: Architecture) -> float:
        return value(architecture)


def value(architecture: Architecture) -> float:
    pairs = list(zip(*architecture, strict=True))
    normal = sum(1.0 + s.startswith("input") for o, s in pairs[:8] if o.startswith("sep"))
    return normal + sum(o == "max_pool_3x3" for o, _ in pairs[8:])


def found(reasoner: Reasoner, method: str, seed: int = 0) -> tuple[Steps, list[Evaluation]]:
    pipeline = Pipeline.model_validate(yaml.safe_load(DECLARED) | {"seed": seed})
    pipeline = pipeline.model_copy(update={"search": pipeline.search.by(method)})
    steps = Steps(pipeline, SPACE, reasoner)
    archive = steps.build_archive(Formula("source"))
    _, evaluations = TargetSearch(steps, Formula("target"), archive).run(steps.learn(archive))
    return steps, evaluations


@pytest.mark.integration
@pytest.mark.parametrize("method", ["rea", "gp", "local_search"])
@pytest.mark.parametrize("reasoner", [Frequency(), Patterns(breadth=1e-8)], ids=lambda reasoner: reasoner.name)
def test_what_is_transferred_is_worth_more_than_the_budget_alone(reasoner: Reasoner, method: str) -> None:
    steps, evaluations = found(reasoner, method)
    assert len({SPACE.encode(SPACE.canonical(e.architecture)) for e in evaluations}) == len(evaluations) == 70
    alone, _ = steps.control("rea", Formula("target"))
    assert max(e.score for e in evaluations) > max(e.score for e in alone)
    assert np.mean([e.score for e in evaluations[:10]]) > np.mean([e.score for e in alone[:10]]) + 3
