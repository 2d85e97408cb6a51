"""The networks built are the published ones, without what cannot matter."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from published_networks import PublishedNetwork
from torch import Tensor, nn
from weights import copy, randomise, roles, without_biases_of_nothing

from lapt.errors import ConfigError, SpaceError
from lapt.networks import Classifier, backbone, live_parameters
from lapt.spaces import BUILTIN, Architecture

torch.set_num_threads(1)
PATHS = (("0->3",), ("0->1", "1->3"), ("0->2", "2->3"), ("0->1", "1->2", "2->3"))
ODD_CELLS = (
    ("none",) * 6,
    ("skip_connect",) * 6,
    ("none", "none", "none", "skip_connect", "none", "none"),
    ("skip_connect", "none", "nor_conv_3x3", "none", "none", "nor_conv_1x1"),
    ("skip_connect", "skip_connect", "none", "nor_conv_1x1", "nor_conv_3x3", "nor_conv_1x1"),
    ("nor_conv_3x3", "none", "none", "none", "none", "nor_conv_3x3"),
)


def sample(space: str, count: int, seed: int = 0) -> list[Architecture]:
    rng = np.random.default_rng(seed)
    return [BUILTIN[space].sample(rng) for _ in range(count)]


def cells_of(space: str, count: int) -> list[Architecture]:
    return [*(BUILTIN[space].family.architecture(cell) for cell in ODD_CELLS), *sample(space, count)]


def close(found: Tensor, expected: Tensor) -> bool:
    return bool((found - expected).abs().max() <= 1e-7 * max(1.0, float(expected.detach().abs().max())))


@pytest.mark.parametrize("name", ["nas201", "trans101"])
def test_an_edge_is_live_when_it_lies_on_a_path_without_a_zero(name: str) -> None:
    space = BUILTIN[name]
    for architecture in space.members():
        operators = dict(zip(space.layer_names, architecture.operators, strict=True))
        open_paths = [path for path in PATHS if all(operators[edge] != "none" for edge in path)]
        expected = {edge for path in open_paths for edge in path}
        assert {space.layer_names[e] for e in space.family.live_edges(architecture.operators)} == expected


@pytest.mark.parametrize(("name", "cells", "side"), [("nas201", 2, 12), ("trans101", 2, 64)])
def test_outputs_and_gradients_are_those_of_the_published_network(name: str, cells: int, side: int) -> None:
    space = BUILTIN[name]
    for architecture in cells_of(name, 12):
        published = PublishedNetwork(space.family, architecture.operators, 4, cells, 3).double()
        randomise(published)
        without_biases_of_nothing(published)
        ours = Classifier(backbone(space, architecture, channels=4, cells=cells), 3).double()
        same = roles(published, ours)
        copy(same)
        images = torch.randn(4, 3, side, side, dtype=torch.float64)
        for mode in (True, False):
            published.zero_grad()
            ours.zero_grad()
            expected, found = published.train(mode)(images), ours.train(mode)(images)
            assert close(found, expected), (space.encode(architecture), mode)
            expected.square().sum().backward()
            found.square().sum().backward()
            parameters = [zip(a.parameters(), b.parameters(), strict=True) for a, b in same]
            assert all(close(mine.grad, theirs.grad) for pair in parameters for theirs, mine in pair)


@pytest.mark.parametrize("name", ["nas201", "trans101"])
@pytest.mark.parametrize(("image_channels", "side"), [(1, 8), (3, 32), (3, 7)])
def test_features_have_the_shape_that_the_backbone_says(name: str, image_channels: int, side: int) -> None:
    for architecture in cells_of(name, 10):
        body = backbone(BUILTIN[name], architecture, channels=4, cells=1, image_channels=image_channels)
        body = body.to(memory_format=torch.channels_last)
        features = body(torch.randn(3, image_channels, side, side))
        sides = (-(-side // body.reduction),) * 2
        assert features.shape == (3, body.out_channels, *sides)
        assert (body.out_channels, body.reduction) == {"nas201": (16, 4), "trans101": (32, 32)}[name]


@pytest.mark.parametrize("name", ["nas201", "trans101"])
def test_every_weight_that_is_built_is_trained(name: str) -> None:
    for architecture in cells_of(name, 10):
        network = Classifier(backbone(BUILTIN[name], architecture, channels=4, cells=1, image_channels=1), 5)
        network(torch.randn(8, 1, 16, 16)).square().sum().backward()
        assert all(parameter.grad is not None for parameter in network.parameters())


def test_a_cell_without_a_live_path_leaves_the_last_normalisation_and_the_head() -> None:
    space = BUILTIN["nas201"]
    dead = space.family.architecture(["none", "none", "none", "none", "nor_conv_3x3", "nor_conv_3x3"])
    network = Classifier(backbone(space, dead, channels=4, cells=5), 10)
    assert live_parameters(network) == 2 * 16 + 17 * 10
    assert network.backbone(torch.randn(2, 3, 32, 32)).eq(0).all()
    assert network(torch.randn(2, 3, 32, 32)).equal(network.head.bias.expand(2, 10))


def test_a_dead_convolution_is_not_built() -> None:
    space = BUILTIN["nas201"]
    reaches_nothing = space.family.architecture(["nor_conv_3x3", *["none"] * 2, "nor_conv_1x1", *["none"] * 2])
    alone = space.family.architecture([*["none"] * 3, "nor_conv_1x1", *["none"] * 2])
    one, other = (live_parameters(backbone(space, a, channels=8, cells=2)) for a in (reaches_nothing, alone))
    assert one == other


def test_no_convolution_is_1x1_with_a_stride() -> None:
    """oneDNN writes past its buffer in their backward pass (its issue 6035)."""
    for architecture in sample("trans101", 30):
        for module in backbone(BUILTIN["trans101"], architecture, channels=4, cells=1).modules():
            if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1):
                assert module.stride == (1, 1)


def test_what_no_network_can_be_built_for_is_said() -> None:
    nas201, trans101 = BUILTIN["nas201"], BUILTIN["trans101"]
    (cell,) = sample("nas201", 1)
    with pytest.raises(ConfigError, match="even number of channels; got 3"):
        backbone(trans101, trans101.family.architecture(["nor_conv_3x3"] * 6), channels=3, cells=2)
    with pytest.raises(ConfigError, match="at least one channel and one cell"):
        backbone(nas201, cell, channels=4, cells=0)
    with pytest.raises(SpaceError, match="6 operators among"):
        backbone(nas201, Architecture(("sep_conv_3x3",) * 6, cell.sources), channels=4, cells=1)


def test_a_missing_torch_is_named_with_the_line_that_installs_it() -> None:
    code = "import sys; sys.modules['torch'] = None; import lapt.networks"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'lapt[train]'" in done.stderr
