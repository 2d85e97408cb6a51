"""Pixels of a data set: a tensor in memory, or a file from which a batch at a time is read."""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

BLOCK = 2**25
"""Bytes that are read at a time where all images are looked at."""


REMEMBERED = ".npy"
"""Suffix of files beside the pixels, of what was computed from them."""


class StoredPixels:
    """Pixels uint8 [N, C, H, W] in a file. Only the images that are asked for are in memory.

    They are read and not mapped, so no page of the file counts as this process's memory. ``rows``: int64 [N], positions
    in the file; all of it in order if None. ``device``: the place of the images that are read.
    """

    dtype = torch.uint8

    def __init__(
        self,
        file: Path,
        image: tuple[int, int, int],
        rows: np.ndarray,
        device: torch.device | None = None,
        opened: _Opened | None = None,
    ) -> None:
        self.file, self.device = file, device or torch.device("cpu")
        self._rows, self._image = rows, image
        self._opened = opened or _Opened(file)

    @classmethod
    def whole(cls, file: Path, shape: tuple[int, int, int, int]) -> StoredPixels:
        """All images of a file. Raises OSError if it cannot be opened."""
        images, *image = shape
        return cls(file, (image[0], image[1], image[2]), np.arange(images))

    @property
    def shape(self) -> torch.Size:
        return torch.Size((len(self._rows), *self._image))

    def dim(self) -> int:
        return 4

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, positions: Tensor) -> Tensor:
        """uint8 [n, C, H, W] on the device: the images at ``positions``, int64 [n]."""
        rows = self._rows[positions.cpu().numpy()]
        images = np.empty((len(rows), *self._image), dtype=np.uint8)
        self._opened.read(rows, images)
        return torch.from_numpy(images).to(self.device)

    def only(self, positions: Tensor) -> StoredPixels:
        """The images at ``positions``, int64 [n], without reading them."""
        return StoredPixels(self.file, self._image, self._rows[positions.cpu().numpy()], self.device, self._opened)

    def remembered(self, name: str, found: Callable[[], np.ndarray]) -> np.ndarray:
        """An array computed from these images: once, then read from a file beside theirs, by every process.

        ``name``: everything beside the pixels that decides it; part of the file's name. Raises OSError if the file
        cannot be read or written.
        """
        rows = "" if np.array_equal(self._rows, np.arange(len(self._rows))) else _digest(self._rows.tobytes())
        kept = self.file.with_suffix(f".{name}-{len(self)}{rows}{REMEMBERED}")
        try:
            return np.asarray(np.load(kept, allow_pickle=False))
        except (FileNotFoundError, EOFError, ValueError):  # not there, gone with its pixels, or torn: computed again
            array = found()
        part = kept.with_suffix(f".{os.getpid()}.part")
        try:
            with part.open("wb") as opened:
                np.save(opened, array, allow_pickle=False)
            part.replace(kept)
        finally:
            part.unlink(missing_ok=True)
        return array

    def to(self, device: torch.device) -> StoredPixels:
        return StoredPixels(self.file, self._image, self._rows, device, self._opened)


def _digest(content: bytes) -> str:
    return "-" + hashlib.blake2b(content, digest_size=16).hexdigest()


class _Opened:
    """An open file of images of one size."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file.open("rb", buffering=0), threading.Lock()
        weakref.finalize(self, self._file.close)

    def read(self, rows: np.ndarray, images: np.ndarray) -> None:
        """Read the images at ``rows`` into ``images``: those that lie one after another at once."""
        if not len(rows):
            return
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        for run in np.split(np.arange(len(rows)), breaks):
            part = images[run[0] : run[-1] + 1].reshape(-1).data
            with self._lock:
                self._file.seek(int(rows[run[0]]) * images[0].nbytes)
                while part.nbytes:
                    read = self._file.readinto(part)
                    if not read:
                        raise OSError(f"{self._file.name} ends before image {rows[run[-1]]:,}")
                    part = part[read:]


Pixels = Tensor | StoredPixels
"""uint8 [N, C, H, W]. ``pixels[positions]`` are the images at int64 [n] positions, as a tensor."""


def blocks(pixels: Pixels) -> Iterator[Tensor]:
    """All images in order, uint8 [n, C, H, W] on the CPU, some ``BLOCK`` bytes at a time."""
    if not len(pixels):
        return
    at_once = max(1, BLOCK // max(1, int(np.prod(pixels.shape[1:]))))
    for positions in torch.arange(len(pixels)).split(at_once):  # type: ignore[no-untyped-call]
        yield pixels[positions.to(pixels.device)].cpu()
