"""One network whose weights every architecture of a space inherits (Guo et al. 2020: one path at a time)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lapt.networks.cell import CellNetwork, cell_module
from lapt.networks.connections import Connection, connections
from lapt.networks.darts.cells import DartsCellNetwork, darts_inputs
from lapt.networks.darts.operators import operator_module
from lapt.networks.darts.skeleton import Place, Stem, darts_skeleton
from lapt.networks.operators import ConvNorm, ResidualReduction
from lapt.networks.skeleton import Block, family_of, skeleton_of
from lapt.spaces import Architecture, DagCell, DartsCell, SearchSpace
from lapt.spaces.genotype import FIRST

Candidates = dict[Connection, tuple[str, ...]]
"""Of ``lapt.networks.connections``: the operators that an architecture of the space may have there."""
Compute = Callable[..., Tensor]
"""(shared cell, its inputs) -> its output."""


class Supernet(nn.Module):
    """A backbone over a whole space, built of what the space has and no more: a smaller space is a smaller supernet.

    [B, image_channels, H, W] -> [B, out_channels, H/reduction, W/reduction], as the backbone of one architecture
    (``lapt.networks.backbone``) whose modules are shared. Every forward pass draws one architecture, uniform
    over the space, and computes that alone; inside ``only`` it is the one given. Which are drawn is a matter of
    ``seed`` and travels with the state dict, so that training can go on where it stopped.

    ``channels``, ``cells``, ``stem``: as of ``backbone``; initial weights come from torch's global generator. Raises
    SpaceError for a space without networks.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        channels: int,
        cells: int,
        image_channels: int = 3,
        stem: Stem = "cifar",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.space, self.image_channels = space, image_channels
        self._rng = np.random.default_rng([seed, 0x5B])
        self._only: Architecture | None = None
        self.body = shared_body(space, channels=channels, cells=cells, image_channels=image_channels, stem=stem)
        self.out_channels, self.reduction = self.body.out_channels, self.body.reduction

    def forward(self, images: Tensor) -> Tensor:
        architecture = self._only
        if architecture is None:
            architecture = self.space.sample(self._rng)
        features: Tensor = self.body(images, architecture)
        return features

    @contextmanager
    def only(self, architecture: Architecture) -> Iterator[None]:
        """Forward passes are this architecture's, a member of the space. Raises SpaceError for another."""
        self._only, before = self.space.as_member(architecture), self._only
        try:
            yield
        finally:
            self._only = before

    def inherit(self, other: Supernet) -> int:
        """Takes over the weights of another supernet of the family wherever both have them; how many tensors."""
        mine = self.state_dict()
        theirs = {
            name: tensor
            for name, tensor in other.state_dict().items()
            if isinstance(tensor, Tensor) and name in mine and mine[name].shape == tensor.shape
        }
        self.load_state_dict(theirs, strict=False)
        return len(theirs)

    @property
    def operator_parameters(self) -> int:
        """Weights of candidate operators, without stem, inputs of cells, reductions between stages and norms."""
        shared = (module for module in self.modules() if isinstance(module, SharedCell))
        return sum(parameter.numel() for module in shared for parameter in module.edges.parameters())

    def get_extra_state(self) -> Any:
        """Where the draws of paths stand."""
        return self._rng.bit_generator.state

    def set_extra_state(self, state: Any) -> None:
        self._rng.bit_generator.state = state


def shared_body(
    space: SearchSpace,
    *,
    channels: int,
    cells: int,
    image_channels: int = 3,
    stem: Stem = "cifar",
    partial: int = 1,
) -> DagBody | DartsBody:
    """Everything that a supernet shares, stem, cells and what stands between them, with fresh weights.

    ``partial``: operators are made for one in so many of a cell's channels, which have to be divisible by it.
    """
    example = space.sample(np.random.default_rng(0))
    if isinstance(space.family, DartsCell):
        return DartsBody(space, example, channels, cells, image_channels, stem, partial)
    return DagBody(space, family_of(space, example), channels, cells, image_channels, partial)


class SharedCell(nn.Module):
    """The candidate operators of one cell: ``edges`` by the name of the edge, then of the operator.

    Those that compute nothing (identities, poolings without a module) have no entry. ``kind``: of its connections.
    """

    kind = ""

    def __init__(self) -> None:
        super().__init__()
        self.edges = nn.ModuleDict()

    def offer(self, edge: str, operator: str, module: nn.Module | None) -> None:
        if module is not None:
            if edge not in self.edges:
                self.edges[edge] = nn.ModuleDict()
            self.edges[edge][operator] = module  # type: ignore[operator]

    def taken(self, edge: str, operator: str) -> nn.Module | None:
        if edge not in self.edges or operator not in self.edges[edge]:  # type: ignore[operator]
            return None
        module: nn.Module = self.edges[edge][operator]  # type: ignore[index]
        return module


# --- cells with fixed edges ------------------------------------------------------------------------------------------
class DagCellShared(SharedCell):
    def __init__(self, family: DagCell, candidates: Candidates, block: Block, partial: int) -> None:
        super().__init__()
        self._family, self.block = family, block
        seen = block._replace(channels_in=block.channels_in // partial, channels_out=block.channels_out // partial)
        for place, operators in candidates.items():
            for operator in operators:
                if operator != family.zero:
                    made = cell_module(operator, seen if place.source == 0 else seen.inner, family)
                    self.offer(place.edge, operator, made)

    def forward(self, inputs: Tensor, operators: tuple[str, ...]) -> Tensor:
        cell = CellNetwork(self._family, operators, self.block, self.taken)
        result: Tensor = cell(inputs)
        return result


class DagBody(nn.Module):
    def __init__(
        self, space: SearchSpace, family: DagCell, channels: int, cells: int, image_channels: int, partial: int
    ) -> None:
        super().__init__()
        skeleton = skeleton_of(space.family_name, channels=channels, cells=cells)
        self._family, self.out_channels, self.reduction = family, skeleton.out_channels, skeleton.reduction
        candidates = connections(space)
        self.stem, self.blocks = nn.ModuleList(), nn.ModuleList()
        width = image_channels
        for wide, stride in skeleton.stem:
            self.stem.append(ConvNorm(width, wide, 3, stride))
            width = wide
        for block in skeleton.blocks:
            self.blocks.append(
                DagCellShared(family, candidates, block, partial)
                if block.kind == "cell"
                else ResidualReduction(block.channels_in, block.channels_out)
            )
        self.norm = nn.BatchNorm2d(self.out_channels) if skeleton.final_norm else None
        if skeleton.kaiming:
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        if self._family.live_edges(architecture.operators):
            return self.through(images, lambda cell, features: cell(features, architecture.operators))
        batch, _, height, width = images.shape
        sides = (-(-height // self.reduction), -(-width // self.reduction))
        return self._finished(images.new_zeros((batch, self.out_channels, *sides)))

    def through(self, images: Tensor, compute: Compute) -> Tensor:
        """The features, of cells as ``compute`` has them."""
        features = images
        for position, convolution in enumerate(self.stem):
            features = convolution(functional.relu_(features) if position else features)
        for block in self.blocks:
            features = compute(block, features) if isinstance(block, DagCellShared) else block(features)
        return self._finished(features)

    def _finished(self, features: Tensor) -> Tensor:
        return features if self.norm is None else functional.relu_(self.norm(features))


# --- cells that choose what they read --------------------------------------------------------------------------------
class DartsCellShared(SharedCell):
    def __init__(self, candidates: Candidates, place: Place, partial: int) -> None:
        super().__init__()
        self.place, self.kind = place, place.kind
        self.inputs = darts_inputs(place)
        for found, operators in candidates.items():
            for operator in operators:
                if operator != DartsCell.zero and found.kind == place.kind:
                    made = operator_module(operator, place.channels // partial, self.stride(found))
                    self.offer(found.edge, operator, made)

    def stride(self, found: Connection) -> int:
        return 2 if self.kind == "reduce" and found.source < FIRST else 1

    def network(self, architecture: Any) -> DartsCellNetwork:
        return DartsCellNetwork(architecture, self.place, self.inputs, self.taken)


class DartsBody(nn.Module):
    def __init__(
        self,
        space: SearchSpace,
        example: Architecture,
        channels: int,
        cells: int,
        image_channels: int,
        stem: Stem,
        partial: int,
    ) -> None:
        super().__init__()
        assert isinstance(space.family, DartsCell)
        self._family = space.family
        skeleton = darts_skeleton(self._family.genotype(example), channels=channels, cells=cells, stem=stem)
        self.out_channels, self.reduction = skeleton.out_channels, skeleton.reduction
        candidates = connections(space)
        self.stem = nn.ModuleList()
        width = image_channels
        for wide, stride in skeleton.stem:
            self.stem.append(ConvNorm(width, wide, 3, stride))
            width = wide
        self.cells = nn.ModuleList(DartsCellShared(candidates, place, partial) for place in skeleton.places)

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        found = self._family.genotype(architecture)
        return self.through(images, lambda cell, before, last: cell.network(found)(before, last))

    def through(self, images: Tensor, compute: Compute) -> Tensor:
        """The features, of cells as ``compute`` has them."""
        before, last = images, images
        for position, convolution in enumerate(self.stem):
            before, last = last, convolution(functional.relu(last) if position else last)
        if len(self.stem) == 1:
            before = last
        for cell in self.cells:
            before, last = last, compute(cell, before, last)
        return last


@torch.no_grad()
def same_weights(supernet: Supernet, architecture: Architecture, network: nn.Module) -> None:
    """Copies what ``architecture`` inherits into its own backbone, as ``lapt.networks.backbone`` builds it.

    For a training that starts from inherited weights, and to see that both compute the same.
    """
    inherited = supernet.state_dict()
    operators = _by_edge(supernet, architecture)
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        tensor.copy_(inherited[_shared_name(name, operators)])


def _by_edge(supernet: Supernet, architecture: Architecture) -> list[dict[str, str]]:
    """Of each cell or block of the body: the operator of each edge, by the edge's name."""
    body, family = supernet.body, supernet.space.family
    if isinstance(body, DagBody):
        assert isinstance(family, DagCell)
        return [dict(zip(family.layer_names, architecture.operators, strict=True))] * len(body.blocks)
    assert isinstance(family, DartsCell)
    found = family.genotype(architecture)
    sides = {"normal": found.normal, "reduce": found.reduce}
    named = {
        kind: {f"{e.source}->{node}": e.operator for node, edges in enumerate(nodes, start=FIRST) for e in edges}
        for kind, nodes in sides.items()
    }
    return [named[cell.place.kind] for cell in body.cells if isinstance(cell, DartsCellShared)]


def _shared_name(name: str, operators: list[dict[str, str]]) -> str:
    """``blocks.0.edges.0->1.conv.weight`` -> ``body.blocks.0.edges.0->1.nor_conv_3x3.conv.weight``."""
    parts = name.split(".")
    if "edges" in parts:
        at = parts.index("edges") + 1
        parts.insert(at + 1, operators[int(parts[at - 2])][parts[at]])
    return ".".join(["body", *parts])
