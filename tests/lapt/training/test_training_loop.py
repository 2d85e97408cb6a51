from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from lapt.data.images import ImageData, split
from lapt.data.sources import load_images
from lapt.errors import DataError
from lapt.networks import backbone
from lapt.spaces import BUILTIN
from lapt.training import WORKER, Augmentation, Recipe
from lapt.training.augment import Augmenter
from lapt.training.device import DeviceError, device_for, processes_for, with_threads
from lapt.training.loop import Diverged, OutOfMemory, Trained, evaluate, rate, train
from lapt.training.network import build
from lapt.training.tasks import make_task

Networks = Callable[..., nn.Module]
SHORT = Recipe(epochs=2, batch_size=64)


@pytest.fixture
def trained(three_convolutions: Networks, digits: tuple[ImageData, ImageData]) -> Callable[..., Trained]:
    def run(name: str = "classification", recipe: Recipe = SHORT, *, seed: int = 0, score: str = "metric") -> Trained:
        task = make_task(name, digits[0], score=score)
        network = build(three_convolutions, task, seed=seed)
        return train(network, task, *digits, recipe, seed=seed, device="cpu")

    return run


@pytest.mark.parametrize("name", ["classification", "jigsaw", "autoencoding"])
def test_the_same_seed_is_the_same_run_and_another_is_not(name: str, trained: Callable[..., Trained]) -> None:
    state = torch.get_rng_state()
    first, again, other = trained(name, seed=1), trained(name, seed=1), trained(name, seed=2)
    assert (first.losses, first.values) == (again.losses, again.values)
    assert first.losses != other.losses
    assert torch.get_rng_state().equal(state)


class Small(nn.Sequential):
    out_channels, reduction = 8, 2

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Dropout(0.1), nn.ReLU())


def rotations_score() -> float:
    data = split(load_images("digits").train, 0.25, 0, limit=200)
    task = make_task("rotation", data[0], score="loss")
    network = build(Small, task, seed=3)
    return train(network, task, *data, Recipe(epochs=1, batch_size=50), seed=3, device="cpu").value


def test_another_process_gets_the_same_score() -> None:
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import {__name__} as t"
    command = [sys.executable, "-c", f"{code}; print(t.rotations_score())"]
    other = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(other.stdout) == rotations_score()


def test_a_small_network_learns_digits(trained: Callable[..., Trained]) -> None:
    result = trained(recipe=Recipe(epochs=6, batch_size=32))
    assert result.metric.name == "accuracy"
    assert result.value == result.values["accuracy"] > 93
    assert result.losses[-1] < result.losses[0]
    assert len(result.losses) == result.epochs == 6
    # 1x8x9 + 8x16x9 + 16x16x9 + 3 biases, BatchNorm's two a channel, the linear layer.
    assert result.parameters == 72 + 1152 + 2304 + 40 + 80 + 170


def test_a_network_learns_to_rebuild_digits(trained: Callable[..., Trained]) -> None:
    assert trained("autoencoding", Recipe(epochs=3, batch_size=32)).value > 0.4


def test_scored_by_its_loss(trained: Callable[..., Trained]) -> None:
    by_loss, by_metric = trained(score="loss"), trained()
    assert by_loss.values == by_metric.values
    assert by_loss.value == by_metric.values["cross_entropy"]


@pytest.mark.parametrize("cell", ["nor_conv_3x3", "none"])
@pytest.mark.parametrize("name", ["jigsaw", "autoencoding"])
def test_networks_of_the_search_space_train_on_every_head(
    name: str, cell: str, digits: tuple[ImageData, ImageData]
) -> None:
    """``none`` on every edge leaves nothing but the head to train."""
    space = BUILTIN["nas201"]
    architecture = space.decode(f"|{cell}~0|+|none~0|{cell}~1|+|none~0|none~1|{cell}~2|")
    data = digits[0].subset(torch.arange(40))
    task = make_task(name, digits[0])
    network = build(lambda: backbone(space, architecture, channels=4, cells=1, image_channels=1), task, seed=0)
    result = train(network, task, data, digits[1], Recipe(epochs=1, batch_size=40), seed=0, device="cpu")
    assert math.isfinite(result.value)


@pytest.mark.parametrize(("images", "recipe"), [(3, Recipe(batch_size=2)), (5, Recipe(batch_size=4, accumulation=2))])
def test_no_part_of_a_batch_has_one_image(
    images: int, recipe: Recipe, three_convolutions: Networks, digits: tuple[ImageData, ImageData]
) -> None:
    data = digits[0].subset(torch.arange(images))
    task = make_task("classification", digits[0])
    network = build(three_convolutions, task, seed=0)
    network.head.insert(0, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(16)))
    recipe = recipe.model_copy(update={"epochs": 1, "recalibrate_batch_norm": True})
    assert math.isfinite(train(network, task, data, data, recipe, seed=0, device="cpu").losses[0])


def test_no_images_to_validate_on(digits: tuple[ImageData, ImageData], three_convolutions: Networks) -> None:
    task = make_task("classification", digits[0])
    network = build(three_convolutions, task, seed=0)
    with pytest.raises(DataError, match="got none"):
        train(network, task, digits[0], digits[1].subset(torch.arange(0)), SHORT, seed=0, device="cpu")


def test_a_diverging_recipe_says_so(trained: Callable[..., Trained]) -> None:
    with pytest.raises(Diverged, match="in epoch"):
        trained("autoencoding", Recipe(epochs=3, batch_size=32, learning_rate=1e12))


def test_clipping_keeps_that_recipe_finite(trained: Callable[..., Trained]) -> None:
    result = trained("autoencoding", Recipe(epochs=1, batch_size=32, learning_rate=1.0, gradient_clip=1e-3))
    assert math.isfinite(result.value)


@pytest.mark.parametrize("parts", [2, 5])
def test_accumulated_parts_give_the_whole_batchs_gradient(
    parts: int, three_convolutions: Networks, digits: tuple[ImageData, ImageData]
) -> None:
    """Without BatchNorm, which sees the parts."""
    data = digits[0].subset(torch.arange(64))
    task = make_task("classification", digits[0])
    weights = []
    for accumulation in (1, parts):
        network = build(lambda: three_convolutions(norm=False), task, seed=0)
        recipe = Recipe(epochs=3, batch_size=32, accumulation=accumulation)
        train(network, task, data, data, recipe, seed=0, device="cpu")
        weights.append(nn.utils.parameters_to_vector(network.parameters()))
    assert (weights[0] - weights[1]).abs().max() < 1e-5


def test_recalibrated_statistics_are_those_of_the_training_images(
    three_convolutions: Networks, digits: tuple[ImageData, ImageData]
) -> None:
    data = digits[0].subset(torch.arange(60))
    task = make_task("classification", digits[0])
    network = build(three_convolutions, task, seed=0)
    recipe = Recipe(epochs=1, batch_size=60, recalibrate_batch_norm=True)
    train(network, task, data, data, recipe, seed=0, device="cpu")
    convolution, norm = list(network.backbone.modules())[2:4]
    assert isinstance(norm, nn.BatchNorm2d)
    with torch.no_grad():
        features = convolution((data.images.float() / 255 - network.mean) / network.deviation)
    assert norm.running_mean is not None
    assert (norm.running_mean - features.mean((0, 2, 3))).abs().max() < 1e-5
    assert norm.momentum == 0.1


def test_the_score_does_not_depend_on_the_size_of_evaluation_batches(
    three_convolutions: Networks, digits: tuple[ImageData, ImageData]
) -> None:
    task = make_task("jigsaw", digits[0])
    network = build(three_convolutions, task, seed=0)
    values = [evaluate(network, task, digits[1], Recipe(batch_size=size)).values for size in (3, 64)]
    assert values[0]["accuracy"] == values[1]["accuracy"]
    assert values[0]["cross_entropy"] == pytest.approx(values[1]["cross_entropy"], abs=1e-6)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_every_lack_of_memory_is_one_error(error: Exception, digits: tuple[ImageData, ImageData]) -> None:
    class Greedy(nn.Linear):
        out_channels, reduction = 1, 1

        def forward(self, _: torch.Tensor) -> torch.Tensor:
            raise error

    task = make_task("classification", digits[0])
    network = build(lambda: Greedy(1, 1), task, seed=0)
    with pytest.raises(OutOfMemory):
        train(network, task, *digits, SHORT, seed=0, device="cpu")


def test_other_faults_of_a_network_are_not_hidden(digits: tuple[ImageData, ImageData]) -> None:
    class Narrow(nn.Conv2d):
        out_channels, reduction = 7, 1

    task = make_task("classification", digits[0])
    network = build(lambda: Narrow(1, 3, 1), task, seed=0)
    network.head = nn.Linear(99, 10)
    with pytest.raises(RuntimeError, match="shapes"):
        train(network, task, *digits, SHORT, seed=0, device="cpu")


def test_the_learning_rate_rises_and_falls() -> None:
    recipe = Recipe(epochs=10, warmup_epochs=2.0)
    rates = [rate(recipe, step, epoch, 5) for epoch in range(10) for step in range(5)]
    assert rates[:10] == sorted(rates[:10])
    assert 0 < rates[0] < 0.1
    assert rates[10] == 1.0
    assert rates[30] == pytest.approx(0.5)  # half of the eight epochs of the cosine
    assert 0 < rates[-1] < 0.01
    assert {rate(Recipe(schedule="constant"), step, epoch, 5) for epoch in range(3) for step in range(5)} == {1.0}


EVERYTHING = Augmentation(crop_padding=2, flip=True, cutout=4)


def test_augmentations_keep_shape_and_are_seeded(noise: Callable[..., ImageData]) -> None:
    data = noise(50, 3, 8, 10)
    augmenter = Augmenter(EVERYTHING, make_task("classification", data))
    grey = torch.tensor([0.25, 0.5, 0.75])
    first, again, other = (
        augmenter.apply(data.images, augmenter.draw(50, torch.Generator().manual_seed(seed)), grey)
        for seed in (1, 1, 2)
    )
    assert first.shape == data.images.shape
    assert first.dtype == torch.float32
    assert first.equal(again)
    assert not first.equal(other)
    cut_out = (first == grey[:, None, None]).all(1).flatten(1).sum(1)
    assert cut_out.max() == 16
    assert cut_out.min() >= 4  # a corner of the square at least


def test_crop_and_mirror_move_pixels_as_drawn(noise: Callable[..., ImageData]) -> None:
    data = noise(200, 1, 6, 6)
    augmenter = Augmenter(Augmentation(crop_padding=1, flip=True), make_task("classification", data))
    draws = augmenter.draw(200, torch.Generator().manual_seed(0))
    assert draws.offsets is not None
    assert draws.mirrored is not None
    moved = augmenter.apply(data.images, draws, torch.zeros(1))
    padded = nn.functional.pad(data.images, (1, 1, 1, 1))
    for index in range(200):
        row, column = draws.offsets[index].tolist()
        expected = padded[index, :, row : row + 6, column : column + 6]
        expected = expected.flip(2) if draws.mirrored[index] else expected
        assert moved[index].equal(expected.float() / 255)
    assert set(draws.offsets.flatten().tolist()) == {0, 1, 2}
    assert 70 < int(draws.mirrored.sum()) < 130


def test_digits_are_not_mirrored_unless_asked(digits: tuple[ImageData, ImageData]) -> None:
    task = make_task("classification", digits[0])
    assert not Augmenter(Augmentation(), task).flip
    assert Augmenter(Augmentation(), task).padding == 1
    assert Augmenter(Augmentation(flip=True), task).flip


def test_no_augmentation_where_targets_would_have_to_follow(noise: Callable[..., ImageData]) -> None:
    data = noise(3, 1, 8, 8, targets=torch.rand(3, 2))
    augmenter = Augmenter(EVERYTHING, make_task("room_layout", data))
    pixels = augmenter.apply(data.images, augmenter.draw(3, torch.Generator()), torch.zeros(1))
    assert pixels.equal(data.images.float() / 255)


def test_devices_that_are_not_there() -> None:
    assert device_for("cpu") == torch.device("cpu")
    with pytest.raises(DeviceError, match="'abacus'"):
        device_for("abacus")
    with pytest.raises(DeviceError, match="cuda:99"):
        device_for("cuda:99")


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with with_threads(2):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == before


def test_each_worker_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch is made to report three GPUs, whatever this machine has."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert (processes_for("auto"), processes_for("cuda"), processes_for("cuda:1")) == (3, 3, 1)
    assert device_for("auto") == torch.device("cuda", 0)
    found = []
    for number in range(4):
        monkeypatch.setenv(WORKER, str(number))
        found.append(device_for("cuda").index)
        assert device_for("cuda:1").index == 1
    assert found == [0, 1, 2, 0]
    assert processes_for("cpu") == len(os.sched_getaffinity(0))
