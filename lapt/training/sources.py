"""Where image data come from: scikit-learn's digits, CIFAR, npz files, folders of images."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from lapt.training.data import IGNORED, DataError, DataSets, ImageData, split
from lapt.training.folders import load_folder

INSTALL = "install it: pip install 'lapt[train]'"


def load_images(
    source: str,
    root: str | Path | None = None,
    *,
    size: int | None = None,
    download: bool = False,
) -> DataSets:
    """The data set ``source``, decoded into memory.

    ``source``: ``digits``, ``digits_hard``, ``cifar10``, ``cifar100``, the path of an npz file, or of a folder of
    images (``train/`` and ``test/``, or one tree; a folder a class). ``root``: where CIFAR's files lie and relative
    paths start; the current folder if unset. ``size``: side in pixels that images of a folder get. ``download``: CIFAR
    may be downloaded. Raises DataError.
    """
    folder = Path(root or ".").expanduser().absolute()
    if source in DIGITS:
        return DIGITS[source]()
    if source in CIFAR:
        load = partial(_cifar, CIFAR[source], folder, download)
        return DataSets(load(True), partial(load, False))
    path = folder / Path(source).expanduser()
    if path.suffix == ".npz" and path.is_file():
        return _npz(path)
    if path.is_dir():
        return load_folder(path, size)
    known = ", ".join([*DIGITS, *CIFAR])
    raise DataError(
        f"{known}, an .npz file or a folder of images", f"{source!r} ({path})", "check the name or the path"
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
    """The digits, each turned by up to 45 degrees either way and noisy: the same images everywhere.

    The plain ones tell networks apart badly: with 4 channels and three epochs, half of the cells are above 92 %.
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
        for image, angle in zip(data.images.numpy().astype(np.float64), angles, strict=True)
    ]
    images = np.rint(np.stack(turned) + noise).clip(0, 255).astype(np.uint8)
    return replace(data, images=torch.from_numpy(images), name="digits_hard")


DIGITS = {"digits": _digits, "digits_hard": _digits_hard}
"""Source -> what makes it from scikit-learn's digits."""

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


def _npz(path: Path) -> DataSets:
    """``x_train``, ``y_train``, and perhaps ``x_test``, ``y_test`` and ``classes``.

    x: uint8 [N, H, W] or [N, H, W, C], C 1 or 3. y: labels as integers [N]; or targets as floats [N, K] or
    [N, H, W, K], or as integers [N, H, W] (segmentation, 255 is ignored).
    """
    arrays = _read(path, ("x_train", "y_train", "classes"))
    if not {"x_train", "y_train"} <= set(arrays):
        raise DataError(f"the arrays x_train and y_train in {path}", f"{_named(path)}", "write them with numpy.savez")
    labels = arrays["y_train"]
    names = tuple(str(name) for name in arrays["classes"]) if "classes" in arrays else None
    if names is None and labels.ndim == 1 and labels.dtype.kind in "iu" and len(labels):
        names = tuple(str(label) for label in range(int(labels.max()) + 1))

    def test() -> ImageData | None:
        held_out = _read(path, ("x_test", "y_test"))
        if len(held_out) == 1:
            raise DataError(f"x_test and y_test in {path}, or neither", f"{list(held_out)}", "write both")
        if not held_out:
            return None
        found = from_arrays(held_out["x_test"], held_out["y_test"], names or (), f"{path} (test)")
        _fitting(found, train)
        return found

    train = from_arrays(arrays["x_train"], labels, names or (), str(path))
    data = DataSets(train, test)
    data.test()  # wrong arrays are said now and not when the search is over
    return data


def _fitting(test: ImageData, train: ImageData) -> None:
    """Raises DataError where a network trained on one could not be tested on the other."""
    shapes = [
        (data.shape, None if data.targets is None else (data.targets.dtype, list(data.targets.shape[1:])))
        for data in (train, test)
    ]
    if shapes[0] != shapes[1]:
        raise DataError(
            f"images and targets in {test.name} as in training: {shapes[0]}", f"{shapes[1]}", "write both alike"
        )
    if test.targets is not None and test.targets.dtype == torch.int64 and train.targets is not None:
        known, found = _highest(train.targets), _highest(test.targets)
        if found > known:
            raise DataError(f"labels of pixels up to {known} in {test.name}", f"{found}", "correct y_test")


def _highest(labels: Tensor) -> int:
    counted = labels[labels != IGNORED]
    return int(counted.max()) if counted.numel() else 0


def _named(path: Path) -> list[str]:
    with np.load(path, allow_pickle=False) as archive:
        return sorted(archive.files)


def _read(path: Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Those of the arrays that the file has."""
    if not zipfile.is_zipfile(path):
        raise DataError(f"an .npz file at {path}", "another kind of file, or part of one", "write it with numpy.savez")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in keys if key in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"arrays without Python objects in {path}", str(error)[:100], "write it again") from None


def from_arrays(x: np.ndarray, y: np.ndarray, classes: tuple[str, ...], name: str) -> ImageData:
    """Images as uint8 [N, H, W(, C)] with labels or targets y, as in an npz file. Raises DataError."""
    if x.dtype != np.uint8 or x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[3] not in (1, 3)):
        raise DataError(
            f"images as uint8 [N, H, W] or [N, H, W, C], C 1 or 3, in {name}",
            f"{x.dtype} {list(x.shape)}",
            "convert them: (255 * x).round().astype('uint8') for floats in 0..1, channels last",
        )
    if len(x) == 0 or y.ndim == 0 or len(y) != len(x):
        raise DataError(f"as many labels as images in {name}, and some", f"{len(x)} and {y.size}", "correct the arrays")
    if y.dtype.kind not in "iuf" or (y.dtype.kind == "f" and not np.isfinite(y).all()):
        raise DataError(
            f"labels as integers or targets as finite floats in {name}",
            f"{y.dtype}" if y.dtype.kind != "f" else "NaN or infinity",
            "correct y",
        )
    images = torch.from_numpy(np.ascontiguousarray(x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2)))
    if y.ndim == 1 and y.dtype.kind in "iu":
        if int(y.min()) < 0 or int(y.max()) >= len(classes):
            raise DataError(
                f"labels from 0 to {len(classes) - 1} in {name}",
                f"labels from {int(y.min())} to {int(y.max())}",
                "number the classes from 0 and name every class of the training set",
            )
        return ImageData(images, torch.from_numpy(y.astype(np.int64)), classes, name=name)
    none = torch.zeros(len(x), dtype=torch.int64)
    return ImageData(images, none, (), targets=torch.from_numpy(_targets(y, x, name)), name=name)


def _targets(y: np.ndarray, x: np.ndarray, name: str) -> np.ndarray:
    """Channels first; float32, or int64 for segmentation."""
    dense = y.shape[1:3] == x.shape[1:3]
    if y.dtype.kind in "iu" and y.ndim == 3 and dense:
        return y.astype(np.int64)
    if y.dtype.kind == "f" and y.ndim <= 2:
        return y.reshape(len(y), -1).astype(np.float32)
    if y.dtype.kind == "f" and y.ndim == 4 and dense:
        return np.ascontiguousarray(y.transpose(0, 3, 1, 2), dtype=np.float32)
    height, width = x.shape[1:3]
    raise DataError(
        f"targets in {name} as floats [N, K] or [N, {height}, {width}, K], or as integers [N, {height}, {width}]",
        f"{y.dtype} {list(y.shape)}",
        "correct y",
    )
