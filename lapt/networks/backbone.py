"""The published network of any architecture, without its head: Backbone; with the published head: Classifier."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lapt.networks.cell import CellNetwork
from lapt.networks.darts.cells import DartsBackbone
from lapt.networks.darts.skeleton import Stem
from lapt.networks.operators import ConvNorm, ResidualReduction
from lapt.networks.skeleton import Skeleton, family_of, skeleton_of
from lapt.spaces import Architecture, DagCell, DartsCell, SearchSpace


class Backbone(nn.Module):
    """Image -> features: [B, image_channels, H, W] -> [B, out_channels, H/reduction, W/reduction], sides rounded up.

    The features before pooling, after the last batch normalisation and ReLU where the published network has them
    (NAS-Bench-201). Only what the features depend on is built: edges that are dead, and everything before a cell whose
    output is dead (it is zeros, so nothing in front of it can be seen or trained).

    ``reduction`` is 4 for NAS-Bench-201 and 32 for TransNAS-Bench-101. Convolutions run faster in
    ``torch.channels_last`` memory; build, then ``.to(memory_format=torch.channels_last)``.
    """

    def __init__(self, family: DagCell, operators: tuple[str, ...], skeleton: Skeleton, image_channels: int) -> None:
        super().__init__()
        self.out_channels = skeleton.out_channels
        self.reduction = skeleton.reduction
        self.image_channels = image_channels
        self.is_dead = not family.live_edges(operators)
        self.stem = nn.ModuleList()
        self.blocks = nn.ModuleList()
        if not self.is_dead:
            width = image_channels
            for channels, stride in skeleton.stem:
                self.stem.append(ConvNorm(width, channels, 3, stride))
                width = channels
            for block in skeleton.blocks:
                self.blocks.append(
                    CellNetwork(family, operators, block)
                    if block.kind == "cell"
                    else ResidualReduction(block.channels_in, block.channels_out)
                )
        self.norm = nn.BatchNorm2d(self.out_channels) if skeleton.final_norm else None
        if skeleton.kaiming:
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        features = self._zeros(images) if self.is_dead else images
        for position, convolution in enumerate(self.stem):
            features = convolution(functional.relu_(features) if position else features)
        for block in self.blocks:
            features = block(features)
        return features if self.norm is None else functional.relu_(self.norm(features))

    def _zeros(self, images: Tensor) -> Tensor:
        """What a cell without a live edge gives."""
        batch, _, height, width = images.shape
        sides = (-(-height // self.reduction), -(-width // self.reduction))
        return torch.zeros((batch, self.out_channels, *sides), dtype=images.dtype, device=images.device)


class Classifier(nn.Module):
    """The published network: backbone, global average pool, linear layer. [B, image_channels, H, W] -> [B, classes]."""

    def __init__(self, backbone: Backbone | DartsBackbone, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.out_channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.head(self.backbone(images).mean(dim=(2, 3)))
        return logits


def backbone(
    space: SearchSpace,
    architecture: Architecture,
    *,
    channels: int,
    cells: int,
    image_channels: int = 3,
    stem: Stem = "cifar",
) -> Backbone | DartsBackbone:
    """The network of ``architecture``, without a head, with fresh weights from torch's global generator.

    ``channels``: width after the stem (published: 16 for NAS-Bench-201, 64 for TransNAS-Bench-101, which needs an even
    number), of DARTS cells the width of a node (published: 36 on CIFAR, 48 on ImageNet). ``cells``: cells in a stage or
    module (published: 5 and 2; of DARTS 6, which with two reduction cells makes 20 layers, and 4 on ImageNet). Widths
    double where the published ones do. ``stem``: of DARTS networks.
    """
    if isinstance(space.family, DartsCell):
        found = space.family.genotype(architecture)
        return DartsBackbone(found, channels=channels, cells=cells, image_channels=image_channels, stem=stem)
    family = family_of(space, architecture)
    skeleton = skeleton_of(space.family_name, channels=channels, cells=cells)
    return Backbone(family, architecture.operators, skeleton, image_channels)
