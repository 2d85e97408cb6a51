"""Supernets learn, score architectures in any order alike, and go on after a kill as if nothing had happened."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lapt.data.images import ImageData
from lapt.spaces import BUILTIN
from lapt.training import Recipe
from lapt.training.loop import train
from lapt.training.network import build
from lapt.training.supernet import TrainedSupernet
from lapt.training.tasks import make_task

SPACE = BUILTIN["nas201"]
SHORT = Recipe(epochs=3, batch_size=64)


class InMemory:
    def __init__(self) -> None:
        self.states: list[bytes] = []

    def load(self) -> bytes | None:
        return self.states[-1] if self.states else None

    def save(self, state: bytes) -> None:
        self.states.append(state)

    def tell(self, epoch: int, epochs: int, loss: float) -> None:
        self.told = (epoch, epochs)


class Killed(Exception):
    pass


def dies(epoch: int, loss: float) -> None:
    if epoch == 2:
        raise Killed


def supernet(digits: tuple[ImageData, ImageData], recipe: Recipe = SHORT) -> TrainedSupernet:
    return TrainedSupernet(SPACE, make_task("classification", digits[0]), recipe, seed=0, channels=4, cells=1)


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for (_, a), (_, b) in pairs)


def test_a_training_that_was_killed_ends_as_an_undisturbed_one(digits: tuple[ImageData, ImageData]) -> None:
    undisturbed, checkpoint = supernet(digits), InMemory()
    whole = undisturbed.train(*digits, device="cpu")
    with pytest.raises(Killed):
        supernet(digits).train(*digits, device="cpu", on_epoch=dies, checkpoint=checkpoint)
    assert len(checkpoint.states) == 2
    again, epochs = supernet(digits), list[int]()
    found = again.train(*digits, device="cpu", on_epoch=lambda epoch, loss: epochs.append(epoch), checkpoint=checkpoint)
    assert epochs == [3]
    assert (found.losses, found.values) == (whole.losses, whole.values)
    assert same(again.network, undisturbed.network)
    done = supernet(digits).train(*digits, device="cpu", on_epoch=dies, checkpoint=checkpoint)
    assert done.losses == whole.losses  # nothing is trained again


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_so_does_the_training_of_one_architecture_with_dropout(
    optimiser: str, digits: tuple[ImageData, ImageData]
) -> None:
    class Small(nn.Sequential):
        out_channels, reduction = 8, 2

        def __init__(self) -> None:
            super().__init__(nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Dropout(0.1), nn.ReLU())

    task = make_task("rotation", digits[0])
    recipe = Recipe.model_validate({"epochs": 3, "batch_size": 200, "optimiser": optimiser})
    one, other, checkpoint = build(Small, task, seed=0), build(Small, task, seed=0), InMemory()
    train(one, task, *digits, recipe, seed=1, device="cpu")
    with pytest.raises(Killed):
        train(
            build(Small, task, seed=0),
            task,
            *digits,
            recipe,
            seed=1,
            device="cpu",
            on_epoch=dies,
            checkpoint=checkpoint,
        )
    train(other, task, *digits, recipe, seed=1, device="cpu", checkpoint=checkpoint)
    assert same(one, other)


def test_scores_do_not_depend_on_what_was_scored_before(digits: tuple[ImageData, ImageData]) -> None:
    trained, rng = supernet(digits), np.random.default_rng(0)
    trained.train(*digits, device="cpu")
    cells = [SPACE.sample(rng) for _ in range(3)]
    forwards = [trained.score(cell, *digits).values for cell in cells]
    backwards = [trained.score(cell, *digits).values for cell in reversed(cells)]
    assert forwards == backwards[::-1]


def test_a_supernet_learns(digits: tuple[ImageData, ImageData]) -> None:
    """Of 64 cells, each inherits weights that classify digits far above chance (10 %) and above fresh ones."""
    space = SPACE.restrict(operators={layer.name: ["nor_conv_3x3", "skip_connect"] for layer in SPACE.layers})
    task, recipe = make_task("classification", digits[0]), SHORT.model_copy(update={"epochs": 6})
    trained = TrainedSupernet(space, task, recipe, seed=0, channels=8, cells=1)
    cells = [space.sample(np.random.default_rng(seed)) for seed in range(3)]
    before = [trained.score(cell, *digits).value for cell in cells]
    trained.train(*digits, device="cpu")
    after = [trained.score(cell, *digits).value for cell in cells]
    assert max(before) < 40 < 60 < min(after)
