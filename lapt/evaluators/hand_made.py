"""Hand-made networks beside a run: a space of one layer that names them, and the evaluator that trains them."""

from __future__ import annotations

from lapt.evaluators.config import ImagesEvaluation, SupernetEvaluation, TrainingEvaluation
from lapt.spaces.declared import DeclaredLayer, DeclaredSpace

HAND_MADE = {
    "plain_cnn": "a plain CNN",
    "resnet18": "ResNet-18",
    "mobilenet_v3_small": "MobileNetV3-small",
    "efficientnet_b0": "EfficientNet-B0",
}
"""Name as a control -> name in words. ``lapt.networks.baselines`` builds them."""

SPACE = DeclaredSpace(
    name="hand-made",
    encoding="{network}",
    layers=(DeclaredLayer(name="network", operators=tuple(HAND_MADE)),),
    network="lapt.networks.baselines:backbone",
)
"""The space whose architectures are these networks."""


def trained_alike(config: ImagesEvaluation) -> TrainingEvaluation:
    """The evaluator whose final training of a hand-made network is that of ``config`` for what it finds.

    Drop-path and an auxiliary head, which DARTS networks alone have, are left out of the recipe.
    """
    said = {name: getattr(config, name) for name in ImagesEvaluation.model_fields}
    epochs = None
    if isinstance(config, TrainingEvaluation):
        epochs = config.final_epochs
    elif isinstance(config, SupernetEvaluation) and config.final is not None:
        said["recipe"] = config.final.recipe
    recipe = said.pop("recipe").model_copy(update={"drop_path": 0.0, "auxiliary": 0.0})
    return TrainingEvaluation(
        kind="training",
        **{**said, "recipe": recipe, "channels": 1, "cells": 1, "stem": "cifar", "sample": None},
        final_epochs=epochs,
    )
