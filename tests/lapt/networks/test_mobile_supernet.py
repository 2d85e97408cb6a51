"""A supernet of mobile networks: narrower blocks are the first channels of the widest, and compute what they would."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from lapt.data.sources import load_images
from lapt.families.mobile.cell import EXAMPLE
from lapt.networks import Supernet, backbone
from lapt.networks.supernet import same_weights
from lapt.spaces import BUILTIN, Architecture, SearchSpace
from lapt.training import Recipe
from lapt.training.supernet import TrainedSupernet
from lapt.training.tasks import make_task

torch.set_num_threads(1)
SPACE = BUILTIN["mobile"]
SIZE: dict[str, Any] = {"channels": 8, "cells": 1, "image_size": (32, 32)}
WIDEST = "full/wide+se:5e6,5e6,5e6/wide+se:5e6,5e6,5e6/wide+se:5e6,5e6,5e6/wide+se:5e6,5e6,5e6"
NARROWEST = "half/narrow:3e3,-,-/narrow:3e3,-,-/narrow:3e3,-,-/narrow:3e3,-,-"


def made(space: SearchSpace = SPACE, **more: Any) -> Supernet:
    torch.manual_seed(0)
    return Supernet(space, seed=0, **{**SIZE, **more})


def some() -> list[Architecture]:
    rng = np.random.default_rng(1)
    texts = (WIDEST, NARROWEST, EXAMPLE, EXAMPLE.replace("full", "half"))
    return [*map(SPACE.decode, texts), *(SPACE.sample(rng) for _ in range(3))]


@pytest.mark.parametrize("cells", [1, 2])
@pytest.mark.parametrize("training", [True, False])
def test_an_architecture_computes_the_same_as_its_own_network_with_these_weights(training: bool, cells: int) -> None:
    supernet, images = made(cells=cells).train(training), torch.rand(3, 3, 32, 32)
    for architecture in some():
        alone = backbone(SPACE, architecture, **{**SIZE, "cells": cells}).train(training)
        same_weights(supernet, architecture, alone)
        with supernet.only(architecture), torch.no_grad():
            found, expected = supernet(images), alone(images)
        if architecture.operators[-1] == "half":  # repeated, so that one head fits all
            expected = functional.interpolate(expected, size=found.shape[2:])
        assert torch.equal(found, expected), SPACE.encode(architecture)
        own = alone.state_dict()  # the statistics of the supernet's norms have moved as those of its own have
        inherited = supernet.body.weights_of(architecture)
        assert inherited is not None
        assert own.keys() == inherited.keys()
        assert all(own[name].equal(tensor) for name, tensor in inherited.items())


def test_a_step_trains_the_first_channels_alone() -> None:
    supernet, narrow = made(), SPACE.decode(NARROWEST)
    with supernet.only(narrow):
        supernet(torch.rand(2, 3, 32, 32)).square().sum().backward()
    expand = supernet.body.blocks[3].edges["block"]["mb3_e3"].block[0][0]  # type: ignore[index,union-attr]
    assert expand.weight.shape == (3 * 16, 16, 1, 1)  # of 16 channels, the widest before it
    moved = expand.weight.grad.flatten(1).abs().sum(dim=1) > 0
    assert moved[: 3 * 8].any()
    assert not moved[3 * 8 :].any()  # of 8 channels, the narrow stage before it
    skipped = supernet.body.blocks[4]  # type: ignore[index]
    assert all(parameter.grad is None for parameter in skipped.parameters())


def test_norms_learn_a_cumulative_mean_where_they_are_told_to() -> None:
    """As ``recalibrate`` does for the statistics of one architecture."""
    supernet, alone = made().train(), backbone(SPACE, SPACE.decode(EXAMPLE), **SIZE).train()
    same_weights(supernet, SPACE.decode(EXAMPLE), alone)
    for module in (*supernet.modules(), *alone.modules()):
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    with supernet.only(SPACE.decode(EXAMPLE)), torch.no_grad():
        for seed in range(3):
            images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
            supernet(images)
            alone(images)
    inherited = supernet.body.weights_of(SPACE.decode(EXAMPLE))
    assert inherited is not None
    assert all(inherited[name].equal(tensor) for name, tensor in alone.state_dict().items())


def test_a_refined_space_makes_a_smaller_supernet_that_inherits_all_it_has() -> None:
    refined = SPACE.restrict(
        operators={name: ["mb3_e3", "mb3_e6"] for name in SPACE.layer_names if "block1" in name}
        | {"stage1.block2": ["skip"], "stage2.width": ["narrow"], "resolution": ["half"]}
    )
    whole, small = made(), made(refined)
    held = [
        {
            (at, name)
            for at, block in enumerate(one.body.blocks)
            for name in (block.edges["block"] if len(block.edges) else ())
        }  # type: ignore[union-attr,arg-type]
        for one in (whole, small)
    ]
    assert held[0] - held[1] == {
        *((at, name) for at in (0, 3, 6, 9) for name in ("mb5_e3", "mb5_e6")),
        *((1, name) for name in ("mb3_e3", "mb5_e3", "mb3_e6", "mb5_e6")),
    }
    assert small.operator_parameters < whole.operator_parameters
    tensors = [name for name, value in small.state_dict().items() if isinstance(value, torch.Tensor)]
    assert small.inherit(whole) == len(tensors)
    member, images = refined.sample(np.random.default_rng(0)), torch.rand(2, 3, 32, 32)
    with whole.eval().only(member), small.eval().only(member), torch.no_grad():
        assert torch.equal(whole(images), small(images))


@pytest.mark.parametrize("task", ["classification", "autoencoding"])
def test_a_supernet_is_trained_and_scores_networks_of_both_resolutions(task: str) -> None:
    """Digits are 8 x 8 pixels and grey."""
    training, validation = load_images("digits", None).split(0.1, 0, limit=120)
    posed = make_task(task, training)
    supernet = TrainedSupernet(SPACE, posed, Recipe(epochs=1, batch_size=40), seed=0, channels=8, cells=1)
    supernet.train(training, validation, device="cpu")
    texts = (EXAMPLE, EXAMPLE.replace("full", "half"))
    scores = [supernet.score(SPACE.decode(text), training, validation).value for text in (*texts, texts[0])]
    assert scores[0] == scores[2]
    assert all(np.isfinite(scores))
