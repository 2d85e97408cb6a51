"""The shared part of a supernet of mobile networks: narrower blocks take the first channels of the widest one.

Elastic widths as in Cai et al. 2020, Once-for-All, section 3. Kernels and expansions have weights of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from lapt.errors import SpaceError
from lapt.families.mobile.cell import RESOLUTION, SKIP, STAGES, MobileCell, blocks_of
from lapt.families.mobile.networks.modules import MobileBackbone, block_module, halved, initialise, layer
from lapt.families.mobile.plan import Block, Plan, plan_of
from lapt.networks.family import NetworkSize
from lapt.networks.shared import Compute, Connection, SharedBody, SharedCell
from lapt.spaces import Architecture, SearchSpace


class ElasticBlock(SharedCell):
    """The candidates of one block in its greatest widths, with squeeze-excitation; each computes any narrower one."""

    def __init__(self, widest: Block, operators: tuple[str, ...]) -> None:
        super().__init__()
        for operator in operators:
            if operator != SKIP:
                self.offer("block", operator, block_module(widest.of(operator)))

    def forward(self, features: Tensor, block: Block) -> Tensor:
        return called(_like(block), self._widest(block), self.weights_of(block), features)

    def weights_of(self, block: Block) -> dict[str, Tensor]:
        """The tensors of a block by their names in its own module: views of those here."""
        held = self._widest(block).state_dict(keep_vars=True)
        found = {}
        for name, wanted in _like(block).state_dict().items():
            first, index, rest = name.split(".", 2)
            if index == "2" and not block.squeezes:  # squeeze-excitation stands here, before the last convolution
                index = "3"
            found[name] = _first(held[f"{first}.{index}.{rest}"], wanted)
        return found

    def _widest(self, block: Block) -> nn.Module:
        found = self.taken("block", block.operator)
        assert found is not None
        return found

    def change(self, place: Connection) -> tuple[int, int]:
        raise _no_mixture()


class MobileBody(SharedBody):
    """Stem, elastic blocks and last convolution, for every network of a space.

    Features of networks that halve their images are repeated to the sides of the others, so that one head fits all.
    """

    def __init__(self, family: MobileCell, space: SearchSpace, size: NetworkSize) -> None:
        super().__init__()
        self._family, self._size = family, size
        operators = {one.name: one.operators for one in space.layers}
        most = {one.name: one.operators[0] for one in family.layers} | {RESOLUTION: "full"}
        most |= {name: "wide" for name in operators if name.endswith(".width")}
        most |= {name: "se" for name in operators if name.endswith(".se")}
        plan = plan_of(most, channels=size.channels, cells=size.cells, image_size=size.image_size)
        names = [name for stage in range(1, STAGES + 1) for name in blocks_of(stage)]
        backbone = MobileBackbone(plan, size.image_channels)
        self.stem, self.last = backbone.stem, backbone.last
        self.blocks = nn.ModuleList(
            ElasticBlock(block, operators[names[at // size.cells]]) for at, block in enumerate(plan.blocks)
        )
        initialise(self)
        self.out_channels, self.reduction = plan.out_channels, plan.reduction

    def forward(self, images: Tensor, architecture: Architecture) -> Tensor:
        plan, places = self._path(architecture)
        features: Tensor = self.stem(halved(images) if plan.halved else images)
        for place, block in zip(places, plan.blocks, strict=True):
            features = self.blocks[place](features, block)
        narrow, last = _last(plan.blocks[-1].channels_out, self.out_channels), self.last.state_dict(keep_vars=True)
        weights = {name: _first(last[name], wanted) for name, wanted in narrow.state_dict().items()}
        found = called(narrow, self.last, weights, features)
        sides = [-(-side // self.reduction) for side in images.shape[2:]]
        return found if list(found.shape[2:]) == sides else functional.interpolate(found, size=sides)

    def _path(self, architecture: Architecture) -> tuple[Plan, list[int]]:
        """The network, and the places of its blocks among those here."""
        chosen, cells = self._family.chosen(architecture), self._size.cells
        plan = plan_of(chosen, channels=self._size.channels, cells=cells, image_size=self._size.image_size)
        names = [name for stage in range(1, STAGES + 1) for name in blocks_of(stage)]
        there = [at for at, name in enumerate(names) if chosen[name] != SKIP]
        return plan, [at * cells + repeat for at in there for repeat in range(cells)]

    def weights_of(self, architecture: Architecture) -> dict[str, Tensor]:
        """The state dict of the architecture's own backbone with the weights that it inherits: views."""
        plan, places = self._path(architecture)
        found = {f"stem.{name}": tensor for name, tensor in self.stem.state_dict(keep_vars=True).items()}
        for at, (place, block) in enumerate(zip(places, plan.blocks, strict=True)):
            here = self.blocks[place]
            assert isinstance(here, ElasticBlock)
            found |= {f"blocks.{at}.{name}": tensor for name, tensor in here.weights_of(block).items()}
        last, narrow = self.last.state_dict(keep_vars=True), _last(plan.blocks[-1].channels_out, self.out_channels)
        return found | {f"last.{name}": _first(last[name], wanted) for name, wanted in narrow.state_dict().items()}

    def through(self, images: Tensor, compute: Compute) -> Tensor:
        raise _no_mixture()

    def by_edge(self, architecture: Architecture) -> list[dict[str, str]]:
        raise _no_mixture()


def called(narrow: nn.Module, widest: nn.Module, weights: Mapping[str, Tensor], features: Tensor) -> Tensor:
    """The output of ``narrow`` with these weights. Its norms learn as those of ``widest`` are told to."""
    norms = [next(m for m in module.modules() if isinstance(m, nn.BatchNorm2d)) for module in (narrow, widest)]
    for module in narrow.modules():
        module.training = norms[1].training
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = norms[1].momentum
    result: Tensor = functional_call(narrow, dict(weights), (features,))
    return result


def _first(held: Tensor, wanted: Tensor) -> Tensor:
    """The first channels of a tensor, as many as ``wanted`` has: a view."""
    return held[tuple(slice(length) for length in wanted.shape)]


@lru_cache(maxsize=2048)
def _like(block: Block) -> nn.Module:
    """The block's module without memory: shapes alone."""
    with torch.device("meta"):
        return block_module(block)


@lru_cache(maxsize=64)
def _last(channels_in: int, channels_out: int) -> nn.Module:
    with torch.device("meta"):
        return layer(channels_in, channels_out, 1)


def _no_mixture() -> SpaceError:
    return SpaceError("a space whose operators are mixed in sums", "mobile", "choose another search.method")
