"""Sizes of a store's parts and of each run's share, removal of a run, and leftover files that nothing needs.

The scores that a removed run paid for stay, and the networks behind them.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from lapt.errors import ConfigError, StoreError
from storage.files import TEMPORARY, Stored
from storage.ids import of_run, the_one
from storage.runs.checkpoints import StoredSupernets
from storage.runs.lock import only_attempt
from storage.schemas import SCHEMAS
from storage.store import BrokenFileWarning, Store
from storage.upkeep.compaction import compact

OF_RUNS = tuple(name for name, schema in SCHEMAS.items() if "run_id" in schema.names)
"""Data sets whose rows belong to runs."""

HOLDS = {
    **dict.fromkeys(SCHEMAS, "rows"),
    "blobs": "networks, supernets, batches",
    "checkpoints": "unfinished trainings",
    "duckdb": "snapshots of runs",
    "locks": "runs under way",
    "manual": "prompts answered by hand",
    "prefect": "Prefect's history",
    "reports": "summaries of runs and studies",
    "supernets_by_key": "where supernets are",
}
"""Folder -> description of its content."""


@dataclass(frozen=True)
class Folder:
    name: str
    holds: str
    files: int
    bytes: int


@dataclass(frozen=True)
class RunSize:
    """The size of a run with its controls.

    ``rows``: by data set. ``files``: those of this run alone. ``bytes``: of these files, and about its rows' share of
    the data sets' files.
    """

    run_id: str
    pipeline: str
    rows: dict[str, int]
    files: tuple[Stored, ...]
    bytes: int


@dataclass(frozen=True)
class Usage:
    """``folders`` and ``runs``, the largest first."""

    store: str
    files: int
    bytes: int
    folders: tuple[Folder, ...]
    runs: tuple[RunSize, ...]


def usage(store: Store) -> Usage:
    """The sizes of a store. Raises StoreError when there is no store or it cannot be read."""
    store.require()
    listing = store.files.listing()
    counts, sizes = Counter(file.folder for file in listing), Counter[str]()
    for file in listing:
        sizes[file.folder] += file.bytes
    folders = [Folder(name, HOLDS.get(name, ""), counts[name], size) for name, size in sizes.most_common()]
    runs = sorted(sizes_of_runs(store, listing), key=lambda run: -run.bytes)
    return Usage(store.address, len(listing), sizes.total(), tuple(folders), tuple(runs))


def sizes_of_runs(store: Store, listing: Sequence[Stored]) -> list[RunSize]:
    """The size of every run that was started. ``listing``: all files of the store."""
    ids = {dataset: store.read(dataset, ["run_id"]).column(0) for dataset in OF_RUNS}
    sizes = Counter[str]()
    for file in listing:
        sizes[file.folder] += file.bytes
    by_name = {file.name: file for file in listing}
    names = store.read("runs", ["run_id", "pipeline"]).to_pylist()
    found = []
    for run_id, pipeline in {row["run_id"]: row["pipeline"] or "" for row in names}.items():
        rows = {dataset: int(of_run(column, run_id).sum()) for dataset, column in ids.items()}
        files = tuple(by_name[name] for name in files_of(run_id) if name in by_name)
        shared = sum(sizes[dataset] * count / len(ids[dataset]) for dataset, count in rows.items() if count)
        size = round(shared) + sum(file.bytes for file in files)
        found.append(RunSize(run_id, pipeline, {name: count for name, count in rows.items() if count}, files, size))
    return found


def files_of(run_id: str) -> tuple[str, str]:
    """The files of a finished run beside its rows: its snapshot and its summary."""
    return f"duckdb/{run_id}.duckdb", f"reports/{run_id}.md"


TRIES = 3
"""Number of tries. A compaction that had begun to read before a removal may undo it."""
SILENT = timedelta(hours=24)
"""In an object store, which has no locks, a run counts as under way for this long after its start."""


def removable(store: Store, run: str) -> RunSize:
    """The data that a removal of the run would delete. ``run``: its id or the start of one. Raises StoreError."""
    store.require()
    sizes = {size.run_id: size for size in sizes_of_runs(store, store.files.listing())}
    return sizes[the_one(sizes, run, f"run in {store.address}", "lapt store usage lists them")]


def remove(store: Store, run: RunSize) -> None:
    """Delete the run's snapshot and summary, then its rows and its controls', its attempts last.

    The rows are left out of a new merged file, beside any number of writers. A compaction deletes the files that held
    them, after the grace period of readers. Raises StoreError while the run is under way, and if rows are left in files
    that cannot be read.
    """
    with only_attempt(store.address, run.run_id):
        _check_over(store, run.run_id)
        for file in run.files:
            store.files.delete(file.name)
        for dataset in sorted(run.rows, key=lambda name: name == "runs"):
            _remove_rows(store, dataset, run.run_id)


def _check_over(store: Store, run_id: str) -> None:
    if "://" not in store.address:
        return  # the lock knows
    rows = store.read("runs", ["run_id", "event", "created_at"])
    events = rows.filter(of_run(rows.column("run_id"), run_id)).to_pylist()
    last = max(events, key=lambda row: row["created_at"], default=None)
    if last is not None and last["event"] == "started" and datetime.now(UTC) - last["created_at"] < SILENT:
        raise StoreError(
            f"run {run_id} to be over",
            f"one that was started at {last['created_at']:%Y-%m-%d %H:%M} UTC and has not ended",
            f"stop it, or wait: after {SILENT.total_seconds() / 3600:.0f} h of silence it counts as dead",
        )


def _remove_rows(store: Store, dataset: str, run_id: str) -> None:
    for _ in range(TRIES):
        compact(store, datasets=[dataset], without=run_id)
        if not of_run(store.read(dataset, ["run_id"]).column(0), run_id).any():
            return
    raise StoreError(
        f"to take run {run_id} out of {dataset}",
        "rows of it in files that were being merged, or that a newer LAPT wrote",
        "run it again when no compaction runs, with the newest LAPT",
    )


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
