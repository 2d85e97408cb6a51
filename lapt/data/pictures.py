"""Reader of image files: their headers, and their pixels as 8 bits in one size."""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features

from lapt.errors import printable

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".gif", ".tif", ".tiff",
    ".webp", *([".avif"] if features.check("avif") else []),
)  # fmt: skip

Depth = Literal["8-bit", "16-bit", "32-bit", "float", "16-bit colour cut to 8 bits"]
"""Depth of an image's pixels. Of 16 bits a colour, Pillow keeps the higher 8."""
CUT: Depth = "16-bit colour cut to 8 bits"
Background = Literal["white", "black"]
Range = tuple[float, float]

LEVELS = 16
"""Grey levels below which an image hardly uses its range: 12 bits in the higher byte of 16 have so many."""

_GREY = ("1", "L", "LA", "La", "I", "F")
_ORIENTATION = 0x0112  # of EXIF
_FAULTS = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, OverflowError, MemoryError, RuntimeError,
    struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
"""Errors of decoders for files that are torn, empty or of another kind."""
_LARGE = 2**24
"""Number of pixels from which pictures are decoded one at a time, in spite of several threads."""
_one_large = threading.Lock()
_bounded = threading.Lock()


class Unreadable(Exception):
    """An image file that cannot be decoded, with the reason."""


@dataclass(frozen=True)
class Header:
    """The header of an image file, without its pixels.

    ``clear``: parts of it may be transparent. ``frames``: it has more frames than the one that is read.
    """

    size: tuple[int, int]
    grey: bool
    depth: Depth
    clear: bool
    frames: bool


@dataclass(frozen=True)
class Look:
    """The common format of a data set's pictures, uint8 [C, H, W].

    ``size``: (H, W). ``ranges``: of a depth, the values that become 0 and 255; without one, pixels stay as they are.
    """

    size: tuple[int, int]
    grey: bool
    background: Background = "white"
    ranges: dict[Depth, Range] = field(default_factory=dict)


@contextmanager
def bound(pixels: int | None) -> Iterator[None]:
    """Set Pillow's bound on the pixels of a picture, which holds for the whole process, inside the block."""
    with _bounded:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def header_of(file: Path) -> Header:
    """The header of an image file. Raises Unreadable."""
    with _opened(file) as image:
        grey = image.mode in _GREY or image.mode.startswith("I;16")
        return Header(image.size, grey, _depth(image), image.has_transparency_data, _has_frames(image))


def pixels_of(file: Path, look: Look) -> np.ndarray:
    """Pixels uint8 [C, H, W], of an image that is ``fitted``. Raises Unreadable."""
    colour, (height, width) = "L" if look.grey else "RGB", look.size
    with _opened(file) as image, _in_turn(image), _faults():
        depth = _depth(image)
        # JPEG only: decode at the next larger scale of 1/8, 1/4, 1/2; four times faster on photographs.
        image.draft(colour, (2 * width, 2 * height))
        image.load()
        levelled = _levelled(image, depth, look.ranges[depth]) if depth in look.ranges else image
        pixels = np.asarray(fitted(levelled, colour, (width, height), look.background), dtype=np.uint8)
    return pixels[None] if look.grey else pixels.transpose(2, 0, 1)


# The Python files that lapt.export writes quote it: it uses nothing but Pillow.
def fitted(image: Image.Image, colour: str, size: tuple[int, int], background: str) -> Image.Image:
    """The image upright, on the background where it is transparent, shorter side resized, centre cut out.

    ``colour``: Pillow's mode of the result, L or RGB. ``size``: (width, height).
    """
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        clear = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", clear.size, background), clear)
    return ImageOps.fit(upright.convert(colour), size, method=Image.Resampling.BILINEAR)


def range_of(file: Path) -> Range:
    """The lowest and the highest value of a picture where it is not transparent. Raises Unreadable."""
    with _opened(file) as image, _in_turn(image), _faults():
        depth = _depth(image)
        image.load()
        values, alpha = _values(image, depth)
        seen = values if alpha is None or not alpha.any() else values[alpha > 0]
        return float(seen.min()), float(seen.max())


def filled(depth: Depth, low: float, high: float) -> Range:
    """The full range of the type if the values fill at least half of it, else the values' own range."""
    if depth == "float" and low >= 0 and high <= 1 and high - low >= 0.5:
        return 0.0, 1.0
    for bits in (8, 10, 12, 14, 16):
        if low >= 0 and high < 2**bits and high - low >= 2 ** (bits - 1):
            return 0.0, float(2**bits - 1)
    return low, high


def _opened(file: Path) -> Image.Image:
    with _faults():
        return Image.open(file)


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        said = (isinstance(error, OSError) and error.strerror) or str(error)
        if isinstance(error, UnidentifiedImageError):  # says no more than the name of the file
            said = "no image of a known kind"
        raise Unreadable(f"{type(error).__name__}: {printable(said)[:100]}") from None


@contextmanager
def _in_turn(image: Image.Image) -> Iterator[None]:
    if image.width * image.height < _LARGE:
        yield
    else:
        with _one_large:
            yield


def _has_frames(image: Image.Image) -> bool:
    if image.format == "MPO":  # a photograph, with what the telephone keeps beside it
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except _FAULTS:  # torn behind the first, which is all that is read
        return True


def _depth(image: Image.Image) -> Depth:
    """The depth of an image that is not loaded yet."""
    if image.mode.startswith("I;16"):
        return "16-bit"
    if image.mode in ("I", "F"):
        return "32-bit" if image.mode == "I" else "float"
    return CUT if _cut(image) else "8-bit"


def _cut(image: Image.Image) -> bool:
    """Whether Pillow drops the lower bits. Only its decoders' arguments show it."""
    for codec, _, _, arguments in getattr(image, "tile", ()):
        told = arguments if isinstance(arguments, tuple) else (arguments,)
        if any(isinstance(one, str) and ";16" in one for one in told):
            return True
        if codec.startswith("ppm") and isinstance(told[-1], int) and told[-1] > 255:
            return True
    return False


def _levelled(image: Image.Image, depth: Depth, span: Range) -> Image.Image:
    """The image with 8 bits: the ends of the range become 0 and 255, and values beyond are cut off."""
    values, alpha = _values(image, depth)
    levels = np.empty(values.shape, dtype=np.uint8)
    for row in range(0, len(values), 256):  # in parts: floats of a whole picture would take eight times its memory
        levels[row : row + 256] = _scaled(values[row : row + 256], *span)
    if alpha is not None:
        levels = np.concatenate([levels.reshape(*alpha.shape, -1), alpha[..., None]], axis=2)
    levelled = Image.fromarray(levels)
    levelled.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
    return levelled


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values scaled to 0..255. Whole numbers get 256 bins of equal width, which keeps the higher 8 of 16 bits; floats
    are rounded."""
    if values.dtype.kind == "f":
        scaled = np.rint((values.astype(np.float64) - low) * (255 / ((high - low) or 1)))
    else:
        scaled = np.floor((values.astype(np.float64) - low) * 256 / (high - low + 1))
    return scaled.clip(0, 255).astype(np.uint8)


def _values(image: Image.Image, depth: Depth) -> tuple[np.ndarray, np.ndarray | None]:
    """(numbers [H, W] or [H, W, C], uint8 alpha [H, W] if there is one) of a loaded image."""
    if depth in ("16-bit", "32-bit", "float"):
        values = np.asarray(image)
        if not np.isfinite([values.min(), values.max()]).all():
            raise ValueError(f"{np.count_nonzero(~np.isfinite(values)):,} pixels are NaN or infinite")
        key = image.info.get("transparency")
        return values, np.where(values == key, 0, 255).astype(np.uint8) if isinstance(key, int) else None
    if image.has_transparency_data:
        values = np.asarray(image.convert("RGBA"))
        return values[..., :3], values[..., 3]
    return np.asarray(image.convert("L" if image.mode in _GREY else "RGB")), None
