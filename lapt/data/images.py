"""Image data: the images of one size with their labels, and stratified hold-outs by seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lapt.data.facts import Images
from lapt.data.pictures import Look
from lapt.data.pixels import Pixels, StoredPixels, blocks
from lapt.errors import DataError

IGNORED = 255
"""Segmentation label of pixels that count neither in the loss nor in the metric."""


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images of one size, in memory or in a file.

    ``images``: uint8 [N, C, H, W], a tensor or ``StoredPixels``; ``labels``: int64 [N], indices into ``classes`` (all 0
    when there are no classes).
    ``targets``: of dense and regression tasks: float32 [N, K] or [N, K, H, W], or int64 [N, H, W] of segmentation
    labels with 255 for ignored pixels. ``flippable``: a mirror image keeps its label. ``components``: names of the K
    components of targets [N, K], if they have names.
    """

    images: Pixels
    labels: Tensor
    classes: tuple[str, ...] = ()
    targets: Tensor | None = None
    flippable: bool = True
    name: str = "images"
    components: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.dim() != 4 or 0 in self.images.shape[1:]:
            self._refuse("images as uint8 [N, C, H, W]", _described(self.images))
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            self._refuse(f"labels as int64 [{len(self)}]", _described(self.labels))
        if self.targets is not None and len(self.targets) != len(self):
            self._refuse(f"{len(self)} targets, one an image", f"{len(self.targets)}")
        if len(self) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < max(1, len(self.classes)):
            found = f"labels from {int(self.labels.min())} to {int(self.labels.max())}"
            self._refuse(f"labels from 0 to {len(self.classes) - 1}", found)

    def _refuse(self, expected: str, got: str) -> None:
        raise DataError(f"{expected} in {self.name}", got, "correct the data")

    def __len__(self) -> int:
        return self.images.shape[0]

    @property
    def device(self) -> torch.device:
        """The place of the images that are read."""
        return self.images.device

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all content. The place of the data and the device do not matter."""
        named = (self.classes, self.flippable, *([self.components] if self.components else []))

        def hashed(*, pixels: bool = True) -> str:
            sha = hashlib.sha256(repr(named).encode())
            sha.update(_described(self.images).encode())
            for block in blocks(self.images) if pixels else ():
                sha.update(block.contiguous().numpy().data)
            for tensor in (self.labels, self.targets):
                if tensor is not None:
                    sha.update(_described(tensor).encode())
                    sha.update(tensor.detach().cpu().contiguous().numpy().data)
            return sha.hexdigest()

        if not isinstance(self.images, StoredPixels):
            return hashed()
        return str(self._once(f"digest-{hashed(pixels=False)}", lambda: np.array(hashed())))

    @cached_property
    def spans(self) -> Tensor:
        """uint8 [N, 2]: the lowest and the highest value of each image."""

        def found() -> np.ndarray:
            none, flat = torch.empty((0, 2), dtype=torch.uint8), (block.flatten(1) for block in blocks(self.images))
            each = (torch.stack([pixels.amin(1), pixels.amax(1)], 1) for pixels in flat)
            return torch.cat([none, *each]).numpy()

        return torch.from_numpy(self._once("spans", found))

    @cached_property
    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation per channel, float32 [C] on the CPU, of pixels scaled to 0..1.

        From exact counts of the 256 values; a constant channel has the standard deviation of one grey level.
        """
        values = torch.arange(256, dtype=torch.float64) / 255
        channels, height, width = self.shape

        def found() -> np.ndarray:
            counts = np.zeros((channels, 256), dtype=np.int64)
            for block in blocks(self.images):
                for channel in range(channels):
                    counts[channel] += _histogram(block[:, channel].contiguous().numpy())
            return counts

        counts = torch.from_numpy(self._once("levels", found))
        shares = counts.double() / max(1, len(self) * height * width)
        mean = shares @ values
        deviation = (shares @ values**2 - mean**2).clamp(min=0).sqrt()
        return mean.float(), deviation.clamp(min=1 / 255).float()

    def _once(self, name: str, found: Callable[[], np.ndarray]) -> np.ndarray:
        """Compute from all images; of a file, once for all processes. Raises DataError if the result cannot be kept
        there."""
        if not isinstance(self.images, StoredPixels):
            return found()
        try:
            return self.images.remembered(name, found)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            folder = self.images.file.parent
            remedy = "make room there, or name another folder with LAPT_CACHE"
            raise DataError(f"decoded images in {folder}, and facts about them", reason, remedy) from None

    def subset(self, indices: Tensor) -> ImageData:
        """The images at ``indices``, int64 [n]."""
        at, images = indices.to(self.device), self.images
        chosen = images.only(at) if isinstance(images, StoredPixels) else images[at]
        targets = None if self.targets is None else self.targets[at]
        return replace(self, images=chosen, labels=self.labels[at], targets=targets)

    def to(self, device: torch.device) -> ImageData:
        if self.device == device:
            return self
        targets = None if self.targets is None else self.targets.to(device)
        return replace(self, images=self.images.to(device), labels=self.labels.to(device), targets=targets)


@dataclass(frozen=True)
class DataSets:
    """The training images of a source, and its test images, which are decoded by the first ``test()``, for the final
    report.

    ``validation``: the source's own validation images; without them, ``split`` draws some. ``look``: the format that
    files were brought to; None for images that came as arrays.
    """

    train: ImageData
    load_test: Callable[[], ImageData | None]
    validation: ImageData | None = None
    look: Look | None = None

    def test(self) -> ImageData | None:
        """The test images; None if the source has no test split."""
        return self._test

    @cached_property
    def _test(self) -> ImageData | None:
        return self.load_test()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all data of a search: the training images and the source's own validation images."""
        if self.validation is None:
            return self.train.digest
        return hashlib.sha256(f"{self.train.digest} {self.validation.digest}".encode()).hexdigest()

    def noted(self, source: str) -> Images:
        """The facts about these images, for a network that is trained on them. ``source``: their declaration."""
        channels, height, width = self.train.shape
        look = self.look or Look((height, width), channels == 1)
        facts = Images(source, self.digest, self.train.shape, self.train.classes, look.background, dict(look.ranges))
        targets = self.train.targets
        if targets is None:
            return facts
        labels = None if targets.is_floating_point() else targets[targets != IGNORED]
        highest = None if labels is None or not labels.numel() else int(labels.max())
        return replace(facts, target=tuple(targets.shape[1:]), highest=highest, components=self.train.components)

    def split(self, validation_share: float, seed: int, *, limit: int | None = None) -> tuple[ImageData, ImageData]:
        """(training, validation): the source's own validation images, or else a hold-out; see ``sides``."""
        if self.validation is None:
            return split(self.train, validation_share, seed, limit=limit)
        return limited(self.train, limit, seed), self.validation


def standing_in(images: Images) -> ImageData:
    """One black image with the shape, the classes and the highest label of the images, for building their network."""
    targets = None
    if images.target is not None:
        kind = torch.float32 if images.highest is None else torch.int64
        targets = torch.full((1, *images.target), images.highest or 0, dtype=kind)
    black = torch.zeros((1, *images.shape), dtype=torch.uint8)
    none = torch.zeros(1, dtype=torch.int64)
    return ImageData(black, none, images.classes, targets, name=images.source, components=images.components)


def copies(data: DataSets, validation_share: float, seed: int, *, limit: int | None = None) -> dict[str, int]:
    """Split -> number of its images that equal, pixel by pixel, an image used for learning; without zeros.

    The arguments are those of ``DataSets.split``. Reads the test images.
    """
    every, test = _fingerprints(data.train), data.test()
    learned, validation = every, [] if data.validation is None else _fingerprints(data.validation)
    if data.validation is None:
        training, held = sides(data.train, validation_share, seed, limit=limit)
        learned, validation = [every[at] for at in training.tolist()], [every[at] for at in held.tolist()]
    known = {"validation": set(learned), "test": {*every, *validation}}  # in the end all of them are learned from
    held_out = {"validation": validation, "test": [] if test is None else _fingerprints(test)}
    found = {split: sum(one in known[split] for one in fingerprints) for split, fingerprints in held_out.items()}
    return {split: same for split, same in found.items() if same}


def _fingerprints(data: ImageData) -> list[bytes]:
    every = (image for block in blocks(data.images) for image in block.contiguous().numpy())
    return [hashlib.blake2b(image.data, digest_size=16).digest() for image in every]


def split(
    data: ImageData, validation_share: float, seed: int, *, limit: int | None = None
) -> tuple[ImageData, ImageData]:
    """(training, validation): a hold-out of ``validation_share`` of every class, drawn by ``seed``; see ``sides``."""
    training, validation = sides(data, validation_share, seed, limit=limit)
    return data.subset(training), data.subset(validation)


def sides(data: ImageData, validation_share: float, seed: int, *, limit: int | None = None) -> tuple[Tensor, Tensor]:
    """The positions, int64 and ascending, of the training and of the validation images.

    ``limit``: keep at most so many training images, also in the classes' proportions; fewer images make a harder task.
    The validation images do not depend on it. Raises DataError when a class or the limit is too small.
    """
    # scikit-learn's StratifiedShuffleSplit was tried: as many images a class on the digits, but others (72 of 359 in
    # common), so stored scores would be of other splits; and of 60 and 2 images it holds out none of the small class.
    if not 0 < validation_share < 1:
        raise DataError("a validation share between 0 and 1", f"{validation_share}", "use 0.2, for example")
    members = _members(data, seed)
    for found in members:
        if len(found) < 2:
            label = int(data.labels[found[0]])
            named = data.classes[label] if data.classes else str(label)
            raise DataError(
                f"at least two images of every class in {data.name}, one for either side of the split",
                f"one of class {named!r}",
                "add images of it or leave the class out",
            )
    sizes = np.array([len(found) for found in members])
    held = _shared_out(round(len(data) * validation_share), sizes, at_most=sizes - 1)
    kept = _kept(sizes - held, limit)
    validation = np.concatenate([found[:n] for found, n in zip(members, held, strict=True)])
    training = np.concatenate([found[h : h + n] for found, h, n in zip(members, held, kept, strict=True)])
    return torch.from_numpy(np.sort(training)), torch.from_numpy(np.sort(validation))


def limited(data: ImageData, limit: int | None, seed: int) -> ImageData:
    """At most ``limit`` of the images, drawn in the classes' proportions. Raises DataError when it is too small."""
    if limit is None or limit >= len(data):
        return data
    members = _members(data, seed)
    kept = _kept(np.array([len(found) for found in members]), limit)
    positions = np.concatenate([found[:n] for found, n in zip(members, kept, strict=True)])
    return data.subset(torch.from_numpy(np.sort(positions)))


def _members(data: ImageData, seed: int) -> list[np.ndarray]:
    """The positions of every class that has images, in a random order. Raises DataError without any."""
    labels = data.labels.cpu().numpy()
    if not len(labels):
        raise DataError(f"images in {data.name}", "none", "check the data")
    generator = np.random.default_rng(seed)
    return [generator.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]


def _kept(sizes: np.ndarray, limit: int | None) -> np.ndarray:
    """Number of images of every class under a limit."""
    if limit is None or limit >= sizes.sum():
        return sizes
    if limit < len(sizes):
        raise DataError(f"a limit of at least one image a class ({len(sizes)})", f"{limit}", "raise the limit")
    return _shared_out(limit, sizes, at_most=sizes)


def _shared_out(total: int, sizes: np.ndarray, *, at_most: np.ndarray) -> np.ndarray:
    """Shares of ``total`` in proportion to ``sizes`` by largest remainders, each between 1 and ``at_most``."""
    exact = total * sizes / sizes.sum()
    shares = np.clip(np.floor(exact).astype(int), 1, at_most)
    for index in np.argsort(-(exact - shares), kind="stable"):
        if shares.sum() < total and shares[index] < at_most[index]:
            shares[index] += 1
    for index in np.argsort(-shares, kind="stable"):
        while shares.sum() > total and shares[index] > 1:
            shares[index] -= 1
    return np.asarray(shares)


def _histogram(values: np.ndarray) -> np.ndarray:
    """int64 [256]: the count of each value of a uint8 array. Pillow counts five times as fast as bincount."""
    rows = Image.frombuffer("L", (values.shape[-1], values.size // values.shape[-1]), values, "raw", "L", 0, 1)
    return np.array(rows.histogram(), dtype=np.int64)


def _described(tensor: Pixels) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
