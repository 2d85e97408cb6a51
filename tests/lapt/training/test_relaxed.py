"""Architecture parameters: what they count, what they learn from, and that the same seed learns the same."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from lapt.data.images import ImageData
from lapt.networks.family import connections
from lapt.networks.shared import Connection
from lapt.networks.supernet import MixedSupernet
from lapt.search.methods.gradient_based import Darts, FairDarts, GradientBased, PcDarts, Snas
from lapt.search.searcher import Prior
from lapt.spaces import BUILTIN, SearchSpace
from lapt.testing import invented_strengths
from lapt.training import Augmentation, Recipe, Relaxation
from lapt.training.loop import Diverged
from lapt.training.relaxed import Choices, Relaxed, relax
from lapt.training.tasks import make_task

METHODS: dict[str, type[GradientBased]] = {"darts": Darts, "pc_darts": PcDarts, "snas": Snas, "fair_darts": FairDarts}
SMALL = {"channels": 8, "cells": 1}
RECIPE = Recipe(epochs=50, batch_size=32, augmentation=Augmentation.none())


def published(method: str, **parameters: Any) -> Relaxation:
    return METHODS[method](
        BUILTIN["nas201"], seed=0, prior=Prior(strengths=invented_strengths), **parameters
    ).relaxation


def choices(space: SearchSpace, relaxation: Relaxation) -> Choices:
    return Choices(connections(space), "none", relaxation)


def few(digits: tuple[ImageData, ImageData], images: int) -> ImageData:
    return digits[0].subset(torch.arange(images))


def learned(
    digits: tuple[ImageData, ImageData], relaxation: Relaxation, space: str = "nas201", images: int = 128, seed: int = 0
) -> Relaxed:
    training = few(digits, images)
    task = make_task("classification", training)
    return relax(BUILTIN[space], task, training, RECIPE, relaxation, seed=seed, device="cpu", **SMALL)


# --- what everything counts ------------------------------------------------------------------------------------------
def test_the_settings_are_the_published_ones() -> None:
    """Liu et al. 2019; Xu et al. 2020, 15 of 50 epochs at rest, K = 4; Xie et al. 2019; code of Chu et al. 2020."""
    assert published("darts") == Relaxation()
    assert (Relaxation().epochs, Relaxation().learning_rate, Relaxation().halves) == (50, 3e-4, True)
    pc = published("pc_darts")
    assert (pc.epochs, pc.rest_epochs, pc.partial, pc.edges, pc.learning_rate) == (50, 15, 4, True, 6e-4)
    snas = published("snas")
    assert (snas.epochs, snas.weights, snas.halves, snas.temperature) == (150, "concrete", False, (1.0, 0.03))
    fair = published("fair_darts")
    assert (fair.weights, fair.zero_one, fair.learning_rate) == ("sigmoid", 10.0, 3e-3)


@pytest.mark.parametrize("method", METHODS)
def test_all_counts_alike_at_the_start(method: str) -> None:
    made = choices(BUILTIN["darts"], published(method))
    expected = {"fair_darts": 1 / 2, "pc_darts": 1 / 8 / 3}.get(method, 1 / 8)
    assert made.shares()[Connection("normal", 0, 3)] == pytest.approx(
        dict.fromkeys(BUILTIN["darts"].layers[0].operators, expected)
    )


@pytest.mark.parametrize("space", ["nas201", "trans101", "darts"])
@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_reaches_every_architecture_parameter(method: str, space: str) -> None:
    """But those of ``none`` in FairDARTS, where it competes with nothing."""
    relaxation, whole = published(method), BUILTIN[space]
    torch.manual_seed(0)
    mixed = MixedSupernet(whole, **SMALL, partial=relaxation.partial)
    made = choices(whole, relaxation)
    mixed.mixture = made.mixture(0.0, torch.Generator().manual_seed(0))
    features = mixed(torch.rand(4, 3, 33, 33))
    (features * torch.randn(features.shape)).sum().backward()
    assert made.alpha.grad is not None
    reached = torch.split(made.alpha.grad != 0, [len(found) for found in connections(whole).values()])
    for operators, hit in zip(connections(whole).values(), reached, strict=True):
        assert hit.tolist() == [not (method == "fair_darts" and operator == "none") for operator in operators]
    if method == "pc_darts":
        into = [(place.kind, place.node) for place in connections(whole)]
        assert made.beta.grad is not None
        # The softmax of one connection is one.
        assert (made.beta.grad != 0).tolist() == [into.count(node) > 1 for node in into]


def test_the_zero_one_loss_by_hand() -> None:
    """Sigmoids of 0, ln 3 and -ln 3 are 1/2, 3/4 and 1/4; two operators of three lie 1/4 from the middle."""
    whole = BUILTIN["trans101"]
    space = whole.restrict(
        operators={layer.name: ["none"] for layer in whole.layers}
        | {"0->1": ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3"]}
    )
    made = choices(space, Relaxation(weights="sigmoid", zero_one=10))
    with torch.no_grad():
        made.alpha[1:4] = torch.tensor([0.0, math.log(3), -math.log(3)])
    assert float(made.zero_one().detach()) == pytest.approx(-(0 + 1 / 16 + 1 / 16) / 3)
    made.zero_one().backward()
    assert made.alpha.grad is not None
    assert made.alpha.grad[1] == 0  # what is undecided has to be decided by the images
    assert made.alpha.grad[2] < 0 < made.alpha.grad[3]


def test_samples_of_snas_follow_alpha_at_any_temperature_and_become_choices() -> None:
    """The largest of a concrete sample is operator o with the probability softmax(alpha)_o (Maddison et al. 2017)."""
    whole = BUILTIN["nas201"]
    made, first = choices(whole, Relaxation(weights="concrete")), next(iter(connections(whole)))
    with torch.no_grad():
        made.alpha[:5] = torch.tensor([0.5, 0.1, 0.1, 0.2, 0.1]).log()
    generator = torch.Generator().manual_seed(0)
    sharpness = []
    for progress in (0.0, 0.5, 1.0):
        samples = torch.stack([made.mixture(progress, generator).operators[first].detach() for _ in range(2000)])
        torch.testing.assert_close(samples.sum(1), torch.ones(2000))
        share = torch.bincount(samples.argmax(1), minlength=5) / 2000
        assert (share - torch.tensor([0.5, 0.1, 0.1, 0.2, 0.1])).abs().max() < 0.03
        sharpness.append(float(samples.amax(1).mean()))
    assert sharpness[0] < 0.7 < sharpness[1] < 0.97 < sharpness[2]


def test_connections_into_a_node_share_what_they_count() -> None:
    made = choices(BUILTIN["darts"], Relaxation(edges=True))
    with torch.no_grad():
        made.beta.copy_(torch.arange(28.0))
    edges = {place: float(count.detach()) for place, count in made.mixture(0.0, torch.Generator()).edges.items()}
    for node in (2, 3, 4, 5):
        total = sum(count for place, count in edges.items() if (place.kind, place.node) == ("reduce", node))
        assert total == pytest.approx(1)
    assert edges[Connection("normal", 1, 2)] / edges[Connection("normal", 0, 2)] == pytest.approx(math.e)


# --- what they learn -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_learns_the_same(method: str, digits: tuple[ImageData, ImageData]) -> None:
    relaxation = published(method, epochs=2)
    before = torch.get_rng_state()
    one, two, other = (learned(digits, relaxation, seed=seed) for seed in (0, 0, 1))
    assert (one.shares, one.losses) == (two.shares, two.losses)
    assert one.shares != other.shares
    assert one.shares != choices(BUILTIN["nas201"], relaxation).shares()
    assert torch.equal(torch.get_rng_state(), before)


def test_images_are_counted_and_epochs_told(digits: tuple[ImageData, ImageData]) -> None:
    """128 images: 64 for weights and 64 for the architecture, which rests for an epoch; or all for both."""
    training, told = few(digits, 128), []
    task = make_task("classification", training)
    found = relax(
        BUILTIN["nas201"],
        task,
        training,
        RECIPE,
        Relaxation(epochs=2, rest_epochs=1),
        seed=0,
        device="cpu",
        on_epoch=lambda epoch, loss: told.append((epoch, loss)),
        **SMALL,
    )
    assert found.images == 64 + 128
    assert told == list(zip((1, 2), found.losses, strict=True))
    assert learned(digits, Relaxation(epochs=1, halves=False)).images == 128


def test_at_rest_architecture_parameters_stay(digits: tuple[ImageData, ImageData]) -> None:
    for halves in (True, False):
        found = learned(digits, Relaxation(epochs=1, rest_epochs=1, halves=halves))
        assert {round(share, 6) for shares in found.shares.values() for share in shares.values()} == {0.2}


def test_a_mixed_supernet_learns_and_tells_operators_apart(digits: tuple[ImageData, ImageData]) -> None:
    found = learned(digits, Relaxation(epochs=6, learning_rate=0.03), images=600)
    assert found.losses[-1] < 0.6 * found.losses[0]
    into_output = found.shares[Connection("", 0, 3)]
    assert max(into_output.values()) > 1.5 * min(into_output.values())
    assert sum(into_output.values()) == pytest.approx(1)


@pytest.mark.parametrize("method", METHODS)
def test_darts_cells_of_a_restricted_space(method: str, digits: tuple[ImageData, ImageData]) -> None:
    """Strengths of all choices that the space has, and of no others."""
    whole = BUILTIN["darts"]
    space = whole.restrict(operators={layer.name: ["skip_connect", "dil_conv_3x3"] for layer in whole.layers})
    space = space.restrict(operators={"normal.2a": ["skip_connect"]})
    training = few(digits, 40)
    task = make_task("classification", training)
    relaxation = published(method, epochs=1)
    found = relax(space, task, training, RECIPE, relaxation, seed=0, device="cpu", **SMALL)
    wanted = {(layer.name, choice) for layer in space.layers for choice in layer.choices}
    assert wanted <= set(found.strengths)
    assert all(0 < strength <= 1 for strength in found.strengths.values())
    assert ("normal.2a", ("dil_conv_3x3", "input0")) not in found.strengths
    assert set(found.shares[Connection("normal", 0, 2)]) == {"skip_connect"}


def test_a_loss_that_is_not_finite_ends_it(digits: tuple[ImageData, ImageData]) -> None:
    training = few(digits, 64)
    task, wild = make_task("classification", training), RECIPE.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(Diverged, match="mixed supernet"):
        relax(BUILTIN["nas201"], task, training, wild, Relaxation(epochs=3), seed=0, device="cpu", **SMALL)


@pytest.mark.parametrize("method", METHODS)
def test_a_space_of_one_dead_cell_has_strengths_too(method: str, digits: tuple[ImageData, ImageData]) -> None:
    whole, training = BUILTIN["nas201"], few(digits, 64)
    space = whole.restrict(operators={layer.name: ["none"] for layer in whole.layers})
    task, relaxation = make_task("classification", training), published(method, epochs=1)
    found = relax(space, task, training, RECIPE, relaxation, seed=0, device="cpu", **SMALL)
    assert all(0 < strength <= 1 for strength in found.strengths.values())
