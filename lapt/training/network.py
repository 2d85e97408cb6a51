"""A backbone with a task's head, for raw pixels as input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from lapt.errors import ConfigError
from lapt.training.tasks import Task


class Backbone(Protocol):
    """A module from images [B, C, H, W] to features [B, out_channels, H / reduction, W / reduction]."""

    out_channels: int
    reduction: int

    def __call__(self, images: Tensor) -> Tensor: ...


@runtime_checkable
class WithEarly(Protocol):
    """A backbone with earlier features for a second head."""

    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The features and the earlier ones."""
        ...

    def auxiliary_head(self, outputs: int) -> nn.Module:
        """The second head, from the earlier features to [B, outputs]."""
        ...


class TaskNetwork(nn.Module):
    """Normalisation, backbone and head: all that is needed to use the network on new images in 0..1."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, backbone: Backbone, head: nn.Module, channels: int, auxiliary: nn.Module | None = None) -> None:
        """``auxiliary``: a second head, for training alone; None drops it."""
        super().__init__()
        self.backbone = cast(nn.Module, backbone)
        self.head = head
        self.auxiliary = auxiliary
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("deviation", torch.ones(channels, 1, 1))

    def normalise_by(self, mean: Tensor, deviation: Tensor) -> None:
        """``mean``, ``deviation``: [C], of the training images in 0..1."""
        self.mean.copy_(mean.reshape(self.mean.shape))
        self.deviation.copy_(deviation.reshape(self.mean.shape))

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.head(self.backbone((images - self.mean) / self.deviation))
        return output

    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The output, and that of the auxiliary head."""
        assert self.auxiliary is not None
        features, early = cast(WithEarly, self.backbone).both((images - self.mean) / self.deviation)
        return self.head(features), self.auxiliary(early)

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())


def build(backbone: Callable[[], Backbone], task: Task, *, seed: int, auxiliary: bool = False) -> TaskNetwork:
    """A network initialised on the CPU by ``seed``, for any device. Torch's global generator stays as it was.

    ``auxiliary``: with a second head. Raises ConfigError if the backbone or the task has no place for one.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = backbone()
        head = task.head(body.out_channels, body.reduction)
        second = _auxiliary(body, head, task) if auxiliary else None
        return TaskNetwork(body, head, task.shape[0], second)


def _auxiliary(body: Backbone, head: nn.Module, task: Task) -> nn.Module:
    last = head[-1] if isinstance(head, nn.Sequential) else None
    if not isinstance(body, WithEarly) or not isinstance(last, nn.Linear):
        raise ConfigError(
            "DARTS cells and a task of labels, for an auxiliary head",
            f"{type(body).__name__} and {task.name}",
            "say recipe.auxiliary: 0",
        )
    return body.auxiliary_head(last.out_features)
