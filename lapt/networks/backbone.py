"""The networks of any architecture, without their head or with a linear one, and their sizes in closed form."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lapt.networks.family import Counts, Features, NetworkSize, networks_of
from lapt.spaces import Architecture, SearchSpace


class Classifier(nn.Module):
    """The published network: backbone, global average pool, linear layer. [B, image_channels, H, W] -> [B, classes]."""

    def __init__(self, backbone: Features, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.out_channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.head(self.backbone(images).mean(dim=(2, 3)))
        return logits


def backbone(space: SearchSpace, architecture: Architecture, **size: Any) -> Features:
    """The network of ``architecture``, without a head, with fresh weights from torch's global generator.

    ``size``: as of ``NetworkSize``.
    """
    return networks_of(space).backbone(architecture, NetworkSize(**size))


def counts(space: SearchSpace, architecture: Architecture, *, classes: int | None = None, **size: Any) -> Counts:
    """Weights and multiply-adds of one image of the published network, dead edges included.

    ``classes`` None: without the classifier. ``size``: as of ``NetworkSize``. Parameters equal the benchmarks' own:
    NAS-Bench-201 with 16 channels, 5 cells, 10 classes (CIFAR-10); TransNAS-Bench-101 with 64 channels, 2 cells, 63
    classes (class_scene, which was then trained on 47); DARTS with 36 channels, 6 cells, 10 classes (CIFAR-10).

    Multiply-adds are those of the benchmarks' tables: one for each product of a convolution or linear layer, two for
    each value normalised, one for each value rectified, k^2 for each value pooled from k x k; the final pooling of
    h x w costs (h + 1)(w + 1) a channel, which is read off the tables (both have h = w = 8). Sums of edges are free,
    dead edges are not. NAS-Bench-201's paper counts convolutions and the linear layer alone (184.73 M for its best
    cell, 187.04 M here), and so does the literature on DARTS, which is followed for its networks.
    """
    return networks_of(space).counts(architecture, NetworkSize(**size), classes)


def live_parameters(network: nn.Module) -> int:
    """Weights that a built network holds: those that its output depends on."""
    return sum(parameter.numel() for parameter in network.parameters())
