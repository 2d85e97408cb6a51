"""Sources of image data: scikit-learn's digits, CIFAR, npz files, lists and folders of images."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from lapt.data.arrays import load_npz
from lapt.data.folders import load_folder, load_list
from lapt.data.images import DataSets, ImageData, split
from lapt.data.layout import holds_images, shown
from lapt.data.reading import Reading
from lapt.errors import DataError

INSTALL = "install it: pip install 'lapt[train]'"


def load_images(source: str, root: str | Path | None = None, *, download: bool = False, **reading: Any) -> DataSets:
    """The data set ``source``, decoded into memory.

    ``source``: ``digits``, ``digits_hard``, ``cifar10``, ``cifar100``, the path of an npz file, of a CSV file that
    lists images, or of a folder of images (folders of splits, or of classes alone; a folder a class). ``root``: where
    CIFAR's files lie and relative paths start; the current folder if unset. ``download``: CIFAR may be downloaded.
    ``reading``: of a ``Reading``.
    Raises DataError.
    """
    how, folder = Reading(**reading), Path(root or ".").expanduser().absolute()
    path = folder / Path(source).expanduser()
    if source in (*DIGITS, *CIFAR) and path.is_dir() and holds_images(path):
        raise DataError(
            f"images under one name of their own at {source}",
            f"LAPT's {source}, and the folder {shown(path)} with images",
            f"write ./{source} for the folder; for LAPT's, rename it or name another evaluator.root",
        )
    if how.sample is not None and not path.is_dir():
        raise DataError(
            "a folder of images, of which evaluator.sample takes a part",
            f"{source!r}",
            "limit others by evaluator.training_images",
        )
    if source in DIGITS:
        return DIGITS[source]()
    if source in CIFAR:
        load = partial(_cifar, CIFAR[source], folder, download)
        return DataSets(load(True), partial(load, False))
    if path.suffix.lower() == ".npz" and path.is_file():
        return load_npz(path, how)
    if path.suffix.lower() == ".csv" and path.is_file():
        return load_list(path, how)
    if path.is_dir():
        return load_folder(path, how)
    known = ", ".join([*DIGITS, *CIFAR, "an .npz file", "a .csv file"])
    raise DataError(
        f"{known} or a folder of images",
        f"{source!r} ({path})",
        "check the name or the path",
    )


def _digits() -> DataSets:
    """1,797 digits of 8 x 8 pixels with 17 grey levels (UCI, in scikit-learn); a fixed fifth is the test split."""
    try:
        from sklearn.datasets import load_digits  # type: ignore[import-untyped]
    except ImportError:
        raise DataError("scikit-learn for the digits", "no such package", INSTALL) from None
    found = load_digits()
    images = np.rint(found.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = torch.from_numpy(found.target.astype(np.int64))
    classes = tuple(str(digit) for digit in range(10))
    every = ImageData(torch.from_numpy(images), labels, classes, flippable=False, name="digits")
    training, test = split(every, 0.2, seed=0)
    return DataSets(training, lambda: test)


def _digits_hard() -> DataSets:
    """The digits, each turned by up to 45 degrees either way and noisy; the same images everywhere.

    The plain digits tell networks apart badly: with 4 channels and three epochs, half of the cells are above 92 %.
    """
    plain = _digits()
    return DataSets(_hardened(plain.train, seed=1), lambda: _hardened(cast(ImageData, plain.test()), seed=2))


def _hardened(data: ImageData, seed: int) -> ImageData:
    from scipy.ndimage import rotate

    generator = np.random.default_rng(seed)
    angles = generator.uniform(-45, 45, len(data))
    noise = generator.normal(0, 0.1 * 255, tuple(data.images.shape))
    turned = [
        rotate(image, angle, axes=(1, 2), reshape=False, order=1)
        for image, angle in zip(cast(Tensor, data.images).numpy().astype(np.float64), angles, strict=True)
    ]
    images = np.rint(np.stack(turned) + noise).clip(0, 255).astype(np.uint8)
    return replace(data, images=torch.from_numpy(images), name="digits_hard")


DIGITS = {"digits": _digits, "digits_hard": _digits_hard}
"""Source -> function that makes it from scikit-learn's digits."""

CIFAR = {"cifar10": "CIFAR10", "cifar100": "CIFAR100"}
"""Source -> torchvision's class."""


def _cifar(name: str, folder: Path, download: bool, train: bool) -> ImageData:
    try:
        from torchvision import datasets  # type: ignore[import-untyped]
    except ImportError:
        raise DataError(f"torchvision for {name}", "no such package", INSTALL) from None
    try:
        found = getattr(datasets, name)(str(folder), train=train, download=download)
    except (RuntimeError, OSError) as error:
        raise DataError(
            f"{name}'s python version in {folder}",
            " ".join(str(error).split())[:120],
            "put it there, name its folder as root, or say download: true",
        ) from None
    images = torch.from_numpy(np.ascontiguousarray(found.data.transpose(0, 3, 1, 2)))
    return ImageData(images, torch.tensor(found.targets, dtype=torch.int64), tuple(found.classes), name=name)
