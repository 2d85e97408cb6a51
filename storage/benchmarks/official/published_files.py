"""Containers of published benchmarks: a .pth of torch, a pickle in bz2, or a folder or tar of such pickles.

They are recognised by content and read as streams; nothing is written to disk. What a container says of its size is not
trusted: bz2 may hold at most ``EXPANSION`` times its own size, and a zip only data that are not compressed. Neither zip
nor tar may name a path outside its folder.
"""

from __future__ import annotations

import bz2
import hashlib
import os
import re
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal, NamedTuple, cast

from storage.benchmarks.official.pickled_names import Broken
from storage.benchmarks.official.unpickling import Source, Unpickler, reading

Progress = Callable[[float], None]
"""Called with the share of the file that is read, from 0 to 1."""
Grown = Callable[[dict[Any, Any]], None]
"""Called by ``Unpickler`` with a dictionary after each batch of items."""

EXPANSION = 64
"""Largest size of a bz2 file's content, in times the file's own size.

A pickle of measurements shrinks to a quarter in bz2, NATS-Bench's list of architectures to a fortieth.
"""
TORCH_MAGIC = 0x1950A86A20F9469CFC6C
"""The number at the start of a .pth from before torch 1.6. Its version, the system and the object follow."""

Container = Literal["folder", "tar", "zip", "bz2", "pickle"]


class ChecksumWarning(UserWarning):
    """The file's content does not match the checksum in its name."""


def unheard(share: float) -> None:
    """A progress callback that does nothing."""


def container(path: Path) -> Container | None:
    """The kind of container, or None for anything else, such as Parquet or CSV."""
    if path.is_dir():
        return "folder"
    if not path.is_file():
        return None
    with reading(path), open(path, "rb") as file:
        head = file.read(512)
    if head[257:262] == b"ustar":
        return "tar"
    known: dict[bytes, Container] = {b"PK\x03\x04": "zip", b"BZh": "bz2", b"\x80": "pickle"}
    return next((kind for magic, kind in known.items() if head.startswith(magic)), None)


def unpickled(path: Path, progress: Progress, grown: Grown = lambda _: None) -> Any:
    """The object in a file of torch or pickle. Raises BenchmarkError."""
    kind = container(path)
    with reading(path):
        if (kind is None and path.is_file()) or kind in ("folder", "tar"):
            raise Broken("no pickle, nor one in a zip or bz2")
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if kind == "zip":
                return _zipped(file, size, progress, grown)
            watched = _Watched(file, size, progress)
            return _unpacked(watched, size, grown) if kind == "bz2" else _torch_object(Unpickler(watched, grown))


def _zipped(file: IO[bytes], size: int, progress: Progress, grown: Grown) -> Any:
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            _check_inside(entry.filename)
        pickles = [entry for entry in archive.infolist() if PurePosixPath(entry.filename).name == "data.pkl"]
        if [entry.compress_type for entry in pickles] != [zipfile.ZIP_STORED] or pickles[0].file_size > size:
            raise Broken("a zip without one uncompressed data.pkl, as torch writes it")
        with archive.open(pickles[0]) as stream:
            return Unpickler(_Watched(stream, pickles[0].file_size, progress), grown).load()


def _torch_object(unpickler: Unpickler) -> Any:
    found = unpickler.load()
    if found == TORCH_MAGIC:
        for _ in range(3):
            found = unpickler.load()
    return found


def _unpacked(packed: Source, size: int, grown: Grown) -> Any:
    with bz2.BZ2File(cast(IO[bytes], packed)) as stream:
        return Unpickler(_Bounded(stream, EXPANSION * size + (1 << 20)), grown).load()


class Member(NamedTuple):
    name: str
    load: Callable[[Grown], Any]
    """Call it before asking for the next member."""


@contextmanager
def members(path: Path, progress: Progress) -> Iterator[Iterator[Member]]:
    """The files of a folder or tar that hold pickles in bz2 (``.pbz2``), one after the other."""
    with reading(path):
        if path.is_dir():
            yield _in_folder(path, progress)
        else:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                watched = _Watched(file, size, progress)
                # A stream cannot go back, so no tar can make it go round for ever.
                with tarfile.open(fileobj=cast(IO[bytes], watched), mode="r|") as archive:
                    yield _in_tar(archive, size)


def _in_folder(path: Path, progress: Progress) -> Iterator[Member]:
    files = sorted(file for file in path.iterdir() if file.suffix == ".pbz2" and file.is_file())
    for done, file in enumerate(files):
        yield Member(file.name, partial(unpickled, file, unheard))
        progress((done + 1) / len(files))


def _in_tar(archive: tarfile.TarFile, size: int) -> Iterator[Member]:
    for entry in archive:
        _check_inside(entry.name)
        if not (entry.isreg() or entry.isdir()) or entry.issparse():
            raise Broken(f"a tar with a link, device or hole: {entry.name[:100]!r}")
        if not 0 <= entry.size <= size:
            raise Broken(f"a file larger than the tar that it is in: {entry.name[:100]!r}")
        if entry.isreg() and entry.name.endswith(".pbz2"):
            content = archive.extractfile(entry)
            assert content is not None
            yield Member(PurePosixPath(entry.name).name, partial(_unpacked, content, entry.size))


def _check_inside(name: str) -> None:
    """Refuse an archive with a path outside its folder, although nothing is unpacked to disk."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or re.match(r"[A-Za-z]:", name):
        raise Broken(f"an archive with a file outside itself: {name[:100]!r}")


class _Watched:
    """A stream of known size that reports the share that is read."""

    def __init__(self, source: Source, size: int, progress: Progress) -> None:
        self._source, self._size, self._progress, self._done = source, max(size, 1), progress, 0

    def read(self, size: int, /) -> bytes:
        content = self._source.read(size)
        self._done += len(content)
        self._progress(min(self._done / self._size, 1.0))
        return content


class _Bounded:
    """A stream with a bound on its length."""

    def __init__(self, source: Source, limit: int) -> None:
        self._source, self._left = source, limit

    def read(self, size: int, /) -> bytes:
        content = self._source.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise Broken(f"bz2 that holds more than {EXPANSION} times its size")
        return content


# --- is it the file that it says it is? ------------------------------------------------------------------------------
_DIGITS = re.compile(r"NAS-Bench-201-v\d_\d-([0-9a-f]{6})\.pth|NATS-tss-v\d_\d-([0-9a-f]{5})\.pickle\.pbz2")
"""Official names end in the last digits of the file's MD5."""


def identified(path: Path) -> str:
    """Whether the content matches the checksum in the file's name, in words. Warns with ChecksumWarning if it does not.

    MD5 finds a broken download, not a forgery. NATS-Bench's folder and tar have the digits of its single file.
    """
    named = _DIGITS.fullmatch(path.name)
    if named is None:
        return "its name carries no checksum of it"
    digits = named[1] or named[2]
    with reading(path), open(path, "rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found.endswith(digits):
        return f"its MD5 ends in {digits}, as its name says"
    said = f"its MD5 ends in {found[-len(digits) :]}, not in {digits} as its name says"
    warnings.warn(f"{path}: {said}: it is not the published file, or a broken download", ChecksumWarning, stacklevel=2)
    return said
