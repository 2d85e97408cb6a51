"""The files of an export: a network that the store has weights of, or one that nothing was trained for."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import torch

from lapt.data.facts import Images
from lapt.data.images import standing_in
from lapt.errors import ConfigError
from lapt.evaluators.images import TrainingSpec
from lapt.evaluators.training import network_of
from lapt.export.onnx import ExportError, onnx_model
from lapt.export.source import python_source
from lapt.export.weights import with_config
from lapt.inference.card import Card
from lapt.spaces import Architecture
from lapt.training.network import TaskNetwork
from lapt.training.tasks import TASKS, Task, make_task
from lapt.training.tasks.kinds import Classification

Format = Literal["state-dict", "onnx", "python"]


@dataclass(frozen=True)
class Exported:
    """A network with all that its files say.

    ``spec``: of its training. ``architecture``: canonical, as it is trained. ``images``: the facts about its training
    images, which themselves are not needed. ``weights``: a state dict as ``torch.save`` writes it; None for random
    weights. ``told``: facts about the run. ``declared``: the declaration of its training.
    """

    spec: TrainingSpec
    architecture: Architecture
    images: Images
    weights: bytes | None
    told: Mapping[str, Any] = field(default_factory=dict)
    declared: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def task(self) -> Task:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are about labels, of which one image has few
            return make_task(self.spec.task, standing_in(self.images), score=self.spec.score)

    @cached_property
    def network(self) -> TaskNetwork:
        """Raises ExportError for weights of another network."""
        try:
            return network_of(self.spec, self.architecture, self.weights, task=self.task)
        except RuntimeError as error:
            raise ExportError(
                f"weights of a network for {len(self.images.classes)} classes of {self.images.source}",
                " ".join(str(error).split())[:160],
                "restore the images that it was trained on",
            ) from None

    @cached_property
    def card(self) -> Card:
        mean, deviation = (buffer.flatten().tolist() for buffer in (self.network.mean, self.network.deviation))
        return Card.of_images(
            self.images,
            self.task.name,
            mean,
            deviation,
            space=self.spec.space.name,
            architecture=self.spec.space.encode(self.architecture),
            trained=self.weights is not None,
            told=self.told,
        )

    def content(self, format: Format) -> dict[str, bytes]:
        """Suffix -> content of the files of a format; beside the Python file its weights.

        Raises LaptError: no weights for a file of weights, networks of another builder as Python.
        """
        if format == "onnx":
            return {".onnx": onnx_model(self.network, self.task.shape, self.card)}
        if format == "state-dict":
            return {".pt": self._weights()}
        builder = self.spec.space.family.builder
        if builder is not None:
            raise ConfigError(
                "--format state-dict or onnx, of networks that are not LAPT's own",
                f"python, of one that {builder} builds",
                "choose one of them: the source is that builder's",
            )
        size = self.spec.size_of_network
        about = "" if self.weights is not None else "Not trained: its weights are random."
        source = python_source(self.spec.space, self.architecture, self.task, self.card, about=about, **size).encode()
        return {".py": source} if self.weights is None else {".py": source, ".pt": self._weights()}

    def _weights(self) -> bytes:
        if self.weights is None:
            raise ConfigError(
                "a trained network, for state-dict",
                f"{self.card.architecture}, of which the store has no weights",
                "train it with --train, or export it untrained with --format python or onnx",
            )
        declared = {"space": self.spec.space.name, "task": self.spec.task, **self.declared}
        if (builder := self.spec.space.family.builder) is not None:
            declared["builder"] = builder
        config = {**self.told, "architecture": self.card.architecture, "training": declared, "export": self.card.facts}
        return with_config(self.weights, config)


def guessed_images(spec: TrainingSpec, weights: bytes) -> Images:
    """The facts about images that are gone, as far as trained weights tell: channels and the number of classes.

    Raises ConfigError where this does not do: for another task than classification, and where the pipeline names no
    size.
    """
    if spec.height_and_width is None or TASKS[spec.task] is not Classification:
        raise ConfigError(
            f"the images {spec.data}, of which a training by an earlier version of LAPT kept no note",
            "none there",
            "restore them, or train the network again",
        )
    state = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
    outputs = [tensor.shape[0] for name, tensor in state.items() if name.startswith("head.")][-1]
    classes = tuple(f"class {number}" for number in range(outputs))
    return Images(spec.data, "", (len(state["mean"]), *spec.height_and_width), classes, spec.background)
