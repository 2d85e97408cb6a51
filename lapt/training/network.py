"""A backbone with a task's head, which takes pixels as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from lapt.training.tasks import Task


class Backbone(Protocol):
    """A module from images [B, C, H, W] to features [B, out_channels, H / reduction, W / reduction]."""

    out_channels: int
    reduction: int

    def __call__(self, images: Tensor) -> Tensor: ...


class TaskNetwork(nn.Module):
    """Normalises, then backbone, then head: all that is needed to use the network on new images in 0..1."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, backbone: Backbone, head: nn.Module, channels: int) -> None:
        super().__init__()
        self.backbone = cast(nn.Module, backbone)
        self.head = head
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("deviation", torch.ones(channels, 1, 1))

    def normalise_by(self, mean: Tensor, deviation: Tensor) -> None:
        """``mean``, ``deviation``: [C], of the training images in 0..1."""
        self.mean.copy_(mean.reshape(self.mean.shape))
        self.deviation.copy_(deviation.reshape(self.mean.shape))

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.head(self.backbone((images - self.mean) / self.deviation))
        return output

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())


def build(backbone: Callable[[], Backbone], task: Task, *, seed: int) -> TaskNetwork:
    """Initialised on the CPU by ``seed``, whatever the device; torch's global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = backbone()
        return TaskNetwork(body, task.head(body.out_channels, body.reduction), task.shape[0])
