"""One network whose weights every architecture of a space inherits (Guo et al. 2020: one path at a time)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lapt.networks.family import NetworkSize, networks_of
from lapt.networks.shared import SharedCell
from lapt.spaces import Architecture, SearchSpace


class Supernet(nn.Module):
    """A backbone over a whole space, with no operators but the space's: a smaller space has a smaller supernet.

    [B, image_channels, H, W] -> [B, out_channels, H/reduction, W/reduction], as the backbone of one architecture
    (``lapt.networks.backbone``) whose modules are shared. Every forward pass draws one architecture, uniform
    over the space, and computes that alone; inside ``only`` it is the one given. The draws depend on ``seed``,
    and their state is part of the state dict, so that training can go on where it stopped.

    ``size``: as of ``NetworkSize``; initial weights come from torch's global generator. Raises SpaceError for a space
    whose networks share no weights.
    """

    def __init__(self, space: SearchSpace, *, seed: int = 0, **size: Any) -> None:
        super().__init__()
        built = NetworkSize(**size)
        self.space, self.image_channels = space, built.image_channels
        self._rng = np.random.default_rng([seed, 0x5B])
        self._only: Architecture | None = None
        self.body = networks_of(space).shared_body(space, built, partial=1)
        self.out_channels, self.reduction = self.body.out_channels, self.body.reduction

    def forward(self, images: Tensor) -> Tensor:
        architecture = self._only
        if architecture is None:
            architecture = self.space.sample(self._rng)
        features: Tensor = self.body(images, architecture)
        return features

    @contextmanager
    def only(self, architecture: Architecture) -> Iterator[None]:
        """Compute only this architecture, a member of the space, in forward passes. Raises SpaceError for another."""
        self._only, before = self.space.as_member(architecture), self._only
        try:
            yield
        finally:
            self._only = before

    def inherit(self, other: Supernet) -> int:
        """Take over the weights that another supernet of the family has too. Returns the number of tensors."""
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
        """The state of the generator that draws paths."""
        return self._rng.bit_generator.state

    def set_extra_state(self, state: Any) -> None:
        self._rng.bit_generator.state = state


@torch.no_grad()
def same_weights(supernet: Supernet, architecture: Architecture, network: nn.Module) -> None:
    """Copy the weights that ``architecture`` inherits into its backbone, as ``lapt.networks.backbone`` builds it.

    For a training that starts from inherited weights, and for tests that both compute the same.
    """
    inherited = supernet.state_dict()
    operators = supernet.body.by_edge(architecture)
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        tensor.copy_(inherited[_shared_name(name, operators)])


def _shared_name(name: str, operators: list[dict[str, str]]) -> str:
    """``blocks.0.edges.0->1.conv.weight`` -> ``body.blocks.0.edges.0->1.nor_conv_3x3.conv.weight``."""
    parts = name.split(".")
    if "edges" in parts:
        at = parts.index("edges") + 1
        parts.insert(at + 1, operators[int(parts[at - 2])][parts[at]])
    return ".".join(["body", *parts])
