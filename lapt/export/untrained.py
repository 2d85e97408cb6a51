"""Networks that nothing was trained for, in the size of their benchmark: of runs whose scores come from elsewhere."""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple, Self

import torch

from lapt.data.images import ImageData
from lapt.errors import ConfigError, or_meant
from lapt.export.onnx import onnx_model
from lapt.export.source import python_source, untold
from lapt.networks.family import NetworkSize, networks_of
from lapt.spaces import Architecture, SearchSpace
from lapt.training.network import build
from lapt.training.tasks import Task, make_task

Shape = tuple[int, int, int]
"""Channels, height and width of images."""


class Untrained(NamedTuple):
    """The size of a classifier that is written untrained. ``images``: its input."""

    channels: int = 16
    cells: int = 1
    classes: int = 10
    images: Shape = (3, 32, 32)

    @classmethod
    def of(cls, space: SearchSpace, task: str, changes: str | None = None) -> Self:
        """The published size of the space's networks for a task. ``changes``: such as "classes=5,images=1x28x28".

        Raises ConfigError for changes that are not of this form.
        """
        published = cls(**(_SPACES.get(space.family.name, {}) | _TASKS.get(task, {})))
        return published._replace(**dict(map(_changed, changes.split(",")))) if changes else published

    @property
    def described(self) -> str:
        """Classes and images in words, then the size."""
        shape = "x".join(map(str, self.images))
        return f"{self.classes} classes of {shape} images, channels {self.channels}, cells {self.cells}"

    def content(
        self, space: SearchSpace, architecture: Architecture, format: Literal["onnx", "python"], about: str
    ) -> bytes:
        """The file. ``about``: sentences for readers of the source. Raises LaptError if the network cannot be built."""
        if format == "python":
            size: dict[str, Any] = {"channels": self.channels, "cells": self.cells}
            return python_source(space, architecture, self._task, about=about, **size).encode()
        built = NetworkSize(self.channels, self.cells, image_channels=self.images[0], image_size=self.images[1:])
        network = build(lambda: networks_of(space).backbone(architecture, built), self._task, seed=0)
        return onnx_model(network, self.images, untold(self._task))

    @property
    def _task(self) -> Task:
        classes = tuple(f"class {number}" for number in range(self.classes))
        none = torch.zeros((0, *self.images), dtype=torch.uint8)
        return make_task("classification", ImageData(none, torch.zeros(0, dtype=torch.int64), classes))


# As in ``NetworkSize``; TransNAS-Bench-101's images are of 256 x 256 pixels.
_SPACES: dict[str, dict[str, Any]] = {
    "nas201": {"channels": 16, "cells": 5},
    "trans101": {"channels": 64, "cells": 2, "images": (3, 256, 256)},
    "darts": {"channels": 36, "cells": 6},
}
_TASKS: dict[str, dict[str, Any]] = {
    "cifar100": {"classes": 100},
    "imagenet16_120": {"classes": 120, "images": (3, 16, 16)},
    "class_scene": {"classes": 47},
    "class_object": {"classes": 75},
}


def _changed(part: str) -> tuple[str, Any]:
    name, _, value = (text.strip() for text in part.partition("="))
    form = "CxHxW, such as 3x32x32" if name == "images" else "a positive number"
    pattern = r"[1-9]\d{0,4}x[1-9]\d{0,4}x[1-9]\d{0,4}" if name == "images" else r"[1-9]\d{0,4}"
    if name not in Untrained._fields:
        known = list(Untrained._fields)
        raise ConfigError(f"--network of {', '.join(known)}", repr(name), or_meant(name, known, "name one of them"))
    if not re.fullmatch(pattern, value):
        raise ConfigError(f"--network {name}={form}", repr(value), "correct it")
    return name, tuple(map(int, value.split("x"))) if name == "images" else int(value)
