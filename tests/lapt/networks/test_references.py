"""Hand-made networks: the sizes that their authors print, and outputs held against what they are by definition."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.models import GoogLeNet_Weights

from lapt.errors import ConfigError
from lapt.families.darts.networks.family import DartsBackbone
from lapt.families.darts.networks.skeleton import darts_counts
from lapt.families.darts.published_cells import PUBLISHED_CELLS
from lapt.networks import Classifier, NetworkSize
from lapt.networks.references import (
    REFERENCES,
    ResidualBlock,
    ShuffleUnit,
    densenet_bc,
    measured,
    mobilenet_v1,
    reference_counts,
    resnet,
    shufflenet_v1,
)

torch.set_num_threads(1)
CIFAR = (32, 32)
IMAGENET = (224, 224)


# --- sizes -----------------------------------------------------------------------------------------------------------
def test_resnets_have_the_parameters_of_their_paper() -> None:
    """He et al. 2016, Table 6: millions by depth; and to the last digit as known of ResNet-110 with option A."""
    for depth, millions in ((20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85)):
        assert round(measured(lambda depth=depth: resnet(depth, 10), CIFAR).parameters / 1e6, 2) == millions
    assert reference_counts("ResNet-110", classes=10, image_size=CIFAR).parameters == 1_727_962


def test_densenets_have_the_parameters_of_their_paper() -> None:
    """Huang et al. 2017, Table 2: 0.8M, 15.3M and 25.6M; the first to the last digit as known."""
    assert measured(lambda: densenet_bc(100, 12, 10), CIFAR).parameters == 769_162
    for depth, growth, millions in ((250, 24, 15.3), (190, 40, 25.6)):
        found = measured(lambda depth=depth, growth=growth: densenet_bc(depth, growth, 10), CIFAR)
        assert round(found.parameters / 1e6, 1) == millions


def test_vgg_is_what_its_layers_add_up_to() -> None:
    """Thirteen 3x3 convolutions with biases and batch normalisation; five poolings; one linear layer."""
    widths = [(3, 64, 32), (64, 64, 32), (64, 128, 16), (128, 128, 16), (128, 256, 8), (256, 256, 8), (256, 256, 8)]
    widths += [(256, 512, 4), (512, 512, 4), (512, 512, 4), *[(512, 512, 2)] * 3]
    found = reference_counts("VGG-16", classes=10, image_size=CIFAR)
    assert found.parameters == sum(9 * a * b + 3 * b for a, b, _ in widths) + 513 * 10 == 14_728_266
    assert found.flops == sum(9 * a * b * side**2 for a, b, side in widths) + 512 * 10


def test_networks_of_imagenet_have_the_sizes_of_their_papers() -> None:
    """MobileNet: Howard et al. 2017, Table 8; ShuffleNet's multiply-adds: Zhang et al. 2018, Table 1."""
    mobile = reference_counts("MobileNet-v1", classes=1000, image_size=IMAGENET)
    assert (round(mobile.parameters / 1e6, 1), round(mobile.flops / 1e6)) == (4.2, 569)
    for width, millions in ((1, 137), (2, 524)):
        found = measured(lambda width=width: shufflenet_v1(width, 1000), IMAGENET)
        assert round(found.flops / 1e6) == millions
    known = GoogLeNet_Weights.IMAGENET1K_V1.meta
    inception = reference_counts("Inception-v1", classes=1000, image_size=IMAGENET)
    assert inception.parameters == known["num_params"]
    assert round(inception.flops / 1e9, 3) == known["_ops"]


def test_what_is_measured_of_a_small_network_by_hand() -> None:
    """ResNet-8 on 8 x 8: one block a stage, on sides 8, 4 and 2; a gate of 16 to 1 to 16 channels in its first."""
    by_pixels = [(9 * 3 * 16 + 2 * 9 * 16 * 16, 64), (9 * 16 * 32 + 9 * 32 * 32, 16), (9 * 32 * 64 + 9 * 64 * 64, 4)]
    linear, norms = 64 * 10, 2 * (3 * 16 + 2 * 32 + 2 * 64)
    plain = measured(lambda: resnet(8, 10), (8, 8))
    assert plain.parameters == sum(weights for weights, _ in by_pixels) + norms + linear + 10
    assert plain.flops == sum(weights * pixels for weights, pixels in by_pixels) + linear
    gates = [(16, 1), (32, 2), (64, 4)]
    gated = measured(lambda: resnet(8, 10, squeeze=16), (8, 8))
    assert gated.parameters - plain.parameters == sum(2 * wide * narrow + wide + narrow for wide, narrow in gates)
    assert gated.flops - plain.flops == sum(2 * wide * narrow for wide, narrow in gates)


def test_measuring_agrees_with_the_closed_form_of_darts_networks() -> None:
    found = PUBLISHED_CELLS["DARTS_V2"]
    size = NetworkSize(channels=8, cells=1)
    network = measured(lambda: Classifier(DartsBackbone(found, size), 10), CIFAR)
    assert network == darts_counts(found, size, 10)


# --- outputs ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("build", "side"),
    [
        (REFERENCES["VGG-16"], 32),
        (lambda classes: resnet(8, classes), 32),
        (lambda classes: resnet(8, classes, squeeze=16), 32),
        (lambda classes: densenet_bc(10, 4, classes), 32),
        (REFERENCES["Inception-v1"], 64),
        (mobilenet_v1, 64),
        (lambda classes: shufflenet_v1(1, classes), 64),
    ],
)
def test_every_weight_takes_part(build: Callable[[int], nn.Module], side: int) -> None:
    torch.manual_seed(0)
    network = build(7)
    logits = network(torch.randn(2, 3, side, side))
    assert logits.shape == (2, 7)
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_a_residual_block_is_its_identity_and_what_the_convolutions_add() -> None:
    """Convolutions that give zero leave the rectified input, subsampled, with zeros in the new channels."""
    torch.manual_seed(0)
    block = ResidualBlock(4, 8, 2).eval()
    nn.init.zeros_(block.second.conv.weight)
    images = torch.randn(2, 4, 6, 6)
    assert torch.equal(block(images)[:, :4], functional.relu(images[:, :, ::2, ::2]))
    assert not block(images)[:, 4:].any()


def test_a_gate_scales_what_the_convolutions_add() -> None:
    """A gate whose last weights are zero gives sigmoid(0) = 1/2 everywhere."""
    torch.manual_seed(0)
    block = ResidualBlock(8, 8, 1, squeeze=4).eval()
    nn.init.zeros_(block.gate[3].weight)
    nn.init.zeros_(block.gate[3].bias)
    images = torch.randn(2, 8, 5, 5)
    added = block.second(functional.relu(block.first(images)))
    assert torch.allclose(block(images), functional.relu(images + added / 2))


def test_a_shuffle_unit_that_halves_pools_beside_its_convolutions() -> None:
    torch.manual_seed(0)
    unit = ShuffleUnit(6, 24, 2, groups=3, first=1).eval()
    images = torch.randn(2, 6, 8, 8)
    assert unit(images).shape == (2, 24, 4, 4)
    assert torch.equal(unit(images)[:, :6], functional.relu(functional.avg_pool2d(images, 3, 2, 1)))


# --- what cannot be --------------------------------------------------------------------------------------------------
def test_depths_and_names_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"a depth of 6 n \+ 2; got 18"):
        resnet(18, 10)
    with pytest.raises(ConfigError, match=r"a depth of 6 n \+ 4; got 121"):
        densenet_bc(121, 32, 10)
    with pytest.raises(ConfigError, match=r"a network among .*'VGG-16'.*; got 'AlexNet'"):
        reference_counts("AlexNet", classes=10, image_size=CIFAR)


def test_a_missing_torchvision_is_named_with_the_line_that_installs_it() -> None:
    code = "import sys; sys.modules['torchvision'] = None; import lapt.networks.references"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "torchvision, for hand-made networks" in done.stderr
    assert "pip install 'lapt[train]'" in done.stderr
