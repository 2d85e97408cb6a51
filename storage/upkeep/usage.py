"""Sizes of a store's parts, and of each run's share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from storage.files import Stored
from storage.ids import of_run
from storage.schemas import SCHEMAS
from storage.store import Store

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
