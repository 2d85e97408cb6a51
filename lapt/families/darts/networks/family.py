"""DARTS networks, of an architecture of the space or of any genotype, behind the interface ``CellNetworks``.

As in ``lapt.networks.operators``, the operators (Liu, Simonyan and Yang 2019, appendix) take input that is rectified
already, a 1x1 convolution with a stride is a subsampling and a convolution, and what halves the side rounds it up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lapt.families.darts.cell import NODES, SOURCES, DartsCell
from lapt.families.darts.family import DARTS
from lapt.families.darts.genotype import FIRST, KINDS, Genotype
from lapt.families.darts.networks.skeleton import (
    AUXILIARY_WIDTHS,
    DILATED,
    SEPARABLE,
    DartsSkeleton,
    Place,
    darts_counts,
    darts_skeleton,
    edges_of,
)
from lapt.networks.family import Built, CellNetworks, Counts, Features, NetworkSize, Stem, connections
from lapt.networks.operators import ConvNorm, FactorizedReduction, stem_of
from lapt.networks.shared import Candidates, Compute, Connection, SharedBody, SharedCell, Taken
from lapt.spaces import Architecture, SearchSpace


class SeparableConv(nn.Module):
    """Depthwise k x k and 1x1 convolution, batch normalisation; ReLU; the same again without the stride.

    [B, C, H, W], rectified -> [B, C, ceil(H/stride), ceil(W/stride)].
    """

    def __init__(self, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.first = _half(channels, kernel, stride, 1)
        self.second = _half(channels, kernel, 1, 1)

    def forward(self, rectified: Tensor) -> Tensor:
        result: Tensor = self.second(functional.relu_(self.first(rectified)))
        return result


class DilatedConv(nn.Module):
    """Depthwise k x k convolution that reads every second pixel, 1x1 convolution, batch normalisation.

    Shapes as of :class:`SeparableConv`.
    """

    def __init__(self, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.only = _half(channels, kernel, stride, 2)

    def forward(self, rectified: Tensor) -> Tensor:
        result: Tensor = self.only(rectified)
        return result


class MaxPool(nn.Module):
    """max_pool_3x3 of what is not rectified: [B, C, H, W] -> [B, C, ceil(H/stride), ceil(W/stride)]."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.max_pool2d(inputs, 3, self.stride, 1)


class MeanPool(nn.Module):
    """avg_pool_3x3, over those of the nine neighbours that lie inside the image. Shapes as of :class:`MaxPool`."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.avg_pool2d(inputs, 3, self.stride, 1, count_include_pad=False)


def _half(channels: int, kernel: int, stride: int, dilation: int) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


def operator_module(operator: str, channels: int, stride: int) -> nn.Module | None:
    """The module of an edge; None for the identity, which computes nothing."""
    if operator in SEPARABLE:
        return SeparableConv(channels, SEPARABLE[operator], stride)
    if operator in DILATED:
        return DilatedConv(channels, DILATED[operator], stride)
    if operator == DARTS.identity:
        return None if stride == 1 else FactorizedReduction(channels, channels)
    return MaxPool(stride) if operator == "max_pool_3x3" else MeanPool(stride)


def reads_rectified(module: nn.Module) -> bool:
    """Whether it reads values after the ReLU. Poolings read them before."""
    return not isinstance(module, MaxPool | MeanPool)


class _Term(NamedTuple):
    """One summand of a node: the name of its edge, and what it reads."""

    edge: str
    source: int


class DartsCellNetwork(nn.Module):
    """One cell. Inputs: outputs of the last but one cell, [B, before, H', W'], and the last, [B, last, H, W]; H' = 2 H
    after a reduction. Output: [B, nodes C, H, W], of a reduction cell [B, nodes C, ceil(H/2), ceil(W/2)].

    Both inputs are brought to C channels (``inputs``), then nodes are sums of ``edges``, named as in ``edges_of``. A
    node of ``none`` alone is zero. ``inputs``, ``shared``: modules to use, as of ``CellNetwork``; else new ones.
    """

    def __init__(
        self, found: Genotype, place: Place, inputs: nn.ModuleList | None = None, shared: Taken | None = None
    ) -> None:
        super().__init__()
        self.inputs = darts_inputs(place) if inputs is None else inputs
        self.edges = nn.ModuleDict()
        self.concat = found.normal_concat if place.kind == "normal" else found.reduce_concat
        self.stride = 1 if place.kind == "normal" else 2
        self._nodes: dict[int, list[_Term]] = {number: [] for number in self.concat}
        for name, (node, edge) in edges_of(found, place.kind).items():
            if shared is not None:
                module = shared(name, edge.operator)
            else:
                module = operator_module(edge.operator, place.channels, self.stride if edge.source < FIRST else 1)
            if module is not None:
                self.edges[name] = module
            self._nodes.setdefault(node, []).append(_Term(name, edge.source))

    def forward(self, before: Tensor, last: Tensor, drop_path: float = 0.0) -> Tensor:
        """The cell's output.

        ``drop_path``: probability in training that an edge with a module is dropped for an image."""
        values = {
            number: module(functional.relu(given))
            for number, (module, given) in enumerate(zip(self.inputs, (before, last), strict=True))
        }
        rectified: dict[int, Tensor] = {}
        for node in sorted(self._nodes):
            summands = []
            for name, source in self._nodes[node]:
                if source not in values:
                    values[source] = self._zeros(values[1])
                if name not in self.edges:
                    summands.append(values[source])
                    continue
                module, given = self.edges[name], values[source]
                if reads_rectified(module):
                    if source not in rectified:
                        rectified[source] = functional.relu(given)
                    given = rectified[source]
                summand = module(given)
                summands.append(dropped(summand, drop_path) if self.training and drop_path else summand)
            values[node] = sum(summands[1:], summands[0]) if summands else self._zeros(values[1])
        return torch.cat([values[node] for node in self.concat], dim=1)

    def _zeros(self, like: Tensor) -> Tensor:
        batch, channels, *sides = like.shape
        return like.new_zeros((batch, channels, *(-(-side // self.stride) for side in sides)))


def darts_inputs(place: Place) -> nn.ModuleList:
    """Modules that bring both inputs of a cell to its width, and the first to the side of the second."""
    before = FactorizedReduction if place.halved else _pointwise
    return nn.ModuleList([before(place.before, place.channels), _pointwise(place.last, place.channels)])


def _pointwise(channels_in: int, channels_out: int) -> ConvNorm:
    return ConvNorm(channels_in, channels_out, 1)


def dropped(values: Tensor, probability: float) -> Tensor:
    """Drop path (Larsson et al. 2017): zeros for each image with this probability, else scaled up. [B, ...]."""
    kept = values.new_empty((len(values), 1, 1, 1)).bernoulli_(1 - probability)
    return values * (kept / (1 - probability))


class CellRow(nn.Module):
    """Stem and cells of a skeleton, each of which reads the outputs of the two before; ``cell`` makes them."""

    def __init__(self, skeleton: DartsSkeleton, image_channels: int, cell: Callable[[Place], nn.Module]) -> None:
        super().__init__()
        self.out_channels, self.reduction = skeleton.out_channels, skeleton.reduction
        self.image_channels, self.auxiliary_channels = image_channels, skeleton.auxiliary_channels
        self._auxiliary = skeleton.auxiliary
        self.stem = stem_of(image_channels, skeleton.stem)
        self.cells = nn.ModuleList(cell(place) for place in skeleton.places)

    def passed(self, images: Tensor, compute: Compute) -> tuple[Tensor, Tensor]:
        """The features, and those that the auxiliary head reads. ``compute`` gives the output of each cell."""
        before, last = images, images
        for position, convolution in enumerate(self.stem):
            before, last = last, convolution(functional.relu(last) if position else last)
        if len(self.stem) == 1:
            before = last
        early = last
        for position, cell in enumerate(self.cells):
            before, last = last, compute(cell, before, last)
            if position == self._auxiliary:
                early = last
        return last, early


class DartsBackbone(CellRow, Features):
    """The network of one genotype.

    ``reduction`` is 4 with the CIFAR stem and 32 with that of ImageNet. ``drop_path``: as in the cells, to be set while
    training. ``none`` is not built; all else is, since every node reaches the output.
    """

    def __init__(self, found: Genotype, size: NetworkSize) -> None:
        super().__init__(darts_skeleton(found, size), size.image_channels, lambda place: DartsCellNetwork(found, place))
        self.drop_path, self._stem = 0.0, size.stem

    def auxiliary_head(self, outputs: int) -> AuxiliaryHead:
        """A new auxiliary head, which reads the second output of ``both``."""
        return AuxiliaryHead(self.auxiliary_channels, outputs, self._stem)

    def forward(self, images: Tensor) -> Tensor:
        return self.both(images)[0]

    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The features, and those that the auxiliary head reads: [B, auxiliary_channels, H/reduction, W/reduction]."""
        return self.passed(images, lambda cell, before, last: cell(before, last, self.drop_path))


class AuxiliaryHead(nn.Module):
    """A second classifier, on features of two thirds of the depth, which helps deep networks train (Liu et al. 2019).

    [B, C, H, W] -> [B, outputs], in training alone. Published for 8 x 8 (CIFAR, stride 3) and 7 x 7 features (ImageNet,
    stride 2), which are pooled to 2 x 2; smaller ones are brought to 2 x 2 too, and of larger ones the result is
    averaged.
    """

    def __init__(self, channels: int, outputs: int, stem: Stem = "cifar") -> None:
        super().__init__()
        narrow, wide = AUXILIARY_WIDTHS
        self.stride = 3 if stem == "cifar" else 2
        self.narrow = ConvNorm(channels, narrow, 1)
        self.wide = nn.Sequential(nn.Conv2d(narrow, wide, 2, bias=False))
        if stem == "cifar":  # the published head for ImageNet has no second normalisation
            self.wide.append(nn.BatchNorm2d(wide))
        self.classifier = nn.Linear(wide, outputs)

    def forward(self, features: Tensor) -> Tensor:
        rectified = functional.relu(features)
        if min(rectified.shape[2:]) < 7:
            pooled = functional.adaptive_avg_pool2d(rectified, 2)
        else:
            pooled = functional.avg_pool2d(rectified, 5, self.stride)
        seen = functional.relu_(self.wide(functional.relu_(self.narrow(pooled))))
        result: Tensor = self.classifier(seen.mean(dim=(2, 3)))
        return result


class DartsCellShared(SharedCell):
    """``share``: operators are made for one in so many channels."""

    def __init__(self, candidates: Candidates, place: Place, share: int) -> None:
        super().__init__()
        self.place, self.kind = place, place.kind
        self.inputs = darts_inputs(place)
        for found, operators in candidates.items():
            for operator in operators:
                if operator != DartsCell.zero and found.kind == place.kind:
                    stride, _ = self.change(found)
                    self.offer(found.edge, operator, operator_module(operator, place.channels // share, stride))

    def network(self, found: Genotype) -> DartsCellNetwork:
        return DartsCellNetwork(found, self.place, self.inputs, self.taken)

    def brought(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        return [module(functional.relu(given)) for module, given in zip(self.inputs, inputs, strict=True)]

    def change(self, place: Connection) -> tuple[int, int]:
        return 2 if self.kind == "reduce" and place.source < FIRST else 1, 1

    def made(self, operator: str, module: nn.Module | None, value: Tensor, rectified: Tensor) -> Tensor:
        if module is None or reads_rectified(module):
            return super().made(operator, module, value, rectified)
        return functional.batch_norm(module(value), None, None, training=True)

    def joined(self, values: Mapping[int, Tensor]) -> Tensor:
        return torch.cat([values[node] for node in NODES], dim=1)


class DartsBody(CellRow, SharedBody):
    """``share``: as of ``DartsCellShared``."""

    def __init__(
        self, family: DartsCell, skeleton: DartsSkeleton, image_channels: int, candidates: Candidates, share: int
    ) -> None:
        super().__init__(skeleton, image_channels, lambda place: DartsCellShared(candidates, place, share))
        self._family = family

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        found = self._family.genotype(architecture)
        return self.through(images, lambda cell, before, last: cell.network(found)(before, last))

    def through(self, images: Tensor, compute: Compute) -> Tensor:
        return self.passed(images, compute)[0]

    def by_edge(self, architecture: Architecture) -> list[dict[str, str]]:
        named = {
            kind: {f"{e.source}->{node}": e.operator for node, edges in enumerate(nodes, start=FIRST) for e in edges}
            for kind, nodes in zip(KINDS, self._family.cells(architecture), strict=True)
        }
        return [named[str(cell.kind)] for cell in self.cells]


class DartsNetworks(CellNetworks):
    """The networks of DARTS cells."""

    drops_paths = True
    in_closed_form = True

    def backbone(self, architecture: Architecture, size: NetworkSize) -> DartsBackbone:
        return DartsBackbone(self.family.genotype(architecture), size)

    def counts(self, architecture: Architecture, size: NetworkSize, classes: int | None) -> Counts:
        return darts_counts(self.family.genotype(architecture), size, classes)

    def built(self, architecture: Architecture, size: NetworkSize) -> Built:
        """As published: nothing of such a network is dead."""
        skeleton = darts_skeleton(self.family.genotype(architecture), size)
        return Built(self.counts(architecture, size, None), skeleton.out_channels, skeleton.reduction)

    def shared_body(self, space: SearchSpace, size: NetworkSize, partial: int) -> DartsBody:
        example = self.family.genotype(space.sample(np.random.default_rng(0)))
        skeleton = darts_skeleton(example, size)
        return DartsBody(self.family, skeleton, size.image_channels, connections(space), partial)

    def connection(self, layer: str, source: str) -> Connection:
        """The connection of a layer; both layers of a node make the same one."""
        kind, place = layer.split(".")
        return Connection(kind, SOURCES.index(source), int(place[:-1]))
