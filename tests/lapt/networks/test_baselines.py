"""Hand-made networks: the sizes that their authors publish, features of any images, and their place in a run."""

from __future__ import annotations

import typing

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lapt.errors import ConfigError
from lapt.evaluators.config import SupernetEvaluation, TrainingEvaluation
from lapt.evaluators.hand_made import HAND_MADE, SPACE, trained_alike
from lapt.networks.baselines import BACKBONES
from lapt.networks.declared import SHIPPED, _reduction, builder
from lapt.networks.family import backbone, counts
from lapt.pipeline.config import Pipeline, load_pipeline
from lapt.spaces import space_named

SPACE_OF = space_named(SPACE)
PUBLISHED = {
    # Total parameters by torchvision's table of models, less the classifier of 1,000 classes (and the layer before it).
    "resnet18": 11_689_512 - 513_000,
    "mobilenet_v3_small": 2_542_856 - (576 * 1024 + 1024) - (1024 * 1000 + 1000),
    "efficientnet_b0": 5_288_548 - (1280 * 1000 + 1000),
}
TRAINED = {"kind": "training", "data": "digits", "recipe": {"epochs": 3, "drop_path": 0.2, "auxiliary": 0.4}}


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_are_the_published_ones(name: str) -> None:
    found = counts(SPACE_OF, SPACE_OF.decode(name), channels=1, cells=1, image_size=(224, 224))
    assert found.parameters == PUBLISHED[name]


def test_multiply_adds_of_resnet18_are_the_published_1_8_billion() -> None:
    found = counts(SPACE_OF, SPACE_OF.decode("resnet18"), channels=1, cells=1, classes=1000, image_size=(224, 224))
    assert found.flops == pytest.approx(1.814e9, rel=0.001)


def test_the_plain_network_by_hand() -> None:
    found = counts(SPACE_OF, SPACE_OF.decode("plain_cnn"), channels=1, cells=1)
    convolutions = [3 * 28, 28 * 28, 28 * 56, 56 * 56, 56 * 112, 112 * 112]
    assert found.parameters == 9 * sum(convolutions) + 2 * (28 + 28 + 56 + 56 + 112 + 112)
    sides = [32, 32, 16, 16, 8, 8]
    assert found.flops == sum(9 * c * side**2 for c, side in zip(convolutions, sides, strict=True))


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (2, 37, 45), (3, 64, 64)])
def test_features_of_images_of_any_size_and_channels(name: str, shape: tuple[int, int, int]) -> None:
    body = backbone(SPACE_OF, SPACE_OF.decode(name), channels=1, cells=1, image_channels=shape[0], image_size=shape[1:])
    features = body(torch.zeros(2, *shape))
    sides = tuple(-(-side // body.reduction) for side in shape[1:])
    assert features.shape == (2, body.out_channels, *sides)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 300))
def test_the_divisor_of_two_sides_is_found_where_there_is_one(height: int, width: int, divisor: int) -> None:
    features = (-(-height // divisor), -(-width // divisor))
    found = _reduction((height, width), features)
    assert found is not None
    assert (-(-height // found), -(-width // found)) == features


def test_sides_that_no_divisor_gives() -> None:
    assert _reduction((32, 32), (16, 8)) is None
    assert _reduction((32, 32), (11, 11)) == 3  # and not 4, which would give 8


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "efficientnet_b0"])
def test_small_images_keep_their_side_in_the_stem(name: str) -> None:
    made = [
        backbone(SPACE_OF, SPACE_OF.decode(name), channels=1, cells=1, image_size=(side, side)) for side in (63, 64)
    ]
    small, large = (body.reduction for body in made)
    assert (small, large) == ({"resnet18": 8}.get(name, 16), 32)


def test_every_name_is_a_control() -> None:
    named = typing.get_args(typing.get_args(Pipeline.model_fields["controls"].annotation)[0])
    assert set(BACKBONES) == set(HAND_MADE) == set(named) - {"random", "rea", "source_ranking"}
    assert SPACE.network == SHIPPED


def test_workers_may_build_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "a run")
    assert callable(builder(SPACE))
    with pytest.raises(ConfigError, match="a builder that this worker's operator allows"):
        builder(SPACE.model_copy(update={"network": "lapt.networks.baselines:plain_cnn"}))


def test_a_final_training_is_that_of_what_is_found() -> None:
    alike = trained_alike(TrainingEvaluation(**TRAINED, final_epochs=9, training_images=50, seed=4, channels=32))
    assert (alike.final_epochs, alike.training_images, alike.seed) == (9, 50, 4)
    assert (alike.recipe.epochs, alike.recipe.drop_path, alike.recipe.auxiliary) == (3, 0, 0)
    final = {"channels": 8, "recipe": {"epochs": 20, "drop_path": 0.1}}
    supernet = SupernetEvaluation(kind="supernet", data="digits", recipe={"epochs": 2}, final=final)
    alike = trained_alike(supernet)
    assert (alike.recipe.epochs, alike.recipe.drop_path, alike.final_epochs) == (20, 0, None)
    # One score for all widths of cells: they have no part in these networks.
    assert trained_alike(supernet.model_copy(update={"channels": 99})) == alike


@pytest.mark.parametrize(
    ("evaluator", "said"),
    [
        ({"kind": "table", "table": "digits"}, "only evaluators that train have them"),
        ({"kind": "supernet", "data": "digits"}, "as evaluator.final says: say it"),
    ],
)
def test_controls_that_nothing_trains_are_refused(evaluator: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Pipeline(
            name="p", space="nas201", evaluator=evaluator, source={"task": "jigsaw"}, targets=["classification"],
            controls=["resnet18"],
        )  # fmt: skip


def test_the_run_of_a_declaration_without_them_is_the_same() -> None:
    declared = load_pipeline("digits", [])
    assert declared.hand_made is None
    assert declared.model_copy(update={"controls": ("plain_cnn",)}).hand_made is not None


def test_weights_come_from_the_seed() -> None:
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        body = backbone(SPACE_OF, SPACE_OF.decode("resnet18"), channels=1, cells=1, image_channels=1)
        drawn.append(np.concatenate([weights.detach().numpy().ravel() for weights in body.parameters()]))
    np.testing.assert_array_equal(*drawn)
