"""Weights carried from one network to another by the role they play."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from published_networks import PublishedCell, PublishedNetwork, Zero
from torch import nn

from lapt.families.dag.networks.family import CellNetwork
from lapt.networks import Classifier


def randomise(network: nn.Module, seed: int = 0) -> None:
    """Every parameter from a normal distribution, those of batch normalisation too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))


def weighted(module: nn.Module) -> list[nn.Module]:
    return [m for m in module.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d, nn.Linear))]


def pairs(one: nn.Module, other: nn.Module) -> list[tuple[nn.Module, nn.Module]]:
    return list(zip(weighted(one), weighted(other), strict=True))


def roles(published: PublishedNetwork, ours: Classifier) -> list[tuple[nn.Module, nn.Module]]:
    """(theirs, ours) for every module of ours with weights."""
    body = ours.backbone
    found = pairs(published.classifier, ours.head)
    if body.norm is not None:
        found += pairs(published.lastact, body.norm)
    if body.is_dead:
        return found
    found += pairs(published.stem, body.stem)
    for theirs, block in zip(published.blocks, body.blocks, strict=True):
        if isinstance(block, CellNetwork):
            for name, edge in block.edges.items():
                found += pairs(theirs.edges[name], edge)
        else:
            found += pairs(theirs, block)
    return found


def without_biases_of_nothing(published: PublishedNetwork) -> None:
    """Sets to zero what convolutions of unfed nodes add: the bias of their normalisation, as it starts training."""
    for cell in published.blocks:
        if isinstance(cell, PublishedCell):
            fed = {0}
            for name, (source, target) in zip(cell.family.layer_names, cell.family.edges, strict=True):
                if isinstance(cell.edges[name], Zero):
                    continue
                if source in fed:
                    fed.add(target)
                else:
                    for module in weighted(cell.edges[name]):
                        if isinstance(module, nn.BatchNorm2d):
                            nn.init.zeros_(module.bias)


def copy(found: Iterable[tuple[nn.Module, nn.Module]]) -> None:
    for source, target in found:
        target.load_state_dict(source.state_dict())
