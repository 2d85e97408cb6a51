"""The file of a library of principles: read, and grown by runs that may end at the same time."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path

from lapt.errors import StoreError
from lapt.library.entries import Library, library_in, read_library
from storage.files import LocalFiles
from storage.runs.lock import exclusive

SHIPPED = "shipped"
"""Name of the library that comes with the package."""


def library_named(name_or_file: str) -> Library:
    """The shipped library, or the one in a file. Raises ConfigError if there is none, or for a fault in it."""
    if name_or_file == SHIPPED:
        return library_in(resources.files("lapt.library").joinpath("shipped.json").read_text("utf-8"), SHIPPED)
    return read_library(Path(name_or_file))


def grow(path: Path, change: Callable[[Library], Library]) -> Library:
    """Change the library in a file, which is made if there is none. One process at a time: nothing is lost.

    Raises ConfigError for a fault in the file, which stays as it is; StoreError if it cannot be written.
    """
    whole = path.absolute()
    try:
        whole.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(whole.with_name(f".{whole.name}.lock")):
            before = read_library(whole) if whole.exists() else Library()
            after = change(before)
            if after != before:
                LocalFiles(whole.parent).write(whole.name, after.text.encode())
            return after
    except OSError as error:
        raise StoreError(
            f"a library that can be written at {path}", error.strerror or type(error).__name__, "name another file"
        ) from error
