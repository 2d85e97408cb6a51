"""Sizes of deployed networks: known before training, and those of the network that is built and exported."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lapt.errors import ConfigError
from lapt.evaluation import quantity_of
from lapt.evaluators.deployed import deployed
from lapt.evaluators.images import TrainingSpec
from lapt.evaluators.supernet import SupernetEvaluator
from lapt.evaluators.training import TrainingEvaluator, network_of
from lapt.networks import counts
from lapt.spaces import BUILTIN, Architecture, DeclaredSpace, SearchSpace, space_named
from lapt.spaces.declared import DeclaredLayer

NAS201 = BUILTIN["nas201"]
NONE = ("none",) * 6
THROUGH = (f"{__name__}:built", ("conv3", "conv1", "skip"))


def built(architecture: Architecture, *, channels: int, cells: int, image_channels: int) -> nn.Module:
    """A row of convolutions, wider with each 3x3 one."""
    modules: list[nn.Module] = []
    width = image_channels
    for operator in architecture.operators:
        if operator != "skip":
            wider = channels * (2 if operator == "conv3" else 1)
            modules.append(nn.Conv2d(width, wider, 3 if operator == "conv3" else 1, padding=int(operator == "conv3")))
            width = wider
    return nn.Sequential(*(modules or [nn.Identity()]))


DECLARED = space_named(
    DeclaredSpace(
        name="row",
        encoding="{a}+{b}+{c}",
        layers=tuple(DeclaredLayer(name=name, operators=THROUGH[1]) for name in "abc"),
        network=THROUGH[0],
    )
)


def spec(space: SearchSpace, task: str = "classification", **more: object) -> TrainingSpec:
    return TrainingSpec(space=space, task=task, data="digits", channels=4, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("task", ["classification", "jigsaw", "autoencoder"])
@pytest.mark.parametrize(
    "space",
    [NAS201, BUILTIN["trans101"], BUILTIN["darts"], BUILTIN["mobile"], DECLARED],
    ids=lambda one: one.name,
)
def test_parameters_are_those_of_the_network_that_is_trained(space: SearchSpace, task: str) -> None:
    rng, made = np.random.default_rng(0), spec(space, task, cells=2)
    few = [space.sample(rng) for _ in range(3 if space.name == "darts" else 8)]
    for architecture, found in zip(few, deployed(made, few), strict=True):
        network = network_of(made, space.canonical(architecture))
        assert found.parameters == network.parameter_count


def test_a_dead_cell_leaves_a_normalisation_and_the_classifier() -> None:
    """4 x 4 channels in the last stage: 2 x 16 for the normalisation, (16 + 1) x 10 for the classifier."""
    (found,) = deployed(spec(NAS201), [Architecture(NONE, NAS201.sample(np.random.default_rng(0)).sources)])
    assert found.parameters == 2 * 16 + 17 * 10


def test_dead_edges_count_as_published_and_not_as_deployed() -> None:
    dead = NAS201.decode("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    alone = NAS201.decode("|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
    one, other = deployed(spec(NAS201), [dead, alone])
    size = {"channels": 4, "cells": 1, "image_channels": 1, "image_size": (8, 8), "classes": 10}
    assert one == other == counts(NAS201, alone, **size)  # type: ignore[arg-type]
    assert counts(NAS201, dead, **size).parameters > one.parameters  # type: ignore[arg-type]
    assert counts(NAS201, dead, **size).flops > one.flops  # type: ignore[arg-type]


def test_multiply_adds_of_a_decoder_are_those_of_its_convolutions() -> None:
    (found,) = deployed(spec(DECLARED, "autoencoder"), [Architecture(("conv1", "skip", "skip"), ("input",) * 3)])
    # Digits are 8 x 8 and grey. Features of 4 channels, 1 x 4 x 64; with a reduction of 1 the decoder is one
    # convolution 3 x 3 from 4 channels to 1.
    assert found.flops == 4 * 64 + 9 * 4 * 64
    assert found.parameters == (4 + 4) + (9 * 4 + 1)


def test_counting_leaves_the_global_generator_as_it_was() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    deployed(spec(DECLARED), [DECLARED.sample(np.random.default_rng(0))])
    assert torch.equal(torch.rand(2), expected)


def test_a_supernet_counts_the_network_that_is_trained_in_the_end() -> None:
    final = TrainingEvaluator(spec(NAS201).model_copy(update={"channels": 8}), processes=1)
    supernet = SupernetEvaluator(spec(NAS201), supernets=None, final=final)  # type: ignore[arg-type]
    alone = SupernetEvaluator(spec(NAS201), supernets=None)  # type: ignore[arg-type]
    cell = [NAS201.sample(np.random.default_rng(1))]
    of = [float(quantity_of(one, "parameters").of(cell)[0]) for one in (final, supernet, alone)]
    assert of[0] == of[1] > of[2]


def test_what_is_quick_may_be_asked_for_a_whole_space() -> None:
    assert TrainingEvaluator(spec(NAS201)).quantity("multiply_adds").quick
    assert not TrainingEvaluator(spec(DECLARED)).quantity("multiply_adds").quick


@pytest.mark.parametrize(
    ("name", "column", "said"),
    [
        ("accuracy", None, r"which are \['parameters', 'multiply_adds'\]; got 'accuracy'"),
        ("macs", None, "did you mean multiply_adds"),
        ("parameters", "params_M", "no column of parameters, of networks that are trained; got params_M"),
    ],
)
def test_other_quantities_are_not_known_before_training(name: str, column: str | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        TrainingEvaluator(spec(NAS201)).quantity(name, column)
