"""Hand-made networks that found ones are measured against: those of the paper's Tables 4 and 5 (Zhou et al. 2025).

On CIFAR those that their authors describe for it, of 32 x 32 pixels; on ImageNet those of 224 x 224. What torchvision
has is taken from there. Every network reads [B, 3, H, W] and gives logits, [B, classes].
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from lapt.errors import ConfigError
from lapt.networks.family import Counts, Size, live_parameters
from lapt.networks.operators import ConvNorm

try:
    from torchvision import models  # type: ignore[import-untyped]
    from torchvision.models.vgg import cfgs, make_layers  # type: ignore[import-untyped]
    from torchvision.ops import Conv2dNormActivation  # type: ignore[import-untyped]
except ImportError:
    raise ConfigError(
        "torchvision, for hand-made networks", "an environment without it", "pip install 'lapt[train]'"
    ) from None


# --- CIFAR -----------------------------------------------------------------------------------------------------------
def vgg16(classes: int) -> nn.Module:
    """VGG-16 (Simonyan and Zisserman 2015, configuration D) as it is used on 32 x 32 pixels.

    With batch normalisation, and with one linear layer in place of three, 4096 wide: five poolings leave one pixel.
    """
    features = make_layers(cfgs["D"], batch_norm=True)
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside an identity (He et al. 2016, Section 4.2).

    [B, C_in, H, W] -> [B, C_out, ceil(H/stride), ...]. The identity is subsampled and filled up with channels of zeros
    (option A: no weights). ``squeeze``: the divisor of the channels in a squeeze-and-excitation (Hu et al. 2018)
    after the convolutions; 0 for none.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int, squeeze: int = 0) -> None:
        super().__init__()
        self.stride, self.added = stride, channels_out - channels_in
        self.first = ConvNorm(channels_in, channels_out, 3, stride)
        self.second = ConvNorm(channels_out, channels_out, 3)
        self.gate = _gate(channels_out, channels_out // squeeze) if squeeze else None

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.second(functional.relu(self.first(inputs)))
        if self.gate is not None:
            features = features * self.gate(features)
        identity = functional.pad(inputs[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))
        return functional.relu(features + identity)


def _gate(channels: int, squeezed: int) -> nn.Module:
    """A factor between 0 and 1 for every channel, by the means of all: [B, C, H, W] -> [B, C, 1, 1]."""
    narrow, wide = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), narrow, nn.ReLU(), wide, nn.Sigmoid())


def resnet(depth: int, classes: int, squeeze: int = 0) -> nn.Module:
    """ResNet of CIFAR (He et al. 2016): three stages of (depth - 2) / 6 blocks, 16, 32 and 64 channels wide.

    ``squeeze`` 16: SE-ResNet (Hu et al. 2018).
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise ConfigError("a depth of 6 n + 2", f"{depth}", "20, 56 and 110 are published")
    widths = [16, *(width for width in (16, 32, 64) for _ in range(blocks))]
    body = [ResidualBlock(before, after, after // before, squeeze) for before, after in pairwise(widths)]
    return nn.Sequential(ConvNorm(3, 16, 3), nn.ReLU(), *body, *_head(64, classes))


def densenet_bc(depth: int, growth: int, classes: int) -> nn.Module:
    """DenseNet-BC of CIFAR (Huang et al. 2017): three dense blocks of (depth - 4) / 6 bottleneck layers.

    torchvision's network for ImageNet with the stem of that for CIFAR: one 3x3 convolution, twice ``growth`` wide.
    """
    layers, rest = divmod(depth - 4, 6)
    if rest or layers < 1:
        raise ConfigError("a depth of 6 n + 4", f"{depth}", "100, 190 and 250 are published")
    features = models.DenseNet(growth, (layers,) * 3, 2 * growth, num_classes=classes).features
    features.conv0 = nn.Conv2d(3, 2 * growth, 3, padding=1, bias=False)
    for name in ("norm0", "relu0", "pool0"):
        delattr(features, name)
    return nn.Sequential(features, nn.ReLU(), *_head(features.norm5.num_features, classes))


def _head(channels: int, classes: int) -> tuple[nn.Module, ...]:
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)


# --- ImageNet --------------------------------------------------------------------------------------------------------
def googlenet(classes: int) -> nn.Module:
    """Inception-v1 (Szegedy et al. 2015) as torchvision has it, without the auxiliary heads of training.

    Batch normalisation in place of local response normalisation, and 3x3 kernels where the paper has 5x5.
    """
    network: nn.Module = models.GoogLeNet(classes, aux_logits=False, init_weights=False)
    return network


def mobilenet_v1(classes: int) -> nn.Module:
    """MobileNet of width 1 (Howard et al. 2017, Table 1): 3x3 convolutions of each channel, and 1x1 between."""
    widths = [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    layers = [Conv2dNormActivation(3, widths[0], 3, 2)]
    for position, (before, after) in enumerate(pairwise(widths)):
        stride = after // before if position else 1
        layers += [Conv2dNormActivation(before, before, 3, stride, groups=before)]
        layers += [Conv2dNormActivation(before, after, 1)]
    return nn.Sequential(*layers, *_head(widths[-1], classes))


class ShuffleUnit(nn.Module):
    """1x1 convolutions in groups, channels shuffled between, around a 3x3 one of each channel (Zhang et al. 2018).

    With stride 1: beside an identity, [B, C, H, W] -> [B, C, H, W]. With stride 2: beside an average pooling whose C_in
    channels are the first of the output's, -> [B, C_out, ceil(H/2), ceil(W/2)]. ``first``: groups of the first
    convolution.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int, groups: int, first: int) -> None:
        super().__init__()
        self.stride, narrow = stride, channels_out // 4
        made = channels_out - (channels_in if stride > 1 else 0)
        self.body = nn.Sequential(
            Conv2dNormActivation(channels_in, narrow, 1, groups=first),
            nn.ChannelShuffle(groups),
            Conv2dNormActivation(narrow, narrow, 3, stride, groups=narrow, activation_layer=None),
            Conv2dNormActivation(narrow, made, 1, groups=groups, activation_layer=None),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.body(inputs)
        if self.stride == 1:
            return functional.relu(inputs + features)
        return functional.relu(torch.cat([functional.avg_pool2d(inputs, 3, self.stride, 1), features], dim=1))


def shufflenet_v1(width: int, classes: int) -> nn.Module:
    """ShuffleNet of three groups (Zhang et al. 2018, Table 1), ``width`` times as wide as that of 240 channels."""
    before = 24 * width
    layers = [Conv2dNormActivation(3, before, 3, 2), nn.MaxPool2d(3, 2, 1)]
    for stage, units in enumerate((4, 8, 4)):
        after = 240 * width * 2**stage
        for unit in range(units):
            first = 1 if stage == unit == 0 else 3  # so few channels are not grouped
            layers.append(ShuffleUnit(before, after, 1 if unit else 2, 3, first))
            before = after
    return nn.Sequential(*layers, *_head(before, classes))


# --- all of them -----------------------------------------------------------------------------------------------------
REFERENCES: dict[str, Callable[[int], nn.Module]] = {
    "VGG-16": vgg16,
    "ResNet-110": partial(resnet, 110),
    "SE-ResNet-110": partial(resnet, 110, squeeze=16),
    "DenseNet-BC (L=250, k=24)": partial(densenet_bc, 250, 24),
    "Inception-v1": googlenet,
    "MobileNet-v1": mobilenet_v1,
    "ShuffleNet-v1 2x (g=3)": partial(shufflenet_v1, 2),
}
"""Name -> function from the number of classes to the network."""


def reference_counts(name: str, *, classes: int, image_size: Size) -> Counts:
    """The counts of the reference network with that name, as of ``measured``."""
    if name not in REFERENCES:
        raise ConfigError(f"a network among {sorted(REFERENCES)}", repr(name), "name one of them")
    return measured(partial(REFERENCES[name], classes), image_size)


def measured(build: Callable[[], nn.Module], image_size: Size) -> Counts:
    """Parameters, and multiply-adds of one image in convolutions and linear layers, as DARTS networks are counted."""
    with torch.device("meta"):  # shapes alone: no weight is drawn, nothing is computed
        network = build().eval()
        image = torch.zeros(1, 3, *image_size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    return Counts(live_parameters(network), counter.get_total_flops() // 2)
