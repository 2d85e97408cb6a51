"""Making and training of small networks: seeded, with whole batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


def seeded(make: Callable[[], Module], seed: int) -> Module:
    """A new module with weights drawn by ``seed``; torch's global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def fit(module: nn.Module, loss: Callable[[], Tensor], *, steps: int, rate: float, decay: float = 0.0) -> None:
    """Train ``module`` by Adam (Kingma and Ba 2015), in place. ``rate``: of learning; ``decay``: of weights."""
    optimiser = torch.optim.Adam(module.parameters(), lr=rate, weight_decay=decay)
    for _ in range(steps):
        optimiser.zero_grad()
        loss().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
