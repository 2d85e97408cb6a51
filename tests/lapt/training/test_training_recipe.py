from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from lapt.training import Augmentation, Recipe

CHANGED = {
    "epochs": 3,
    "batch_size": 32,
    "optimiser": "adamw",
    "learning_rate": 0.05,
    "momentum": 0.8,
    "nesterov": False,
    "weight_decay": 0.0,
    "schedule": "constant",
    "warmup_epochs": 1.0,
    "augmentation": {"cutout": 3},
    "label_smoothing": 0.1,
    "gradient_clip": 5.0,
    "accumulation": 2,
    "drop_path": 0.2,
    "auxiliary": 0.4,
    "recalibrate_batch_norm": True,
    "mixup": 0.2,
    "cutmix": 1.0,
    "class_weights": "balanced",
    "sampling": "balanced",
    "average": 0.999,
    "mixed_precision": True,
    "channels_last": True,
    "compile": True,
}


def test_every_field_is_in_the_digest() -> None:
    assert set(CHANGED) == set(Recipe.model_fields)
    digests = {Recipe.model_validate({name: value}).digest for name, value in CHANGED.items()}
    augmentations = [{"crop_padding": 1}, {"flip": True}, {"flip": False}, {"resized_crop": 0.1}, {"colour": 0.1}]
    augmentations.append({"rand_augment": 3})
    digests |= {Recipe(augmentation=Augmentation.model_validate(changed)).digest for changed in augmentations}
    assert len(digests | {Recipe().digest}) == len(CHANGED) + len(augmentations) + 1


def test_published_recipe_of_nasbench201() -> None:
    published = Recipe.published_nas201()
    assert (published.epochs, published.batch_size, published.learning_rate) == (200, 256, 0.1)
    assert (published.momentum, published.nesterov, published.weight_decay) == (0.9, True, 5e-4)


def test_each_optimiser_has_its_own_learning_rate_unless_one_is_given() -> None:
    assert Recipe(optimiser="adamw").learning_rate == 1e-3
    assert Recipe(optimiser="adamw", learning_rate=0.01).learning_rate == 0.01


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 1},
        {"learning_rate": float("inf")},
        {"momentum": 0.0},
        {"warmup_epochs": 12},
        {"batch_size": 8, "accumulation": 5},
        {"optimizer": "sgd"},
    ],
)
def test_recipes_that_cannot_be_trained_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Recipe.model_validate(wrong)


def test_halving_ends_at_two_images_a_part() -> None:
    recipe: Recipe | None = Recipe(batch_size=16)
    parts = []
    while recipe is not None:
        parts.append(recipe.accumulation)
        recipe = recipe.halved()
    assert parts == [1, 2, 4, 8]


def test_a_recipe_needs_no_torch() -> None:
    code = "import sys, lapt.training; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
