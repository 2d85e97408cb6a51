"""Training of a supernet, and scores of architectures with the weights that they inherit from it."""

from __future__ import annotations

import hashlib
import io
from typing import Any, cast

import torch
from torch import Tensor

from lapt.data.images import ImageData
from lapt.networks import Supernet
from lapt.spaces import Architecture, SearchSpace
from lapt.training.device import with_threads
from lapt.training.loop import Measured, Trained, evaluate, placed, recalibrate, train
from lapt.training.network import TaskNetwork, build
from lapt.training.recipe import Recipe
from lapt.training.tasks import Task

CALIBRATION_IMAGES = 512
"""Training images for the statistics of batch normalisation, which each architecture computes again."""


class TrainedSupernet:
    """A supernet with a task's head. Trained once, it scores any architecture of its space in seconds.

    ``size``: as in ``Supernet``, without the images' channels. Training is ``lapt.training.train``: each step computes
    one architecture, uniform over the space. Scoring: batch normalisation first learns the statistics of this
    architecture's own activations (those left by the training are a mixture of all), then the validation images are
    scored.
    """

    def __init__(self, space: SearchSpace, task: Task, recipe: Recipe, *, seed: int, **size: Any) -> None:
        """Raises LaptError for a supernet that cannot be built."""
        self.space, self.task, self.recipe, self.seed = space, task, recipe, seed
        channels, image_size = task.shape[0], task.shape[1:]
        self.network: TaskNetwork = build(
            lambda: Supernet(space, image_channels=channels, image_size=image_size, seed=seed, **size), task, seed=seed
        )

    @property
    def supernet(self) -> Supernet:
        return cast(Supernet, self.network.backbone)

    def inherit(self, other: TrainedSupernet) -> int:
        """Start from the weights of another supernet, of a larger or smaller space or another task.

        The head's weights are taken over if it has the same outputs. Returns the number of tensors.
        """
        mine, theirs = (network.head.state_dict() for network in (self.network, other.network))
        same = {name: tensor.shape for name, tensor in mine.items()} == {n: t.shape for n, t in theirs.items()}
        if same:
            self.network.head.load_state_dict(theirs)
        return self.supernet.inherit(other.supernet) + same * len(mine)

    @property
    def digest(self) -> str:
        """SHA-256 of all weights and buffers."""
        sha = hashlib.sha256()
        for name, tensor in self._tensors().items():
            sha.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
            sha.update(tensor.numpy().data)
        return sha.hexdigest()

    @property
    def weights(self) -> bytes:
        """All weights and buffers, as ``torch.save`` writes them."""
        buffer = io.BytesIO()
        torch.save(self._tensors(), buffer)
        return buffer.getvalue()

    def load(self, weights: bytes, device: torch.device) -> None:
        """Load ``weights``, on ``device``, ready to score."""
        tensors = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
        self.network.load_state_dict(tensors, strict=False)  # where the draws of paths stand matters to training alone
        placed(self.network, device, self.recipe)

    def _tensors(self) -> dict[str, Tensor]:
        state = self.network.state_dict()
        return {name: t.cpu().contiguous() for name, t in state.items() if isinstance(t, Tensor)}

    def train(self, training: ImageData, validation: ImageData, **how: Any) -> Trained:
        """Train the supernet. Its score is that of random architectures, one a batch, with common statistics: a sign of
        learning. ``how``: device, threads, on_epoch and checkpoint, as in ``lapt.training.train``."""
        return train(self.network, self.task, training, validation, self.recipe, seed=self.seed, **how)

    def score(
        self,
        architecture: Architecture,
        training: ImageData,
        validation: ImageData,
        *,
        threads: int | None = 1,
        calibration_images: int = CALIBRATION_IMAGES,
    ) -> Measured:
        """Score of an architecture of the space, whatever was scored before. Raises SpaceError, Diverged."""
        count = min(calibration_images, len(training))
        spread = torch.linspace(0, len(training) - 1, count).long()  # folders are sorted by class
        with self.supernet.only(architecture), with_threads(threads):
            seen = training.subset(spread.to(training.device)).to(self.network.mean.device)
            recalibrate(self.network, self.task, seen, self.recipe, torch.Generator().manual_seed(0))
            return evaluate(self.network, self.task, validation, self.recipe, threads=threads)
