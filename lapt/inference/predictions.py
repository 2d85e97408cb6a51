"""Classes, labels or quantities for image files, by an exported network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lapt.data.layout import images_in
from lapt.data.pictures import CUT, Look, Unreadable, bound, header_of, pixels_of
from lapt.data.reading import Reading
from lapt.errors import ConfigError, DataError
from lapt.inference.runtimes import Opened

BATCH = 64
"""Number of images that a network gets at once."""


class Wanted(NamedTuple):
    """An image file. ``label``: the class whose folder it lies in, inside of a folder that was named."""

    file: Path
    label: str | None = None


class Prediction(NamedTuple):
    """The answers for an image. ``error``: why it says nothing.

    ``values``: classes or labels with their probabilities, best first, or all quantities in their order.
    """

    wanted: Wanted
    values: tuple[tuple[str, float], ...] = ()
    error: str | None = None


def wanted_in(paths: Sequence[Path], classes: Sequence[str]) -> list[Wanted]:
    """The image files among ``paths``, and all in the folders among them. Raises DataError for what is not there."""
    found = []
    for path in paths:
        if path.is_dir():
            inside = images_in(path)
            if not inside:
                raise DataError(f"images in {path}", "none", "name another folder, or files")
            found += [Wanted(file, _label(file.relative_to(path).parent, classes)) for file in inside]
        elif path.exists():
            found.append(Wanted(path))
        else:
            raise DataError(f"an image, or a folder of images, at {path}", "no such file", "check the path")
    return found


def _label(folder: Path, classes: Sequence[str]) -> str | None:
    return next((part for part in reversed(folder.parts) if part in classes), None)


def check_predicts(export: Opened, path: Path) -> None:
    """Raises ConfigError for a network whose outputs have no names."""
    if not export.card.predicted:
        raise ConfigError(
            "an export of classes, labels or quantities that have names",
            f"{path}, whose task is {export.card.task}",
            "use its network itself: docs/exports.md says how",
        )


def predictions(
    export: Opened,
    wanted: Sequence[Wanted],
    top: int,
    heard: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Prediction]:
    """A prediction for each image, in order. ``heard(done, total)``: called as they come."""
    read = partial(_read, look=export.card.look)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool, bound(None):
        for first in range(0, len(wanted), BATCH):
            heard(first, len(wanted))
            batch = wanted[first : first + BATCH]
            pixels = list(pool.map(read, (one.file for one in batch)))
            whole = [one for one in pixels if not isinstance(one, str)]
            said = iter(_values(export, np.stack(whole)) if whole else ())
            for one, read_as in zip(batch, pixels, strict=True):
                if isinstance(read_as, str):
                    yield Prediction(one, error=read_as)
                    continue
                values: npt.NDArray[np.float64] = next(said)
                best = np.argsort(-values, kind="stable")[:top]
                order = range(len(values)) if export.card.task == "regression" else best
                yield Prediction(one, tuple((export.card.predicted[at], float(values[at])) for at in order))
    heard(len(wanted), len(wanted))


def _read(file: Path, look: Look) -> npt.NDArray[np.uint8] | str:
    """The pixels of a file as in training, or the reason why it cannot be read so."""
    try:
        header, most = header_of(file), Reading().max_pixels
        if header.size[0] * header.size[1] > most:
            return f"{header.size[0]:,} x {header.size[1]:,} pixels, more than {most:,}"
        if header.depth not in ("8-bit", CUT, *look.ranges):
            return f"{header.depth} values, which no training image had"
        return pixels_of(file, look)
    except Unreadable as error:
        return str(error)


def _values(export: Opened, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Probabilities of classes (softmax) or labels (sigmoid), or quantities: [B, outputs]."""
    outputs = export.run((pixels / 255).astype(np.float32)).astype(np.float64)
    if export.card.task == "regression":
        return outputs
    if export.card.task == "multilabel":
        likely: npt.NDArray[np.float64] = 1 / (1 + np.exp(-outputs))
        return likely
    shares = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    found: npt.NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
    return found


class Accuracy(NamedTuple):
    """The number of right predictions among ``images``, and their share in percent."""

    right: int
    images: int
    percent: float


def accuracy(found: Sequence[Prediction]) -> Accuracy | None:
    """The accuracy on images whose class is known by their folder; None if there are none."""
    known = [one for one in found if one.wanted.label is not None and one.values]
    right = sum(one.values[0][0] == one.wanted.label for one in known)
    return Accuracy(right, len(known), 100 * right / len(known)) if known else None
