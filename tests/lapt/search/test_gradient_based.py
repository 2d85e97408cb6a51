"""Gradient-based methods derive what their papers derive, train once, and need images."""

from __future__ import annotations

import itertools
import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lapt.data.images import split
from lapt.data.sources import load_images
from lapt.errors import ConfigError
from lapt.evaluation import Evaluator
from lapt.evaluators import TableEvaluator
from lapt.evaluators.images import TrainingSpec
from lapt.evaluators.training import TrainingEvaluator
from lapt.families.darts.cell import SOURCES
from lapt.families.darts.genotype import genotype
from lapt.pipeline.config import Pipeline, load_pipeline
from lapt.pipeline.steps import Steps
from lapt.pipeline.target import TargetSearch
from lapt.reasoning import Frequency
from lapt.search import SEARCHERS, Prior
from lapt.search.methods.gradient_based import Darts, GradientBased
from lapt.spaces import BUILTIN, SearchSpace
from lapt.testing import invented_strengths, invented_table
from lapt.testing.searchers import run
from lapt.training import Recipe, Relaxation, relaxed
from lapt.training.relaxation import Strengths
from storage.runs.evaluator import StoredEvaluator
from storage.store import Store

DARTS, NAS201 = BUILTIN["darts"], BUILTIN["nas201"]
METHODS = ("darts", "pc_darts", "snas", "fair_darts")
OPERATORS = DARTS.layers[0].operators


@dataclass(frozen=True)
class Given:
    """Strengths that are known beforehand, and how often they were asked for."""

    strengths: Strengths
    asked: list[tuple[SearchSpace, Relaxation, int]]

    def __call__(self, space: SearchSpace, relaxation: Relaxation, seed: int) -> Strengths:
        self.asked.append((space, relaxation, seed))
        return self.strengths


def searcher(strengths: Strengths, space: SearchSpace, **more: Any) -> GradientBased:
    return Darts(space, seed=0, prior=Prior(strengths=Given(strengths, [])), **more)


Shares = Mapping[tuple[str, int, int], Mapping[str, float]]
"""(kind, source, node) -> softmax over the operators."""


def of_darts(shares: Shares) -> Strengths:
    return {
        (layer, (operator, source)): shares[layer.split(".")[0], SOURCES.index(source), int(layer[-2])][operator]
        for layers, choices in DARTS.nodes
        for layer in layers
        for operator, source in choices
    }


def published(shares: Shares, kind: str) -> list[list[tuple[str, int]]]:
    """As the code of DARTS derives one cell: two edges a node by their largest operator but ``none``, each with it."""
    nodes = []
    for node in range(2, 6):
        best = {
            source: max((o for o in OPERATORS if o != "none"), key=lambda o, s=source, n=node: shares[kind, s, n][o])
            for source in range(node)
        }
        ranked = sorted(best, key=lambda source, n=node: -shares[kind, source, n][best[source]])[:2]
        nodes.append([(best[source], source) for source in sorted(ranked)])
    return nodes


@pytest.mark.parametrize("seed", range(8))
def test_darts_cells_are_derived_as_published(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shares = {
        (kind, source, node): dict(zip(OPERATORS, rng.dirichlet(np.ones(8)).tolist(), strict=True))
        for kind in ("normal", "reduce")
        for node in range(2, 6)
        for source in range(node)
    }
    (found,) = searcher(of_darts(shares), DARTS).ask(1)
    cells = genotype(DARTS.encode(found))
    for kind, nodes in (("normal", cells.normal), ("reduce", cells.reduce)):
        assert [[(edge.operator, edge.source) for edge in edges] for edges in nodes] == published(shares, kind)


def test_a_cell_by_hand() -> None:
    """Node 2 has two sources to choose two of; ``none`` counts most everywhere and is taken nowhere."""
    little = {"none": 0.6, **dict.fromkeys(OPERATORS[1:], 0.01)}
    shares = {(kind, s, n): little for kind in ("normal", "reduce") for n in range(2, 6) for s in range(n)}
    chosen = {(0, 2): "sep_conv_3x3", (1, 2): "skip_connect", (0, 3): "dil_conv_5x5", (2, 3): "sep_conv_3x3"}
    chosen |= {(1, 4): "max_pool_3x3", (3, 4): "sep_conv_5x5", (0, 5): "skip_connect", (4, 5): "avg_pool_3x3"}
    for kind in ("normal", "reduce"):
        for (source, node), operator in chosen.items():
            shares[kind, source, node] = little | {operator: 0.2}
    (found,) = searcher(of_darts(shares), DARTS).ask(1)
    cell = (
        "[('sep_conv_3x3', 0), ('skip_connect', 1), ('dil_conv_5x5', 0), ('sep_conv_3x3', 2), "
        "('max_pool_3x3', 1), ('sep_conv_5x5', 3), ('skip_connect', 0), ('avg_pool_3x3', 4)]"
    )
    assert DARTS.encode(found) == (
        f"Genotype(normal={cell}, normal_concat=range(2, 6), reduce={cell}, reduce_concat=range(2, 6))"
    )


def test_on_fixed_edges_the_best_operator_is_taken_none_included_and_the_rest_follow_by_the_product() -> None:
    strengths = invented_strengths(NAS201, Relaxation(), 0)
    strengths = {**strengths, ("0->3", ("none", "0")): 9.0}
    made = searcher(strengths, NAS201)
    asked = made.ask(400)
    best = [max(layer.operators, key=lambda o, n=layer.name: strengths[n, (o, n[0])]) for layer in NAS201.layers]
    assert list(asked[0].operators) == best
    assert asked[0].operators[NAS201.layer_names.index("0->3")] == "none"
    products = [
        math.prod(
            strengths[name, choice] for name, choice in zip(NAS201.layer_names, zip(*cell, strict=True), strict=True)
        )
        for cell in asked
    ]
    assert all(one >= other * (1 - 1e-12) for one, other in itertools.pairwise(products))
    assert made.repeats == 0


def test_equal_functions_are_passed_over() -> None:
    strengths = dict.fromkeys(invented_strengths(NAS201, Relaxation(), 0), 1.0)
    made = searcher(strengths, NAS201, identity=lambda cell: NAS201.encode(NAS201.canonical(cell)))
    assert len(made.ask(NAS201.size)) == 5260
    assert made.repeats == NAS201.size - 5260


@pytest.mark.parametrize("method", METHODS)
def test_it_trains_once_when_it_is_first_asked(method: str) -> None:
    given = Given(invented_strengths(NAS201, Relaxation(), 0), [])
    one, two = (SEARCHERS[method](NAS201, seed=[0, seed], prior=Prior(strengths=given)) for seed in (1, 2))
    assert not given.asked
    for made in (one, two):
        run(made, [2, 3])
        again = pickle.loads(pickle.dumps(made))
        assert again.ask(4) == made.ask(4)
    (space, relaxation, seed), (_, _, other) = given.asked
    assert (space, relaxation) == (NAS201, one.relaxation)  # type: ignore[attr-defined]
    assert seed != other


@pytest.mark.parametrize("method", METHODS)
def test_without_images_it_says_what_it_needs(method: str) -> None:
    pipeline = load_pipeline("invented", [f"search.method={method}"])
    steps = Steps(pipeline, NAS201, Frequency())
    evaluator = TableEvaluator(invented_table(), NAS201, "invented_a")
    for ask in (
        lambda: steps.searcher(NAS201, evaluator, 1),
        lambda: steps.control(method, evaluator),
        lambda: SEARCHERS[method](NAS201, seed=0),
    ):
        with pytest.raises(ConfigError, match=r"expected images .* training or supernet.* got .* table"):
            ask()


SPEC = TrainingSpec(
    space=NAS201,
    task="classification",
    data="digits",
    channels=4,
    validation_share=0.25,
    training_images=100,
    recipe=Recipe(epochs=1, batch_size=50),
)


def test_it_is_given_the_training_images_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those that score architectures are not among them, whoever wraps the evaluator."""
    seen: list[Any] = []
    really = relaxed.relax

    def watched(space: SearchSpace, task: Any, training: Any, *rest: Any, **more: Any) -> Any:
        seen.append(training)
        return really(space, task, training, *rest, **more)

    monkeypatch.setattr(relaxed, "relax", watched)
    evaluator = StoredEvaluator(TrainingEvaluator(SPEC), Store(tmp_path), NAS201, seed=0)
    assert evaluator.strengths is not None
    found = pickle.loads(pickle.dumps(evaluator.strengths))(NAS201, Relaxation(epochs=1), 3)
    assert set(found) == {(layer.name, choice) for layer in NAS201.layers for choice in layer.choices}
    assert found == evaluator.strengths(NAS201, Relaxation(epochs=1), 3)
    training, validation = split(load_images("digits").train, 0.25, 0, limit=100)
    assert torch.equal(seen[0].images, training.images)
    assert not {image.numpy().tobytes() for image in validation.images} & {
        image.numpy().tobytes() for image in seen[0].images
    }


DECLARED = """
name: small
space: nas201
evaluator: {kind: training, data: digits, channels: 4, training_images: 100, recipe: {epochs: 1, batch_size: 50}}
source: {task: jigsaw, archive: {strategy: random, samples: 4, size: 2}}
targets: [classification]
reasoner: {kind: frequency}
adaptation: {iterations: 2, top_r: 2}
search: {method: pc_darts, population_size: 2, generations: 1, epochs: 1, partial: 2}
"""


def test_it_searches_the_refined_spaces_of_a_pipeline(tmp_path: Path) -> None:
    """Each iteration trains a mixed supernet of its own space, and a control one of the whole."""
    (tmp_path / "small.yaml").write_text(DECLARED)
    pipeline: Pipeline = load_pipeline(str(tmp_path / "small.yaml"))
    steps = Steps(pipeline, NAS201, Frequency())
    evaluator: Evaluator = TrainingEvaluator(SPEC, processes=1)
    source = TrainingEvaluator(SPEC.model_copy(update={"task": "jigsaw"}), processes=1)
    archive = steps.build_archive(source)
    best, found = TargetSearch(steps, evaluator).run(steps.learn(archive))
    assert best is not None
    assert len({evaluation.identity for evaluation in found}) == len(found) == pipeline.budget
    refined = steps.refine(steps.learn(archive), task="classification")
    assert all(refined.contains(evaluation.architecture) for evaluation in found[:4])
    assert len(steps.control("pc_darts", evaluator)[0]) == pipeline.budget
