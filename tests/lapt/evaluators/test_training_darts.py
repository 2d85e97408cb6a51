"""DARTS cells are trained as other cells are; paths are dropped and a second head helps where a recipe says so."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from lapt.data.images import split
from lapt.data.sources import load_images
from lapt.errors import ConfigError
from lapt.evaluators.config import TrainingEvaluation
from lapt.evaluators.images import TrainingSpec, task_of
from lapt.evaluators.training import TrainingEvaluator, network_of
from lapt.networks import counts
from lapt.spaces import BUILTIN
from lapt.training import Recipe
from lapt.training.loop import train

SPACE = BUILTIN["darts"]
CELL = SPACE.decode(
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 1), "
    "('skip_connect', 0), ('dil_conv_3x3', 2), ('none', 0), ('skip_connect', 1)], normal_concat=range(2, 6), "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 0), ('skip_connect', 2), "
    "('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 1), ('max_pool_3x3', 2)], reduce_concat=range(2, 6))"
)
SPEC = TrainingSpec(
    space=SPACE,
    task="classification",
    data="digits",
    channels=4,
    cells=1,
    training_images=400,
    recipe=Recipe(epochs=2, batch_size=25, learning_rate=0.05, recalibrate_batch_norm=True),
)


def with_recipe(**changed: float) -> TrainingSpec:
    return SPEC.model_copy(update={"recipe": SPEC.recipe.model_copy(update=changed)})


def test_a_darts_cell_learns_digits_and_equal_functions_share_the_score() -> None:
    """Five layers of 4 channels, 400 images, two epochs."""
    evaluator = TrainingEvaluator(SPEC, processes=1)
    other = SPACE.decode(
        SPACE.encode(CELL).replace("('none', 0), ('skip_connect', 1)", "('skip_connect', 1), ('none', 2)")
    )
    assert other != CELL
    first, second = evaluator.evaluate([CELL, other])
    assert first.identity == second.identity
    assert first.value == second.value
    assert first.value is not None
    assert first.value > 40  # percent; chance is 10
    size = {"channels": 4, "cells": 1, "image_channels": 1, "image_size": (8, 8), "classes": 10}
    assert (first.parameters, first.flops) == counts(SPACE, SPACE.canonical(CELL), **size)
    assert first.live_parameters == first.parameters  # nothing is dead


def losses(spec: TrainingSpec) -> tuple[Sequence[float], float]:
    data, task = load_images("digits").train, task_of(spec)
    training, validation = split(data, 0.2, 0, limit=200)
    network = network_of(spec, CELL, auxiliary=spec.recipe.auxiliary > 0)
    trained = train(network, task, training, validation, spec.recipe, seed=0, device="cpu")
    assert getattr(network.backbone, "drop_path") == 0  # noqa: B009
    return trained.losses, trained.value


def test_dropped_paths_and_the_second_head_change_a_training_and_repeat() -> None:
    plain, dropping, helped = with_recipe(), with_recipe(drop_path=0.3), with_recipe(auxiliary=0.4)
    found = [losses(spec) for spec in (plain, dropping, helped)]
    assert len({trained[0] for trained in found}) == 3
    assert found[0][0][0] == found[1][0][0]  # nothing is dropped in the first epoch
    assert losses(helped) == found[2]
    assert len({TrainingEvaluator(spec).fingerprint for spec in (plain, dropping, helped)}) == 3


def test_the_second_head_is_gone_after_the_training() -> None:
    """The weights of the final training are those of the network without it."""
    spec = with_recipe(auxiliary=0.4)
    evaluation, weights = TrainingEvaluator(spec, processes=1).retrained(CELL)
    assert weights is not None
    network = network_of(spec, SPACE.canonical(CELL), weights)
    assert network.auxiliary is None
    assert sum(p.numel() for p in network.parameters()) == evaluation.parameters
    assert not any("auxiliary" in name for name in torch.load(io.BytesIO(weights), weights_only=True))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"space": BUILTIN["nas201"], "recipe": Recipe(drop_path=0.2)}, "DARTS cells, for recipe.drop_path"),
        (
            {"space": BUILTIN["nas201"], "recipe": Recipe(auxiliary=0.4)},
            "auxiliary head; got Backbone and classification",
        ),
        (
            {"task": "autoencoding", "recipe": Recipe(auxiliary=0.4)},
            "auxiliary head; got DartsBackbone and autoencoding",
        ),
    ],
)
def test_what_has_no_place_for_them_is_said_before_the_search(changed: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        TrainingEvaluator(SPEC.model_copy(update=changed)).check()
    TrainingEvaluator(with_recipe(auxiliary=0.4, drop_path=0.2)).check()


def test_what_is_not_said_leaves_no_trace() -> None:
    """Scores and runs from before there were DARTS networks keep their keys."""
    assert not {"drop_path", "auxiliary"} & set(Recipe().model_dump())
    assert Recipe().digest == "4409fd14809e53d992774129ef376cfc743825772e4cb0e3e9803568e318ade4"
    assert "stem" not in TrainingEvaluation(kind="training", data="digits").model_dump()
    assert TrainingEvaluation(kind="training", data="digits", stem="imagenet").model_dump()["stem"] == "imagenet"


def test_a_stem_for_larger_images() -> None:
    spec = SPEC.model_copy(update={"stem": "imagenet", "data": "digits"})
    one, other = network_of(SPEC, CELL), network_of(spec, CELL)
    images = torch.rand(2, 1, 64, 64)
    assert one.backbone(images).shape == (2, 64, 16, 16)
    assert other.backbone(images).shape == (2, 64, 2, 2)
    assert TrainingEvaluator(SPEC).fingerprint != TrainingEvaluator(spec).fingerprint


def test_random_cells_can_be_trained() -> None:
    rng = np.random.default_rng(0)
    quick = SPEC.model_copy(update={"training_images": 60, "recipe": Recipe(epochs=1, batch_size=30)})
    found = TrainingEvaluator(quick, processes=1).evaluate([SPACE.sample(rng) for _ in range(4)])
    assert all(not evaluation.failed for evaluation in found)
