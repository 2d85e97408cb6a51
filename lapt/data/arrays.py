"""Images as arrays of an npz file, with labels or targets."""

from __future__ import annotations

import math
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.lib import format
from torch import Tensor

from lapt.data.images import IGNORED, DataSets, ImageData
from lapt.data.layout import counted, listed, shown
from lapt.data.pixels import Pixels
from lapt.data.reading import Reading
from lapt.data.stored import Cache
from lapt.errors import DataError, printable

_FAULTS = (OSError, ValueError, EOFError, MemoryError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""Errors of numpy for files that are torn, of another kind, or with unsupported content."""

HELD_OUT = {"validation": ("val", "valid", "validation"), "test": ("test",)}
"""Split -> the endings of its arrays' names."""


def load_npz(path: Path, reading: Reading) -> DataSets:
    """Load ``x_train``, ``y_train``, and if present ``x_val``, ``y_val``, ``x_test``, ``y_test`` and ``classes``.

    x: uint8 [N, H, W] or [N, H, W, C], C 1 or 3. y: labels as integers [N] or [N, 1]; or targets as floats [N, K] or
    [N, H, W, K], or as integers [N, H, W] (segmentation, 255 is ignored). With three splits, the validation images are
    used as such; with two, the second is the test set, as with folders. Images of more than ``reading.in_memory`` bytes
    are unpacked to the cache, an image at a time. Labels and targets are always held in memory.
    """
    names = _named(path)
    held_out = {split: _held_out(path, names, endings) for split, endings in HELD_OUT.items()}
    if not held_out["test"]:
        held_out = {"validation": None, "test": held_out["validation"]}
    used = {"x_train", "y_train", "classes", *(name for pair in held_out.values() for name in pair or ())}
    if not {"x_train", "y_train"} <= set(names):
        raise DataError(f"the arrays x_train and y_train in {shown(path)}", f"{names}", "write them with numpy.savez")
    if set(names) - used:
        warnings.warn(f"passed over in {shown(path)}: the arrays {listed(set(names) - used)}", stacklevel=3)
    _check_bytes(path, set(names) & used, reading.max_bytes)
    large = _bytes(path, [name for name in used & set(names) if name.startswith("x_")]) > reading.in_memory
    cache = Cache.of_user(reading.max_cache) if large else None
    arrays = _read(path, ["y_train", *({"classes"} & set(names))])
    labels = as_labels(arrays["y_train"])
    classes = tuple(str(name) for name in arrays["classes"]) if "classes" in arrays else None
    if labels is not None:
        classes = _checked(labels, classes, path)

    def other(split: str) -> ImageData | None:
        pair = held_out[split]
        if pair is None:
            return None
        named = f"{shown(path)} ({pair[0].partition('_')[2]})"
        data = _data(_Array.of(path, pair[0], cache), _read(path, pair[1:])[pair[1]], classes or (), named)
        _fitting(data, train)
        return data

    train = _data(_Array.of(path, "x_train", cache), arrays["y_train"], classes or (), shown(path))
    data = DataSets(train, partial(other, "test"), other("validation"))
    data.test()  # wrong arrays are said now and not when the search is over
    return data


def _held_out(path: Path, names: list[str], endings: tuple[str, ...]) -> tuple[str, str] | None:
    """The names of a split's images and labels. Raises DataError if one is missing."""
    for ending in endings:
        pair = f"x_{ending}", f"y_{ending}"
        found = [name for name in pair if name in names]
        if len(found) == 1:
            raise DataError(f"{pair[0]} and {pair[1]} in {shown(path)}, or neither", f"{found}", "write both")
        if found:
            return pair
    return None


def as_labels(y: np.ndarray) -> np.ndarray | None:
    """Labels as integers [N], also of y [N, 1]; None if y are targets of another kind."""
    if y.dtype.kind in "iu" and y.ndim == 2 and y.shape[1] == 1:
        y = y.reshape(-1)
    return y if y.dtype.kind in "iu" and y.ndim == 1 and len(y) else None


def _checked(labels: np.ndarray, classes: tuple[str, ...] | None, path: Path) -> tuple[str, ...]:
    """The names of the classes; numbers without names.

    Raises DataError for labels that are not the numbers of the classes: from 1, or the ids of a database.
    """
    found = np.unique(labels)
    lowest, highest = int(found[0]), int(found[-1])
    number = len(classes) if classes is not None else highest + 1
    if classes is None and (lowest != 0 or 2 * len(found) <= highest):
        raise DataError(
            f"labels that number the classes from 0 in {shown(path)}, or their names as classes",
            f"labels from {lowest} to {highest} with {counted(len(found), 'number')} in use, as ids have",
            "write y_train - 1 and y_test - 1"
            if lowest == 1 and len(found) == highest
            else "write numpy.searchsorted(numpy.unique(y_train), y) for each y, and numpy.unique(y_train) as classes",
        )
    without = sorted(set(range(number)) - set(found.tolist()))
    if without and lowest >= 0 and highest < number:
        named = without if classes is None else [classes[label] for label in without]
        warnings.warn(
            f"expected training images of every class in {shown(path)}; got none of "
            f"{counted(len(without), 'class', 'classes')} {listed(map(str, named))}, for which networks get an output; "
            "number the classes without gaps",
            stacklevel=4,
        )
    return classes if classes is not None else tuple(str(label) for label in range(number))


def _fitting(test: ImageData, train: ImageData) -> None:
    """Raises DataError if a network trained on one split could not be tested on the other."""
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


def _check_bytes(path: Path, names: Iterable[str], most: int) -> None:
    """Raises DataError for arrays that would fill the memory, before any of them is unpacked."""
    unpacked = _bytes(path, names)
    if unpacked > most:
        raise DataError(
            f"at most {most:,} bytes of arrays in {shown(path)} (evaluator.max_bytes)",
            f"{unpacked:,}, in a file of {path.stat().st_size:,}",
            "raise evaluator.max_bytes (images of more than evaluator.in_memory bytes are unpacked to the disk), or "
            "write fewer or smaller images",
        )


def _bytes(path: Path, names: Iterable[str]) -> int:
    """Bytes of unpacked arrays, as the file says."""
    with zipfile.ZipFile(path) as archive:
        sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
    return sum(sizes[name] for name in names)


def _named(path: Path) -> list[str]:
    if not zipfile.is_zipfile(path):
        raise DataError(
            f"an .npz file at {shown(path)}", "another kind of file, or part of one", "write it with numpy.savez"
        )
    try:
        with np.load(path, allow_pickle=False) as archive:
            return sorted(archive.files)
    except _FAULTS as error:
        raise DataError(f"an .npz file at {shown(path)}", printable(str(error))[:100], "write it again") from None


def _read(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in names}
            foreign = [name for name, array in found.items() if not isinstance(array, np.ndarray)]
            if foreign:
                raise ValueError(f"{listed(foreign)} are no arrays")
            return found
    except _FAULTS as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"arrays without Python objects in {shown(path)}",
        printable(str(error))[:100],
        "write it again; texts as an array of dtype str",
    )


class _Array(NamedTuple):
    """An array of images. ``x``: the array, or zeros of its shape that take no memory. ``pixels``: its images."""

    x: np.ndarray
    pixels: Callable[[str], Pixels]

    @classmethod
    def of(cls, path: Path, name: str, cache: Cache | None) -> _Array:
        """Read an array into memory; with ``cache``, only its header. Raises DataError."""
        shape = None if cache is None else _rows(path, name)
        if cache is None or shape is None:
            x = _read(path, [name])[name]
            return cls(x, lambda where: _in_memory(x))
        images, height, width, *channels = shape
        whole = images, *(channels or (1,)), height, width
        return cls(
            np.broadcast_to(np.zeros((), np.uint8), shape),
            partial(cache.pixels, [path], f"npz {name}", whole, partial(_unpacked, path, name)),
        )


def _in_memory(x: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2)))


def _rows(path: Path, name: str) -> tuple[int, ...] | None:
    """The shape of an array whose images can be read one after another: uint8, written row by row. Else None."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            version = format.read_magic(file)
            if version not in _HEADERS:
                return None
            shape, by_columns, dtype = _HEADERS[version](file)
            size = archive.getinfo(f"{name}.npy").file_size - file.tell()
    except _FAULTS as error:
        raise _unreadable(path, error) from None
    whole = math.prod(shape) == size
    return shape if whole and not by_columns and dtype == np.uint8 and len(shape) in (3, 4) and shape[0] else None


_HEADERS = {(1, 0): format.read_array_header_1_0, (2, 0): format.read_array_header_2_0}


def _unpacked(path: Path, name: str) -> Iterator[np.ndarray]:
    """The images of an array one after another, uint8 [C, H, W]."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            shape, _, _ = _HEADERS[format.read_magic(file)](file)
            for _ in range(shape[0]):
                image = np.frombuffer(file.read(math.prod(shape[1:])), np.uint8).reshape(shape[1:])
                yield image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    except _FAULTS as error:
        raise _unreadable(path, error) from None


def _data(array: _Array, y: np.ndarray, classes: tuple[str, ...], name: str) -> ImageData:
    """Data from images uint8 [N, H, W(, C)] with labels or targets y. Raises DataError."""
    x = array.x
    if x.dtype != np.uint8 or x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[3] not in (1, 3)):
        raise DataError(
            f"images as uint8 [N, H, W] or [N, H, W, C], C 1 or 3, in {name}",
            f"{x.dtype} {list(x.shape)}",
            _remedy_of_images(x),
        )
    if len(x) == 0 or y.ndim == 0 or len(y) != len(x):
        raise DataError(f"as many labels as images in {name}, and some", f"{len(x)} and {y.size}", "correct the arrays")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise DataError(f"targets as finite floats in {name}", "NaN or infinity", "correct y")
    if y.dtype.kind not in "iuf":
        raise DataError(
            f"labels as integers or targets as finite floats in {name}", f"{y.dtype} {list(y.shape)}", remedy_of(y)
        )
    images = array.pixels(name)
    labels = as_labels(y)
    if labels is not None:
        if int(labels.min()) < 0 or int(labels.max()) >= len(classes):
            raise DataError(
                f"labels from 0 to {len(classes) - 1} in {name}",
                f"labels from {int(labels.min())} to {int(labels.max())}",
                "number the classes from 0 and name every class of the training set",
            )
        return ImageData(images, torch.from_numpy(labels.astype(np.int64)), classes, name=name)
    none = torch.zeros(len(x), dtype=torch.int64)
    return ImageData(images, none, (), targets=torch.from_numpy(_targets(y, x, name)), name=name)


def _targets(y: np.ndarray, x: np.ndarray, name: str) -> np.ndarray:
    """Targets with channels first: float32, or int64 for segmentation."""
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
        remedy_of(y),
    )


def _remedy_of_images(x: np.ndarray) -> str:
    if x.dtype.kind == "f":
        return "write (255 * x).round().astype('uint8') for floats in 0..1, channels last"
    if x.dtype != np.uint8:
        return "write x.astype('uint8') for numbers from 0 to 255, channels last"
    if x.ndim == 4 and x.shape[1] in (1, 3):
        return "write x.transpose(0, 2, 3, 1), channels last"
    return "write x[..., :3] for an alpha channel, one array of grey levels or of three colours for others"


def remedy_of(y: np.ndarray) -> str:
    """The remedy for labels in a wrong form."""
    single = y.size == len(y)
    if single and y.dtype.kind in "US":
        return "write classes, y = numpy.unique(y, return_inverse=True), and classes beside it"
    if single and (y.dtype.kind == "b" or (y.dtype.kind == "f" and bool((y == np.rint(y)).all()))):
        return f"these look like labels as {y.dtype}: write y.astype('int64').reshape(-1)"
    if y.ndim == 2 and y.shape[1] > 1 and y.dtype.kind in "biuf" and bool(((y != 0).sum(1) == 1).all()):
        return "these look like one-hot rows: write y.argmax(1)"
    return "correct y"
