"""Augmentations of torchvision, mixing, class weights, balanced sampling, averaged weights, and recipes by name."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from lapt.data.images import ImageData
from lapt.errors import DataError
from lapt.evaluators.config import TrainingEvaluation
from lapt.training import Augmentation, Recipe
from lapt.training.augment import Augmenter
from lapt.training.loop import averaged, rate, train
from lapt.training.network import build
from lapt.training.tasks import make_task

PLAIN = {"crop_padding": 0, "flip": False}


def data_of(labels: list[int], channels: int = 3, side: int = 8) -> ImageData:
    draws = torch.Generator().manual_seed(0)
    images = torch.randint(256, (len(labels), channels, side, side), generator=draws, dtype=torch.uint8)
    classes = tuple("abc"[: max(labels) + 1])
    return ImageData(images, torch.tensor(labels), classes)


class Small(nn.Module):
    out_channels, reduction = 4, 1

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.norm(self.convolution(images)))


def trained(data: ImageData, recipe: Recipe, **how: Any) -> dict[str, float]:
    task = make_task("classification", data)
    return dict(train(build(Small, task, seed=0), task, data, data, recipe, seed=0, device="cpu", **how).values)


# --- augmentations ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("change", [{"resized_crop": 0.2}, {"colour": 0.4}, {"rand_augment": 9}])
def test_an_image_is_changed_by_its_own_draw_whatever_its_batch(change: dict[str, Any]) -> None:
    data = data_of([0, 1, 2] * 4)
    augmenter = Augmenter(Augmentation(**PLAIN, **change), make_task("classification", data))
    draws = augmenter.draw(len(data), torch.Generator().manual_seed(3))
    before = torch.get_rng_state()
    whole = augmenter.apply(data.images[:], draws, torch.zeros(3))
    assert torch.equal(torch.get_rng_state(), before)
    order = torch.tensor([7, 2, 11])
    assert torch.equal(augmenter.apply(data.images[order], draws.at(order), torch.zeros(3)), whole[order])
    plain = data.images[:].float() / 255
    assert sum(not torch.equal(one, other) for one, other in zip(whole, plain, strict=True)) >= 8
    assert 0 <= float(whole.min()) <= float(whole.max()) <= 1


def test_a_resized_crop_takes_the_place_of_the_black_border() -> None:
    data = ImageData(torch.full((20, 3, 8, 8), 200, dtype=torch.uint8), torch.tensor([0, 1] * 10), ("a", "b"))
    augmenter = Augmenter(Augmentation(crop_padding=3, flip=False, resized_crop=0.3), make_task("classification", data))
    draws = augmenter.draw(20, torch.Generator().manual_seed(0))
    assert augmenter.apply(data.images[:], draws, torch.zeros(3)).unique().tolist() == [pytest.approx(200 / 255)]


def test_tasks_apply_only_what_keeps_their_targets() -> None:
    data = data_of([0, 1, 2] * 4)
    every = Augmentation(resized_crop=0.3, colour=0.4, rand_augment=9)
    for name, changed in (("classification", True), ("jigsaw", True), ("autoencoding", True)):
        augmenter = Augmenter(every, make_task(name, data))
        assert (augmenter.draw(3, torch.Generator()).seeds is not None) == changed
    only = Augmenter(Augmentation(rand_augment=9), make_task("rotation", data))  # it turns images itself
    assert only.draw(3, torch.Generator()).seeds is None


def test_colours_of_five_channels_are_refused_with_the_remedy() -> None:
    data = data_of([0, 1], channels=5)
    with pytest.raises(
        DataError, match=r"grey or RGB images for recipe\.augmentation\.colour; got 5 channels; say colour"
    ):
        Augmenter(Augmentation(colour=0.4), make_task("classification", data))


# --- mixing, weights, sampling ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixed_targets_are_shares_of_two_classes(kind: str) -> None:
    data = data_of([0, 1, 2, 1])
    mix = make_task("classification", data).mixer(Recipe(**{kind: 1.0}))
    assert mix is not None
    torch.manual_seed(1)
    images = data.images[:].float() / 255
    inputs, targets = mix(images, data.labels)
    assert inputs.shape == images.shape
    assert targets.shape == (4, 3)
    assert torch.allclose(targets.sum(1), torch.ones(4))
    share = float(targets[0, 0])  # an image is mixed with the one before it
    assert targets[0].tolist() == pytest.approx([share, 1 - share, 0.0])
    assert targets[3].tolist() == pytest.approx([0.0, share, 1 - share])
    if kind == "mixup":
        assert torch.allclose(inputs[1], share * images[1] + (1 - share) * images[0], atol=1e-6)


def test_only_classifications_mix_weigh_and_balance() -> None:
    data, recipe = data_of([0, 0, 1, 2]), Recipe(mixup=1.0, class_weights="balanced", sampling="balanced")
    for name in ("jigsaw", "rotation", "autoencoding"):
        task = make_task(name, data)
        assert task.mixer(recipe) is None
        assert sorted(task.order(data, recipe, torch.Generator().manual_seed(0)).tolist()) == [0, 1, 2, 3]


def test_balanced_weights_by_hand() -> None:
    """Classes of 3, 1 and no images weigh 4 / (2 x 3) and 4 / (2 x 1)."""
    data = ImageData(data_of([0] * 4).images, torch.tensor([0, 0, 0, 1]), ("a", "b", "c"))
    loss = make_task("classification", data).training_loss(data, Recipe(class_weights="balanced"))
    output = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    first, second = (-torch.log_softmax(output, 1)[at, at] for at in (0, 1))
    expected = (2 / 3 * first + 2 * second) / (2 / 3 + 2)
    assert float(loss(output, torch.tensor([0, 1]))) == pytest.approx(float(expected))
    plain = make_task("classification", data).training_loss(data, Recipe())
    assert float(plain(output, torch.tensor([0, 1]))) == pytest.approx(float((first + second) / 2))


def test_balanced_sampling_draws_as_many_of_each_class() -> None:
    data = data_of([0] * 900 + [1] * 80 + [2] * 20, side=4)
    order = make_task("classification", data).order(data, Recipe(sampling="balanced"), torch.Generator().manual_seed(0))
    counts = torch.bincount(data.labels[order], minlength=3).tolist()
    assert sum(counts) == 1000
    assert all(abs(count - 1000 / 3) < 4 * math.sqrt(1000 * 2 / 9) for count in counts)


# --- averaged weights ------------------------------------------------------------------------------------------------
def test_the_average_by_hand() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = averaged(network, 0.3)
    followed = 0.0
    for step, weight in enumerate([1.0, 2.0, -1.0, 4.0]):
        with torch.no_grad():
            network.weight.fill_(weight)
        average.update_parameters(network)
        kept = 0.0 if step == 0 else min(0.3, (1 + step) / (10 + step))  # the first weights are taken over
        followed = kept * followed + (1 - kept) * weight
    assert average.module.weight.item() == pytest.approx(followed)


def test_the_average_is_scored_and_a_stopped_training_goes_on_with_it() -> None:
    data, states = data_of([0, 1, 2] * 8), []

    class Kept:
        state: bytes | None = None

        def load(self) -> bytes | None:
            return self.state

        def save(self, state: bytes) -> None:
            states.append(state)

        def tell(self, epoch: int, epochs: int, loss: float) -> None: ...

    recipe = Recipe(epochs=4, batch_size=8, average=0.9, mixup=0.2, augmentation=Augmentation(colour=0.2))
    whole = trained(data, recipe, checkpoint=Kept())
    stopped = Kept()
    stopped.state = states[1]
    assert trained(data, recipe, checkpoint=stopped) == whole
    assert trained(data, recipe.model_copy(update={"average": 0.0})) != whole


# --- recipes by name -------------------------------------------------------------------------------------------------
def test_a_recipe_by_name_and_with_changes() -> None:
    section = {"kind": "training", "data": "digits"}
    by_name = TrainingEvaluation.model_validate(section | {"recipe": "imagenet_2018"}).recipe
    assert by_name == Recipe.imagenet_2018()
    changed = {"like": "modern", "epochs": 30, "augmentation": {"rand_augment": 0}}
    found = TrainingEvaluation.model_validate(section | {"recipe": changed}).recipe
    assert (found.epochs, found.cutmix, found.augmentation.rand_augment) == (30, 1.0, 0)
    assert found.augmentation.resized_crop == Recipe.modern().augmentation.resized_crop
    assert TrainingEvaluation.model_validate(section | {"recipe": found.model_dump(mode="json")}).recipe == found


def test_an_unknown_recipe_names_the_known_ones() -> None:
    for declared in ("moderne", {"like": "moderne"}):
        with pytest.raises(ValidationError, match="no recipe 'moderne': expected nas201, darts, imagenet_2018, modern"):
            TrainingEvaluation.model_validate({"kind": "training", "data": "digits", "recipe": declared})


def test_the_rate_falls_to_97_percent_after_each_epoch() -> None:
    recipe = Recipe.imagenet_2018()
    assert [rate(recipe, 5, epoch, 10) for epoch in (0, 1, 2)] == pytest.approx([1, 0.97, 0.97**2])


@pytest.mark.parametrize("named", [Recipe.modern(), Recipe.imagenet_2018().model_copy(update={"auxiliary": 0.0})])
def test_each_named_recipe_trains(named: Recipe) -> None:
    data = data_of([0, 1, 2] * 6)
    recipe = named.model_copy(update={"epochs": 2, "batch_size": 6, "warmup_epochs": 0})
    values = trained(data, recipe)
    assert values == trained(data, recipe)
    assert math.isfinite(values["cross_entropy"])
