"""A cache on disk of decoded images, for sets that are too large to be held in memory by every process."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
from filelock import FileLock

from lapt.data.layout import shown
from lapt.data.pixels import REMEMBERED, StoredPixels
from lapt.errors import DataError, Notice

SPARED = 2**28
"""Bytes of the disk that are left free."""
EVERY = 15.0
"""Seconds between two notices of progress."""
_DECODED = ".uint8"
_LISTING = ".listing"
"""Suffix of files that have the digest of pictures, by their paths, sizes and times of change."""


@dataclass(frozen=True)
class Cache:
    """Files of decoded images, named by the content of the pictures that they were decoded from.

    A moved or renamed folder finds its own again. Processes share them: one decodes, the others wait.
    """

    folder: Path
    most: int
    """Bytes of all files. Those that were used longest ago are removed to stay below."""

    @classmethod
    def of_user(cls, most: int) -> Cache:
        """In the folder ``LAPT_CACHE``, or ``lapt/images`` in the user's own cache folder."""
        named = os.environ.get("LAPT_CACHE")
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lapt" / "images"
        return cls(Path(named).expanduser() if named else home, most)

    def pixels(
        self,
        files: Sequence[Path],
        look: object,
        shape: tuple[int, int, int, int],
        decoded: Callable[[], Iterator[np.ndarray]],
        where: str,
    ) -> StoredPixels:
        """The pixels of ``files``, uint8 of ``shape``, decoded to a file if there is none.

        ``look``: everything beside the pictures that decides their pixels. ``decoded``: decodes them in order.
        Raises DataError if the disk or the cache is too small, or if the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = self.folder / f"{self._content(files, look, shape)}{_DECODED}"
            with FileLock(file.with_suffix(".lock")):
                if not file.exists():
                    self._make_room(int(np.prod(shape)), file, shape, where)
                    _write(file, decoded(), shape[0], where)
                os.utime(file)
            return StoredPixels.whole(file, shape)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise DataError(f"decoded images in {shown(self.folder)}", reason, "name another with LAPT_CACHE") from None

    @property
    def held(self) -> dict[Path, tuple[float, int]]:
        """File of the cache -> (time of its last use, bytes)."""
        found = {file: file.stat() for file in self.folder.glob(f"*{_DECODED}")}
        return {file: (status.st_mtime, status.st_size) for file, status in found.items()}

    def forget(self, pixels: StoredPixels) -> None:
        """Remove a file that nobody will ask for again."""
        _remove(pixels.file)

    def _content(self, files: Sequence[Path], look: object, shape: Sequence[int]) -> str:
        """Digest of the pictures' bytes, in order, and of what decides how they are decoded.

        The bytes are read once for all processes, and again when the size or the time of change of a file is another.
        """
        decides = repr((look, tuple(shape), PIL.__version__)).encode()
        listing = hashlib.blake2b(decides, digest_size=20)
        for file in files:
            status = file.stat()
            listing.update(repr((str(file.absolute()), status.st_size, status.st_mtime_ns)).encode())
        known = self.folder / f"{listing.hexdigest()}{_LISTING}"
        with FileLock(known.with_suffix(".lock")):
            if not known.exists():
                part = known.with_suffix(".part")
                part.write_text(_content(files, decides))
                part.replace(known)
        return known.read_text()

    def _make_room(self, needed: int, file: Path, shape: tuple[int, ...], where: str) -> None:
        """Remove old files for a new one, and say what it takes."""
        if needed > self.most:
            raise self._too_small(needed, shape, where, f"{_gb(self.most)} at most (evaluator.max_cache)", "raise it")
        known = [(used, size, old) for old, (used, size) in self.held.items()]
        total = sum(size for _, size, _ in known)
        free = shutil.disk_usage(self.folder).free - SPARED
        for _, size, old in sorted(known):
            if total + needed <= self.most and needed <= free:
                break
            _remove(old)
            total, free = total - size, free + size
        if needed > free:
            raise self._too_small(needed, shape, where, f"{_gb(max(0, free))} there", "name another with LAPT_CACHE")
        images, _, height, width = shape
        warnings.warn(
            Notice(
                f"{images:,} images of {where} at {width} x {height} pixels are {_gb(needed)}: they are decoded once, "
                f"to {shown(file.parent)} (LAPT_CACHE), and read from there"
            ),
            stacklevel=6,
        )

    def _too_small(self, needed: int, shape: tuple[int, ...], where: str, got: str, remedy: str) -> DataError:
        return DataError(
            f"{_gb(needed)} in {shown(self.folder)} for {shape[0]:,} decoded images of {where}",
            got,
            f"{remedy}, choose a smaller evaluator.size, or a larger evaluator.in_memory",
        )


def _content(files: Sequence[Path], decides: bytes) -> str:
    whole = hashlib.blake2b(decides, digest_size=20)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for found in pool.map(_digest_of, files):
            whole.update(found)
    return whole.hexdigest()


def _remove(file: Path) -> None:
    """Remove a file of pixels, and what was computed from them."""
    for one in (file, *file.parent.glob(f"{file.stem}.*{REMEMBERED}")):
        one.unlink(missing_ok=True)


def _digest_of(file: Path) -> bytes:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "blake2b").digest()


def _write(file: Path, decoded: Iterator[np.ndarray], images: int, where: str) -> None:
    """Write the images to a file that is there only when it is whole."""
    part, began = file.with_suffix(".part"), time.monotonic()
    said = began
    try:
        with part.open("wb") as opened:
            for done, image in enumerate(decoded, 1):
                opened.write(np.ascontiguousarray(image).data)
                if (now := time.monotonic()) - said > EVERY:
                    said, left = now, (now - began) / done * (images - done)
                    warnings.warn(Notice(f"{where}: {done:,} of {images:,} images, {left:.0f} s left"), stacklevel=7)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _gb(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"
