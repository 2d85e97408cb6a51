"""Mobile networks as torch modules, made of torchvision's blocks of MobileNetV3."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from lapt.errors import ConfigError
from lapt.families.mobile.cell import MobileCell
from lapt.families.mobile.plan import Block, Plan, counted, plan_of
from lapt.networks.family import Built, CellNetworks, Counts, Features, NetworkSize
from lapt.spaces import Architecture


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
        parts = _torchvision()
        self.stem = parts.Conv2dNormActivation(image_channels, width, 3, stride, activation_layer=nn.Hardswish)
        self.blocks = nn.Sequential(*(_block(block) for block in plan.blocks))
        narrow = plan.blocks[-1].channels_out
        self.last = parts.Conv2dNormActivation(narrow, self.out_channels, 1, activation_layer=nn.Hardswish)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.last(self.blocks(self.stem(halved(images) if self.plan.halved else images)))
        return features


def halved(images: Tensor) -> Tensor:
    """Images [B, C, H, W] at half the sides, rounded up. Where these are even, the mean of each 2 x 2 pixels."""
    height, width = images.shape[2:]
    return functional.interpolate(images, size=(-(-height // 2), -(-width // 2)), mode="bilinear")


class MobileNetworks(CellNetworks):
    """The networks of mobile architectures."""

    in_closed_form = True
    family: MobileCell

    def backbone(self, architecture: Architecture, size: NetworkSize) -> MobileBackbone:
        return MobileBackbone(self._plan(architecture, size), size.image_channels)

    def counts(self, architecture: Architecture, size: NetworkSize, classes: int | None) -> Counts:
        found = self.built(architecture, size)
        head = found.out_channels * (classes or 0)
        return found.counts.plus(Counts(head + (classes or 0), head))

    def built(self, architecture: Architecture, size: NetworkSize) -> Built:
        plan = self._plan(architecture, size)
        return Built(Counts(*counted(plan, size.image_channels, size.image_size)), plan.out_channels, plan.reduction)

    def check(self, size: NetworkSize) -> None:
        """Raise ConfigError for a size without channels or cells, and where torchvision is missing."""
        size.checked()
        _torchvision()

    def _plan(self, architecture: Architecture, size: NetworkSize) -> Plan:
        chosen = self.family.chosen(architecture)
        return plan_of(chosen, channels=size.channels, cells=size.cells, image_size=size.image_size)


def _block(block: Block) -> nn.Module:
    parts = _torchvision()
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


def _torchvision() -> Any:
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
