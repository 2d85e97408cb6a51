"""The published networks of NAS-Bench-201 and TransNAS-Bench-101, without their heads."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

from lapt.families.dag.cell import DagCell
from lapt.families.dag.networks.cell import CellNetwork
from lapt.families.dag.networks.skeleton import Block, Skeleton
from lapt.networks.family import Features
from lapt.networks.operators import ConvNorm, FactorizedReduction, ResidualReduction, stem_of


class SkeletonNetwork(nn.Module):
    """Stem, blocks and last normalisation of a skeleton, around cells that ``cell`` makes; without it the last alone.

    The features are those before pooling, after the last batch normalisation and ReLU where the published network has
    them (NAS-Bench-201).
    """

    def __init__(self, skeleton: Skeleton, image_channels: int, cell: Callable[[Block], nn.Module] | None) -> None:
        super().__init__()
        self.out_channels, self.reduction = skeleton.out_channels, skeleton.reduction
        self.image_channels = image_channels
        self.stem, self.blocks = nn.ModuleList(), nn.ModuleList()
        if cell is not None:
            self.stem = stem_of(image_channels, skeleton.stem)
            for block in skeleton.blocks:
                residual = block.kind == "residual"
                made = ResidualReduction(block.channels_in, block.channels_out) if residual else cell(block)
                self.blocks.append(made)
        self.norm = nn.BatchNorm2d(self.out_channels) if skeleton.final_norm else None
        if skeleton.kaiming:
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def through(self, images: Tensor, compute: Callable[[nn.Module, Tensor], Tensor]) -> Tensor:
        """The features, where ``compute`` gives the output of each cell."""
        features = images
        for position, convolution in enumerate(self.stem):
            features = convolution(functional.relu_(features) if position else features)
        for block in self.blocks:
            features = block(features) if isinstance(block, ResidualReduction) else compute(block, features)
        return self.finished(features)

    def finished(self, features: Tensor) -> Tensor:
        return features if self.norm is None else functional.relu_(self.norm(features))

    def zeros(self, images: Tensor) -> Tensor:
        """The features of a cell without a live edge."""
        batch, _, height, width = images.shape
        sides = (-(-height // self.reduction), -(-width // self.reduction))
        return self.finished(images.new_zeros((batch, self.out_channels, *sides)))


class Backbone(SkeletonNetwork, Features):
    """The network of one architecture.

    Only what the features depend on is built: edges that are dead, and everything before a cell whose output is dead
    (it is zeros, so nothing in front of it can be seen or trained), are left out.

    ``reduction`` is 4 for NAS-Bench-201 and 32 for TransNAS-Bench-101. Convolutions run faster in
    ``torch.channels_last`` memory; build, then ``.to(memory_format=torch.channels_last)``.
    """

    def __init__(self, family: DagCell, operators: tuple[str, ...], skeleton: Skeleton, image_channels: int) -> None:
        is_dead = not family.live_edges(operators)
        super().__init__(
            skeleton, image_channels, None if is_dead else lambda block: CellNetwork(family, operators, block)
        )
        self.is_dead, self.rectified = is_dead, skeleton.final_norm

    def forward(self, images: Tensor) -> Tensor:
        if self.is_dead:
            return self.zeros(images)
        return self.through(images, lambda cell, features: cell(features))

    def readers(self) -> list[nn.Module]:
        found = [module for module in self.blocks.modules() if isinstance(module, ConvNorm | FactorizedReduction)]
        return [*found, *self.stem[1:]]
