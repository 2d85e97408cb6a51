"""Torch modules of mobile networks, made of torchvision's blocks of MobileNetV3."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from lapt.errors import ConfigError
from lapt.families.mobile.plan import Block, Plan
from lapt.networks.family import Features


class MobileBackbone(Features):
    """Stem, inverted residual blocks, and a last 1x1 convolution.

    Convolutions start from He's normal initialisation (fan out), as torchvision's MobileNetV3 does. Batch normalisation
    keeps torch's momentum: torchvision's 0.01 is for longer trainings than a search has.
    """

    def __init__(self, plan: Plan, image_channels: int) -> None:
        super().__init__()
        self.plan, self.image_channels = plan, image_channels
        self.out_channels, self.reduction = plan.out_channels, plan.reduction
        width, stride = plan.stem
        self.stem = layer(image_channels, width, 3, stride)
        self.blocks = nn.Sequential(*map(block_module, plan.blocks))
        self.last = layer(plan.blocks[-1].channels_out, self.out_channels, 1)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.last(self.blocks(self.stem(halved(images) if self.plan.halved else images)))
        return features


def initialise(network: nn.Module) -> None:
    """Draw the weights of all convolutions anew, and set their biases to zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def halved(images: Tensor) -> Tensor:
    """Images [B, C, H, W] at half the sides, rounded up. Where these are even, the mean of each 2 x 2 pixels."""
    height, width = images.shape[2:]
    return functional.interpolate(images, size=(-(-height // 2), -(-width // 2)), mode="bilinear")


def layer(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Module:
    """Convolution, batch normalisation and hard swish."""
    parts = torchvision_blocks()
    made: nn.Module = parts.Conv2dNormActivation(
        channels_in, channels_out, kernel, stride, activation_layer=nn.Hardswish
    )
    return made


def block_module(block: Block) -> nn.Module:
    """torchvision's block, with its own initial weights."""
    parts = torchvision_blocks()
    config = parts.InvertedResidualConfig(
        block.channels_in,
        block.kernel,
        block.expanded,
        block.channels_out,
        block.squeezes,
        "HS" if block.hard else "RE",
        block.stride,
        dilation=1,
        width_mult=1.0,
    )
    made: nn.Module = parts.InvertedResidual(config, nn.BatchNorm2d)
    return made


def torchvision_blocks() -> Any:
    """torchvision's module of MobileNetV3. Raises ConfigError if it is missing."""
    try:
        from torchvision.models import mobilenetv3  # type: ignore[import-untyped]
    except ImportError:
        raise ConfigError(
            "torchvision, for the blocks of mobile networks",
            "an environment without it",
            "pip install 'lapt[train]'",
        ) from None
    return mobilenetv3
