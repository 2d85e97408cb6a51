"""Sketches as networks: a convolution, then what the sketch says."""

from __future__ import annotations

from torch import Tensor, nn

from lapt.networks import CellNetworks, Counts, Features, NetworkSize
from lapt.networks.operators import ConvNorm
from lapt.spaces import Architecture


class SketchNetwork(Features):
    def __init__(self, working: list[str], size: NetworkSize) -> None:
        super().__init__()
        self.out_channels, self.reduction = size.channels, 1
        self.body = nn.Sequential(ConvNorm(size.image_channels, size.channels, 3))
        for operator in working:
            if operator == "pool":
                self.body.append(nn.AvgPool2d(3, 1, 1))
            for _ in range({"conv": 1, "deep": 2}.get(operator, 0)):
                self.body.extend([nn.ReLU(), ConvNorm(size.channels, size.channels, 3)])

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.body(images)
        return features


class SketchNetworks(CellNetworks):
    def backbone(self, architecture: Architecture, size: NetworkSize) -> SketchNetwork:
        return SketchNetwork(self.family.working(architecture), size)

    def counts(self, architecture: Architecture, size: NetworkSize, classes: int | None) -> Counts:
        working, (height, width) = self.family.working(architecture), size.image_size
        inner = size.channels * (working.count("conv") + 2 * working.count("deep"))
        weights, head = 9 * size.channels * (size.image_channels + inner), size.channels * (classes or 0)
        norms = 2 * (size.channels + inner)
        return Counts(weights + norms + head + (classes or 0), weights * height * width + head)
