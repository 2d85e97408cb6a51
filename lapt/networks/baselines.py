"""Networks that one would train without a search, as backbones: trained beside a run, they are its references."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from torch import nn

from lapt.errors import ConfigError
from lapt.networks.family import Size
from lapt.spaces import Architecture

SMALL = 64
"""Side in pixels below which the stem of a network for ImageNet keeps it: else the features would have one pixel."""


def backbone(
    architecture: Architecture, *, channels: int, cells: int, image_channels: int, image_size: Size
) -> nn.Module:
    """The network that the only layer of ``architecture`` names, without its classifier, with fresh weights.

    [B, image_channels, H, W] -> [B, C, H/r, W/r], sides rounded up. ``channels``, ``cells``: of no effect, these
    networks have one size.
    """
    (name,) = architecture.operators
    return BACKBONES[name](image_channels, min(image_size) < SMALL)


def plain_cnn(image_channels: int, small: bool) -> nn.Module:
    """Three pairs of 3x3 convolutions, 28, 56 and 112 wide, with a max pooling between: 221,000 weights."""
    widths = [image_channels, 28, 28, 56, 56, 112, 112]
    layers: list[nn.Module] = []
    for at, (before, after) in enumerate(pairwise(widths)):
        if at in (2, 4):
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def resnet18(image_channels: int, small: bool) -> nn.Module:
    """ResNet-18 (He et al. 2016). ``small``: with one 3x3 convolution without stride as its stem, as on CIFAR."""
    network = _models().resnet18(weights=None)
    stem: list[nn.Module] = [_convolution(network.conv1, image_channels), network.bn1, network.relu, network.maxpool]
    if small:
        stem = [_initialised(nn.Conv2d(image_channels, 64, 3, padding=1, bias=False)), network.bn1, network.relu]
    return nn.Sequential(*stem, network.layer1, network.layer2, network.layer3, network.layer4)


def mobilenet_v3_small(image_channels: int, small: bool) -> nn.Module:
    """MobileNetV3-Small of width 1 (Howard et al. 2019). ``small``: without the stride of the first convolution."""
    return _features(_models().mobilenet_v3_small(weights=None).features, image_channels, small)


def efficientnet_b0(image_channels: int, small: bool) -> nn.Module:
    """EfficientNet-B0 (Tan and Le 2019). ``small``: without the stride of the first convolution."""
    return _features(_models().efficientnet_b0(weights=None).features, image_channels, small)


BACKBONES: dict[str, Callable[[int, bool], nn.Module]] = {
    "plain_cnn": plain_cnn,
    "resnet18": resnet18,
    "mobilenet_v3_small": mobilenet_v3_small,
    "efficientnet_b0": efficientnet_b0,
}
"""Name -> function of the channels of the images, and whether they are small."""


def _features(features: Any, image_channels: int, small: bool) -> nn.Module:
    first = features[0]
    first[0] = _convolution(first[0], image_channels)
    if small:
        first[0].stride = (1, 1)
    return nn.Sequential(*features)


def _convolution(given: nn.Conv2d, image_channels: int) -> nn.Conv2d:
    """The first convolution of a network, for images of so many channels."""
    if given.in_channels == image_channels:
        return given
    kernel, stride, padding = given.kernel_size, given.stride, given.padding
    other = nn.Conv2d(image_channels, given.out_channels, kernel, stride, padding, bias=False)  # type: ignore[arg-type]
    return _initialised(other)


def _initialised(convolution: nn.Conv2d) -> nn.Conv2d:
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution


def _models() -> Any:
    try:
        from torchvision import models  # type: ignore[import-untyped]
    except ImportError:
        raise ConfigError(
            "torchvision, for hand-made networks", "an environment without it", "pip install 'lapt[train]'"
        ) from None
    return models
