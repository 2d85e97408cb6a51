"""State of a training, with which it goes on after a kill as if nothing had happened."""

from __future__ import annotations

import io
from typing import Any, NotRequired, TypedDict

import torch
from torch import Tensor, nn


class State(TypedDict):
    """State after an epoch: weights and buffers, the optimiser's moments, the losses so far, and all random states."""

    network: dict[str, Any]
    optimiser: dict[str, Any]
    losses: list[float]
    seconds: float
    """Wall time so far, of all attempts."""
    draws: Tensor
    """State of the generator of orders, augmentations and examples."""
    chance: list[Tensor]
    """States of torch's global generators: of the CPU, and of the GPU where the training runs on one."""
    average: NotRequired[dict[str, Any]]
    """The moving average of the weights; empty if there is none."""


def written(state: State) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def read(state: bytes) -> State:
    found: State = torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
    return found


def chance(device: torch.device) -> list[Tensor]:
    gpu = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return [torch.get_rng_state(), *gpu]


def restore(
    state: State, network: nn.Module, optimiser: torch.optim.Optimizer, draws: torch.Generator, device: torch.device
) -> None:
    """Restore the state."""
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    draws.set_state(state["draws"])
    torch.set_rng_state(state["chance"][0])
    if device.type == "cuda":
        for gpu in state["chance"][1:]:
            torch.cuda.set_rng_state(gpu, device)
