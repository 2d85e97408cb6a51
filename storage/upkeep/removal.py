"""Removal of a run from a store. The scores that it paid for stay, and the networks behind them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lapt.errors import StoreError
from storage.ids import of_run, the_one
from storage.runs.lock import only_attempt
from storage.store import Store
from storage.upkeep.compaction import compact
from storage.upkeep.usage import RunSize, sizes_of_runs

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
