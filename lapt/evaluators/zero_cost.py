"""Scores of untrained networks, which read no data and no label: SynFlow and NASWOT. Higher is better.

Both use a network of ``CHANNELS``, ``CELLS`` and images that are 16 pixels a side where the cells begin, not of its
published size, so that a whole space takes a minute or two. NASWOT's images are noise, where its authors take the
task's. Cells that compute the same function share the score of their canonical form. A cell that computes nothing has
minus infinity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lapt.networks.family import Classifier, Features, NetworkSize, networks_of
from lapt.spaces import Architecture, SearchSpace
from lapt.training.device import with_threads

CHANNELS, CELLS, BATCH, CLASSES = 8, 1, 32, 10
"""Width after the stem, cells a stage or module, images (NASWOT alone), outputs (SynFlow alone)."""
_SIDE = 16
"""Pixels a side where the cells begin."""
_SEED = 0


def synflow(network: nn.Module, images: Tensor) -> float:
    """log of sum |theta dR/dtheta| (Tanaka et al. 2020; as a score of architectures, Abdelfattah et al. 2021).

    R is the sum of all outputs for ``images`` of ones [1, C, H, W] when every weight has its absolute value and nothing
    is normalised; the sum is over weights without biases. The logarithm keeps the order. The network is used up.
    """
    _without_norms(network)
    network.double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    network(images.double()).sum().backward()
    weights = [weight for weight in network.parameters() if weight.dim() > 1]
    flows = [(weight.detach() * weight.grad).abs().sum() for weight in weights if weight.grad is not None]
    total = sum(float(flow) for flow in flows)
    return math.log(total) if total > 0 else -math.inf


def naswot(network: Features, images: Tensor) -> float:
    """log |det K|, K[i, j] = number of ReLUs in the same state for images i and j (Mellor et al. 2021, equation 2).

    [B, C, H, W] images, batch statistics. A ReLU counts once for each operator that reads it, as in the published
    networks, where each operator has its own. Minus infinity if no ReLU tells two images apart.
    """
    codes: list[Tensor] = []

    def remember(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        codes.append((inputs[0] > 0).flatten(1))

    hooks = [reader.register_forward_pre_hook(remember) for reader in network.readers()]
    network.train()
    with torch.no_grad():
        features = network(images)
    for hook in hooks:
        hook.remove()
    if network.rectified:
        codes.append((features > 0).flatten(1))
    return log_determinant(alike(codes)) if codes else -math.inf


def alike(codes: Sequence[Tensor]) -> Tensor:
    """B x B, double: number of places at which the codes of two images agree. ``codes``: each B x any number of
    booleans."""
    kernel = torch.zeros((len(codes[0]), len(codes[0])), dtype=torch.float64)
    for code in codes:
        on = code.float()  # counts are below 2^24, which single precision holds exactly
        off = 1 - on
        kernel += on @ on.T + off @ off.T
    return kernel


def log_determinant(kernel: Tensor) -> float:
    sign, log = torch.linalg.slogdet(kernel)
    return float(log) if float(sign) > 0 else -math.inf


def _without_norms(network: nn.Module) -> None:
    for name, child in network.named_children():
        if isinstance(child, _BatchNorm):
            setattr(network, name, nn.Identity())
        else:
            _without_norms(child)


def _synflow(network: Features, side: int) -> float:
    return synflow(Classifier(network, CLASSES), torch.ones(1, 3, side, side))


def _naswot(network: Features, side: int) -> float:
    return naswot(network, torch.randn(BATCH, 3, side, side, generator=torch.Generator().manual_seed(_SEED)))


SCORES: dict[str, Callable[[Features, int], float]] = {"synflow": _synflow, "naswot": _naswot}
"""Name -> function of a network with fresh weights and the side of the images. The network is used up."""


@lru_cache(maxsize=8)
def zero_cost_scores(space: SearchSpace, score: str) -> Mapping[Architecture, float]:
    """Member -> score, for every member of a space, computed once per process. ``score``: one of ``SCORES``.

    Weights and images are drawn by one seed, the same for every architecture. One thread.
    """
    networks, size = networks_of(space), NetworkSize(CHANNELS, CELLS)
    side = _SIDE * networks.stem_stride(size)
    forms = {member: space.canonical(member) for member in space.listed()}
    found: dict[Architecture, float] = {}
    with torch.random.fork_rng(devices=[]), with_threads(1):
        for form in dict.fromkeys(forms.values()):
            torch.manual_seed(_SEED)
            network = networks.backbone(form, size)
            found[form] = -math.inf if network.is_dead else SCORES[score](network, side)
    return {member: found[form] for member, form in forms.items()}
