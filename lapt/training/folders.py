"""Folders of image files in torchvision's ImageFolder layout, decoded once into memory."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from lapt.training.data import DataError, DataSets, ImageData

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".gif", ".tif", ".tiff", ".webp")
LARGEST_DEFAULT = 32
"""Side in pixels when none is asked for, or that of the smallest image: the size of CIFAR, which searches can pay."""

_GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N")


def load_folder(path: Path, size: int | None = None) -> DataSets:
    """``path/train/<class>/*`` and ``path/test/<class>/*`` (or ``val``), or ``path/<class>/*`` alone.

    Every image is turned upright, its shorter side resized to ``size``, and its centre cut out. All grey: one channel;
    else RGB. Raises DataError naming the folder or the file.
    """
    tree = path / "train" if (path / "train").is_dir() else path
    held_out = next((path / name for name in ("test", "val") if (path / name).is_dir()), None) if tree != path else None
    files = _files(tree)
    classes = tuple(files)
    every = [file for found in files.values() for file in found]
    greys, smallest = _surveyed(every)
    grey = greys == len(every)
    if 0 < greys < len(every):
        warnings.warn(
            f"expected images of one kind in {tree}; got {greys} grey and {len(every) - greys} in colour; all are read "
            "as RGB, so convert them if colour gives the class away",
            stacklevel=2,
        )
    side = size or min(LARGEST_DEFAULT, smallest)
    tests = _files(held_out) if held_out else {}  # decoded when asked for; a wrong class or header is said now
    unknown = sorted(set(tests) - set(classes))
    if unknown:
        raise DataError(f"in {held_out} the classes of {tree}", f"{unknown[:5]} besides", "name the folders alike")
    _surveyed([file for found in tests.values() for file in found])

    def test() -> ImageData | None:
        return _decoded(tests, classes, side, grey, str(held_out)) if tests else None

    return DataSets(_decoded(files, classes, side, grey, str(tree)), test)


def _files(tree: Path) -> dict[str, list[Path]]:
    """Image files by class, both in the order of their names."""
    folders = sorted(p for p in tree.iterdir() if p.is_dir() and not p.name.startswith("."))
    found = {
        folder.name: sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.name[0] != ".")
        for folder in folders
    }
    empty = [name for name, files in found.items() if not files]
    if empty or not found:
        raise DataError(
            f"a folder a class in {tree}, with image files ({', '.join(SUFFIXES)})",
            f"no image in {empty[:5]}" if empty else "no folder in it",
            "put the images of each class into a folder named after it",
        )
    return found


def _surveyed(files: list[Path]) -> tuple[int, int]:
    """(how many are grey, the smallest side in pixels), from the files' headers."""
    greys, smallest = 0, 1 << 30
    for file in files:
        with _opened(file) as image:
            greys += image.mode in _GREY
            smallest = min(smallest, *image.size)
    return greys, smallest


def _decoded(
    files: dict[str, list[Path]],
    classes: tuple[str, ...],
    side: int,
    grey: bool,
    name: str,
) -> ImageData:
    listed = [(file, classes.index(label)) for label, found in files.items() for file in found]
    shape = (len(listed), 1 if grey else 3, side, side)
    try:
        images = np.empty(shape, dtype=np.uint8)
    except MemoryError:
        raise DataError(
            f"memory for {list(shape)} bytes of {name}", "less", "choose a smaller size or fewer images"
        ) from None
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        decoded = pool.map(lambda entry: _pixels(entry[0], side, grey), listed)
        for index, pixels in enumerate(decoded):
            images[index] = pixels
    labels = torch.tensor([label for _, label in listed], dtype=torch.int64)
    return ImageData(torch.from_numpy(images), labels, classes, name=name)


def _pixels(file: Path, side: int, grey: bool) -> np.ndarray:
    """uint8 [C, side, side]."""
    with _opened(file) as image:
        try:
            # JPEG only: decode at the next larger scale of 1/8, 1/4, 1/2; four times faster on photographs.
            image.draft("L" if grey else "RGB", (2 * side, 2 * side))
            image.load()
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise _unreadable(file, error) from None
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16 bits
            upright = Image.fromarray((np.asarray(upright).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
        upright = upright.convert("L" if grey else "RGB")
        fitted = ImageOps.fit(upright, (side, side), method=Image.Resampling.BILINEAR)
    pixels = np.asarray(fitted, dtype=np.uint8)
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def _opened(file: Path) -> Image.Image:
    try:
        return Image.open(file)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: Exception) -> DataError:
    return DataError(f"an image in {file}", f"{type(error).__name__}: {str(error)[:100]}", "replace or remove the file")
