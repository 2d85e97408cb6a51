"""Mobile networks: counts in closed form against built networks, features of any images, weights, refusals."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lapt.errors import ConfigError, SpaceError
from lapt.evaluators.images import TrainingSpec
from lapt.evaluators.training import TrainingEvaluator
from lapt.families.mobile.cell import EXAMPLE
from lapt.families.mobile.networks.modules import halved
from lapt.families.mobile.plan import divisible
from lapt.networks import backbone, counts
from lapt.networks.family import NetworkSize, networks_of
from lapt.networks.supernet import MixedSupernet
from lapt.spaces import BUILTIN, Architecture
from lapt.training import Recipe

torch.set_num_threads(1)
SPACE = BUILTIN["mobile"]
seeds = st.integers(0, 2**32 - 1)
sizes = st.fixed_dictionaries(
    {
        "channels": st.sampled_from([4, 12, 16]),
        "cells": st.integers(1, 2),
        "image_channels": st.integers(1, 4),
        "image_size": st.tuples(st.integers(16, 70), st.integers(16, 70)),
    }
)


def sampled(seed: int) -> Architecture:
    return SPACE.sample(np.random.default_rng(seed))


def multiply_adds(network: nn.Module, images: Tensor) -> int:
    """Products in the convolutions, of one image, seen by hooks."""
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d)
        total += module.weight.numel() * output[0, 0].numel()

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with torch.no_grad():
        network.eval()(images)
    return total


@settings(max_examples=30)
@given(seeds, sizes)
def test_closed_forms_are_those_of_the_network_that_is_built(seed: int, size: dict[str, object]) -> None:
    architecture = sampled(seed)
    network = backbone(SPACE, architecture, **size)
    images = torch.zeros(1, size["image_channels"], *size["image_size"])  # type: ignore[misc]
    found = counts(SPACE, architecture, **size)
    assert found.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert found.flops == multiply_adds(network, images)


@settings(max_examples=10)
@given(seeds, sizes)
def test_features_have_the_sides_and_channels_that_are_told(seed: int, size: dict[str, object]) -> None:
    body = backbone(SPACE, sampled(seed), **size)
    height, width = size["image_size"]  # type: ignore[misc]
    with torch.no_grad():
        features = body(torch.zeros(2, size["image_channels"], height, width))  # type: ignore[call-overload]
    assert features.shape == (2, body.out_channels, -(-height // body.reduction), -(-width // body.reduction))
    assert body.out_channels == divisible(20 * size["channels"])  # type: ignore[operator]


def test_a_small_network_by_hand() -> None:
    """16 wide, one block a stage, all of them 3x3 and three times as wide; grey images of 32 pixels: strides 1 1 2 2 2.

    A block of a channels to b has 3 a^2 + 9 x 3 a + 3 a b weights, and 2 (3 a + 3 a + b) of its normalisations.
    """
    found = counts(
        SPACE,
        SPACE.decode("full/narrow:3e3,-,-/narrow:3e3,-,-/narrow:3e3,-,-/narrow:3e3,-,-"),
        channels=16,
        cells=1,
        image_channels=1,
    )
    widths, sides = [16, 16, 32, 64, 128], [32, 32, 16, 8, 4]
    weights = 9 * 16 + 2 * 16 + 128 * 320 + 2 * 320
    products = 9 * 16 * 32**2 + 128 * 320 * 4**2
    for at, (a, b) in enumerate(pairwise(widths)):
        before, after = sides[at] ** 2, sides[at + 1] ** 2
        weights += 3 * a * a + 27 * a + 3 * a * b + 2 * (6 * a + b)
        products += 3 * a * a * before + (27 * a + 3 * a * b) * after
    assert found == (weights, products)


def test_squeeze_excitation_by_hand() -> None:
    """In the last stage a block of 64 channels, 192 wide inside: 192 to 48 and back, with biases."""
    plain = "full/narrow:3e3,-,-/narrow:3e3,-,-/narrow:3e3,-,-/narrow:3e3,-,-"
    size = {"channels": 16, "cells": 1}
    without, with_it = (
        counts(SPACE, SPACE.decode(text), **size)
        for text in (plain, plain.replace("narrow:3e3,-,-", "narrow+se:3e3,-,-"))
    )
    squeezed = {16: divisible(12), 32: 24, 64: 48}  # a quarter of three times the channels
    blocks = [(48, squeezed[16]), (48, squeezed[16]), (96, squeezed[32]), (192, squeezed[64])]
    assert with_it.flops - without.flops == sum(2 * wide * narrow for wide, narrow in blocks)
    added = sum(2 * wide * narrow + wide + narrow for wide, narrow in blocks)
    assert with_it.parameters - without.parameters == added


@given(st.one_of(st.integers(1, 3000), st.floats(1, 3000)))
def test_widths_are_rounded_as_torchvision_rounds_them(channels: float) -> None:
    from torchvision.models._utils import _make_divisible

    assert divisible(channels) == _make_divisible(channels, 8)


def test_a_block_that_stands_twice_is_one_more_without_a_stride() -> None:
    once, twice = (counts(SPACE, SPACE.decode(EXAMPLE), channels=16, cells=cells) for cells in (1, 2))
    body = backbone(SPACE, SPACE.decode(EXAMPLE), channels=16, cells=2)
    assert len(body.blocks) == 2 * 8
    assert body.reduction == backbone(SPACE, SPACE.decode(EXAMPLE), channels=16, cells=1).reduction == 8
    assert once.parameters < twice.parameters < 3 * once.parameters


@given(seeds)
@settings(max_examples=5)
def test_texts_of_one_network_start_from_the_same_weights(seed: int) -> None:
    made = []
    for architecture in (sampled(seed), SPACE.canonical(sampled(seed))):
        torch.manual_seed(3)
        made.append(backbone(SPACE, architecture, channels=4, cells=1).state_dict())
    assert made[0].keys() == made[1].keys()
    assert all(made[0][name].equal(made[1][name]) for name in made[0])


def test_half_the_resolution_is_the_mean_of_four_pixels() -> None:
    images = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert halved(images).tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]
    assert halved(torch.zeros(2, 3, 17, 9)).shape == (2, 3, 9, 5)


def test_images_of_half_the_sides_have_features_of_half_the_sides() -> None:
    full, half = (
        backbone(SPACE, SPACE.decode(text), channels=8, cells=1, image_size=(64, 64))
        for text in (EXAMPLE, EXAMPLE.replace("full", "half"))
    )
    assert (full.reduction, half.reduction) == (16, 32)
    half.load_state_dict(full.state_dict())
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert half.eval()(images).allclose(full.eval()(halved(images)))


def test_networks_are_trained_and_counted_as_any() -> None:
    """Digits are 8 x 8 pixels and grey. Two texts of one network are one training."""
    spec = TrainingSpec(
        space=SPACE,
        data="digits",
        task="classification",
        channels=8,
        training_images=100,
        recipe=Recipe(epochs=1, batch_size=50),
    )
    evaluator = TrainingEvaluator(spec, processes=1)
    evaluator.check()
    texts = ("full/narrow+se:3e3,-,3e6/wide:3e3,-,-/wide:3e6,-,-/narrow+se:5e3,-,-",)
    one, same = evaluator.evaluate([SPACE.decode(text) for text in (*texts, texts[0].replace("-,3e6", "3e6,-"))])
    assert one.value is not None
    assert (one.value, one.identity) == (same.value, same.identity)
    size = {"channels": 8, "cells": 1, "image_channels": 1, "image_size": (8, 8)}
    expected = counts(SPACE, SPACE.decode(texts[0]), classes=10, **size)  # type: ignore[arg-type]
    assert one.parameters == one.live_parameters == expected.parameters
    assert one.flops == expected.flops


def test_what_it_does_not_offer_is_refused_in_a_line() -> None:
    with pytest.raises(SpaceError, match=r"operators are mixed in sums; got mobile; choose another search\.method"):
        MixedSupernet(SPACE, channels=8, cells=1)
    with pytest.raises(SpaceError, match="a space whose networks can be scored untrained; got mobile"):
        networks_of(SPACE).stem_stride(NetworkSize(8, 1))
    body = backbone(SPACE, SPACE.decode(EXAMPLE), channels=8, cells=1)
    with pytest.raises(ConfigError, match="for naswot; got MobileBackbone without"):
        body.readers()


def test_a_missing_torchvision_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(
        ConfigError, match=r"torchvision, .*; got an environment without it; pip install 'lapt\[train\]'"
    ):
        networks_of(SPACE).check(NetworkSize(16, 1))
