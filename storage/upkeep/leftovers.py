"""Leftover files of a store: nothing needs them any more."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from lapt.errors import ConfigError, StoreError
from storage.files import TEMPORARY, Stored
from storage.runs.checkpoints import StoredSupernets
from storage.store import BrokenFileWarning, Store

YOUNGEST = timedelta(hours=24)
"""Minimum age of a file that is deleted: a blob is written before the row that refers to it, and a batch before a
worker reads it."""

_OF_A_RUN = re.compile(r"(?:duckdb|reports)/([0-9a-f]{12})\.(?:duckdb|md)")


@dataclass(frozen=True)
class Leftover:
    """A file that may be deleted, and the reason ``why``."""

    file: Stored
    why: str


@dataclass(frozen=True)
class _Needed:
    """``blobs`` that scores and supernets refer to; keys of the checkpoints whose training is ``finished``; ``runs``
    with rows."""

    blobs: set[str]
    finished: set[str]
    runs: set[str]


def leftovers(store: Store, older_than: timedelta) -> list[Leftover]:
    """Files that may be deleted, the oldest first. Never scores, never data of a run.

    These are unfinished files, blobs that nothing refers to, checkpoints of finished trainings, and files of runs that
    are gone. Raises ConfigError for an age under ``YOUNGEST``, StoreError if the references to blobs cannot be read.
    """
    if older_than < YOUNGEST:
        raise ConfigError(
            "an age of 24h or more", f"{older_than.total_seconds() / 3600:g}h", "nothing younger is deleted: say 24h"
        )
    store.require()
    # Listed before it is asked what is needed: what is written meanwhile is not in the list.
    old = [file for file in store.files.listing() if file.age_seconds > older_than.total_seconds()]
    needed = _needed(store, {_key(file) for file in old if file.folder == "checkpoints"})
    found = [Leftover(file, why) for file in old if (why := _why(file, needed)) is not None]
    return sorted(found, key=lambda one: one.file.modified)


def delete(store: Store, found: Sequence[Leftover]) -> int:
    """Delete the files that have not changed since; returns the bytes. Raises StoreError."""
    freed = 0
    for one in found:
        if store.files.listing(one.file.name) == [one.file]:
            store.files.delete(one.file.name)
            freed += one.file.bytes
    return freed


def _why(file: Stored, needed: _Needed) -> str | None:
    name = file.name.rpartition("/")[2]
    if file.folder == "prefect":
        return None
    if name.startswith(TEMPORARY):
        return "left by a writer that was killed"
    if file.folder == "blobs" and name not in needed.blobs:
        return "nothing refers to it"
    if file.folder == "checkpoints" and _key(file) in needed.finished:
        return "its training is finished"
    run = _OF_A_RUN.fullmatch(file.name)
    return "its run is gone" if run is not None and run[1] not in needed.runs else None


def _key(checkpoint: Stored) -> str:
    return _stem(checkpoint.name.rpartition("/")[2])


def _stem(name: str) -> str:
    return name.removesuffix(".json")


def _needed(store: Store, keys: set[str]) -> _Needed:
    """The blobs and runs that are needed. ``keys``: of the checkpoints to look up."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", BrokenFileWarning)
        try:
            scores = store.read("scores", ["key", "status", "weights"])
            runs = {run for name in ("runs", "trials") for run in store.read(name, ["run_id"]).column(0).unique()}
        except BrokenFileWarning as broken:
            raise StoreError(
                "every score to be read, since scores say which blobs are needed", str(broken), "mend that first"
            ) from None
    done = scores.filter(
        (pc.field("status") == "ok") & pc.field("key").isin(pa.array(sorted(keys), pa.string()))
    ).column("key")
    known = StoredSupernets(store)
    supernets = {key: known.finished(key) for key in map(_stem, store.files.names("supernets_by_key"))}
    return _Needed(
        blobs={*map(str, scores.column("weights").drop_null().to_pylist()), *(s.blob for s in supernets.values() if s)},
        finished={*map(str, done.to_pylist()), *supernets},
        runs={run.as_py() for run in runs},
    )
