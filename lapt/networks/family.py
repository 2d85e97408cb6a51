"""The networks of a cell family: their base class, their sizes, and the network of any architecture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from lapt.base.packages import imported
from lapt.errors import ConfigError, SpaceError
from lapt.networks.shared import Connection, SharedBody
from lapt.spaces import Architecture, CellFamily, SearchSpace

Stem = Literal["cifar", "imagenet"]
"""The stem of DARTS networks. cifar: one convolution, 3 C wide. imagenet: three with stride 2, which leave an eighth of
the side."""
Size = tuple[int, int]
"""Height and width, in pixels."""


class NetworkSize(NamedTuple):
    """The size of a network.

    ``channels``: width after the stem (published: 16 for NAS-Bench-201, 64 for TransNAS-Bench-101, which needs an even
    number); for DARTS, the width of a node (published: 36 on CIFAR, 48 on ImageNet). ``cells``: cells in a stage or
    module (published: 5 for NAS-Bench-201, 2 for TransNAS-Bench-101). For DARTS, 6 are published, which with two
    reduction cells makes 20 layers, and 4 on ImageNet. Widths double where the published ones do. ``stem``: of DARTS
    networks. ``image_size``: size of the images for which multiply-adds are counted, and on which a declared space's
    network is tried.
    """

    channels: int
    cells: int
    image_channels: int = 3
    image_size: Size = (32, 32)
    stem: Stem = "cifar"

    def checked(self) -> NetworkSize:
        """Return it as it is. Raises ConfigError unless it has a channel and a cell."""
        if self.channels < 1 or self.cells < 1:
            said = f"channels {self.channels}, cells {self.cells}"
            raise ConfigError("at least one channel and one cell", said, "raise them")
        return self


class Counts(NamedTuple):
    """Parameters, and multiply-adds of one image."""

    parameters: int = 0
    flops: int = 0

    def plus(self, other: Counts) -> Counts:
        return Counts(self.parameters + other.parameters, self.flops + other.flops)


class Built(NamedTuple):
    """A backbone as it is built, dead edges left out: its counts, and the shape of its features.

    ``out_channels``, ``reduction``: as of ``Features``.
    """

    counts: Counts
    out_channels: int
    reduction: int


class BuilderError(ConfigError):
    """A user's function that is not there, or that builds no backbone."""


class Features(nn.Module):
    """Image -> features: [B, image_channels, H, W] -> [B, out_channels, H/reduction, W/reduction], sides rounded up.

    ``is_dead``: its features are zeros, whatever the image. ``rectified``: they come out of a ReLU.
    """

    out_channels: int
    reduction: int
    is_dead = False
    rectified = False

    def readers(self) -> list[nn.Module]:
        """The modules that read the output of a ReLU, for the score naswot. Raises ConfigError if nobody has said."""
        raise ConfigError(
            "networks that name the modules which read a ReLU, for naswot",
            f"{type(self).__name__} without",
            "define its method readers, or leave naswot out",
        )


class CellNetworks(ABC):
    """The networks of one family.

    A family without shared weights or scores of untrained networks leaves out the methods for them.
    """

    drops_paths: ClassVar[bool] = False
    """Whether its backbones have a ``drop_path`` that training sets."""
    in_closed_form: ClassVar[bool] = False
    """Whether ``built`` builds no module, so that it may be called for a whole space."""

    def __init__(self, family: Any) -> None:
        self.family = family

    @abstractmethod
    def backbone(self, architecture: Architecture, size: NetworkSize) -> Features:
        """The backbone with fresh weights from torch's global generator. Raises LaptError if it cannot be built."""

    @abstractmethod
    def counts(self, architecture: Architecture, size: NetworkSize, classes: int | None) -> Counts:
        """The counts of the published network, with a linear classifier; without a head if ``classes`` is None."""

    def built(self, architecture: Architecture, size: NetworkSize) -> Built:
        """The counts of the backbone as it is built and deployed, without a head.

        ``counts`` are those of the published network, which keeps dead edges; these leave out what is not built. By
        default a module is built for it: torch's generator stays as it was, and multiply-adds are those of ``counts``.
        """
        with torch.random.fork_rng(devices=[]):
            body = self.backbone(architecture, size)
        parameters = sum(parameter.numel() for parameter in body.parameters())
        flops = self.counts(architecture, size, None).flops
        return Built(Counts(parameters, flops), body.out_channels, body.reduction)

    def settings(self) -> dict[str, Any]:
        """Further settings that trained scores depend on, beside sizes and images: for fingerprints."""
        return {}

    def check(self, size: NetworkSize) -> None:
        """Raise LaptError for networks that cannot be built, before a run begins."""
        size.checked()

    def shared_body(self, space: SearchSpace, size: NetworkSize, partial: int) -> SharedBody:
        """The shared part of a supernet with fresh weights: stem, cells and the modules between them.

        ``partial`` K: operators are made for 1/K of a cell's channels, whose number K must divide.
        """
        raise self._unknown("share weights")

    def connection(self, layer: str, source: str) -> Connection:
        """The connection that a layer makes when it reads ``source``."""
        raise self._unknown("share weights")

    def stem_stride(self, size: NetworkSize) -> int:
        """The factor by which the stem divides the side of an image: for scores of untrained networks."""
        raise self._unknown("can be scored untrained")

    def _unknown(self, what: str) -> SpaceError:
        return SpaceError(f"a space whose networks {what}", self.family.name, "choose another space or method")


def networks_of(space: SearchSpace) -> CellNetworks:
    """The networks of the space's family. Raises SpaceError if none are known."""
    return _networks_of(space.family)


@lru_cache(maxsize=64)
def _networks_of(family: CellFamily) -> CellNetworks:
    if family.networks is None:
        raise SpaceError("a space whose networks are known", family.name, "choose another space, or a table of scores")
    found: CellNetworks = imported(family.networks)(family)
    return found


def connections(space: SearchSpace) -> dict[Connection, tuple[str, ...]]:
    """Every connection that an architecture of the space may have, by node, and the operators it may have there."""
    found: dict[Connection, dict[str, None]] = {}
    for layer in space.layers:
        for source in layer.sources:
            operators = found.setdefault(networks_of(space).connection(layer.name, source), {})
            operators.update(dict.fromkeys(layer.operators))
    return {place: tuple(operators) for place, operators in found.items()}


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
