"""Sizes in closed form are those of the benchmarks' tables, and of the published networks built in full."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from published_networks import PublishedNetwork
from torch import Tensor, nn

from lapt.evaluators import Table
from lapt.networks import counts
from lapt.spaces import BUILTIN

torch.set_num_threads(1)


def test_every_nasbench201_count_is_that_of_the_table(nasbench201: Table) -> None:
    space, size = BUILTIN["nas201"], {"channels": 16, "cells": 5, "classes": 10}
    cells = [space.decode(text) for text in nasbench201.architectures]
    counted = [counts(space, cell, image_size=(32, 32), **size) for cell in cells]
    assert [one.parameters for one in counted] == np.rint(nasbench201.parameters).tolist()
    assert [one.flops for one in counted] == np.rint(nasbench201.flops).tolist()


def test_every_transnas101_count_is_that_of_the_table(transnas101: Table) -> None:
    space, size = BUILTIN["trans101"], {"channels": 64, "cells": 2, "classes": 63}
    cells = [space.decode(text) for text in transnas101.architectures]
    counted = [counts(space, cell, image_size=(256, 256), **size) for cell in cells]
    assert [one.parameters for one in counted] == np.rint(transnas101.parameters).tolist()
    assert [one.flops for one in counted] == np.rint(transnas101.flops).tolist()


def measured_flops(network: nn.Module, image: Tensor) -> int:
    """Multiply-adds of the convolutions and the linear layer, 2 a value normalised, 1 rectified, k^2 pooled."""
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += module.weight.numel() * output[0, 0].numel()
        elif isinstance(module, nn.Linear):
            total += module.weight.numel()
        elif isinstance(module, nn.BatchNorm2d):
            total += 2 * output.numel()
        elif isinstance(module, nn.ReLU):
            total += output.numel()
        elif isinstance(module, nn.AvgPool2d):
            total += module.kernel_size**2 * output.numel()
        elif isinstance(module, nn.AdaptiveAvgPool2d):
            total += output.numel() * (inputs[0].shape[2] + 1) * (inputs[0].shape[3] + 1)

    for module in network.modules():
        module.register_forward_hook(count)
    network.eval()(image)
    return total


@pytest.mark.parametrize(
    ("name", "channels", "cells", "image_size"),
    [
        ("nas201", 6, 1, (8, 12)),
        ("nas201", 16, 3, (16, 16)),
        ("trans101", 6, 1, (64, 96)),
        ("trans101", 8, 3, (40, 36)),
    ],
)
def test_closed_forms_are_those_of_the_network_built_in_full(
    name: str, channels: int, cells: int, image_size: tuple[int, int]
) -> None:
    space, rng = BUILTIN[name], np.random.default_rng(3)
    size = {"channels": channels, "cells": cells, "classes": 7, "image_channels": 1}
    for architecture in [space.sample(rng) for _ in range(8)]:
        network = PublishedNetwork(space.family, architecture.operators, channels, cells, 7, image_channels=1)
        counted = counts(space, architecture, image_size=image_size, **size)
        assert counted.parameters == sum(p.numel() for p in network.parameters())
        assert counted.flops == measured_flops(network, torch.zeros(1, 1, *image_size))


def test_a_backbone_alone_is_counted_without_classes() -> None:
    space = BUILTIN["nas201"]
    cell = space.sample(np.random.default_rng(0))
    with_head, alone = (counts(space, cell, channels=16, cells=5, classes=classes) for classes in (10, None))
    assert with_head.parameters - alone.parameters == 64 * 10 + 10
