"""Time of a leaderboard over 2,000 appended files, before and after compaction.

Usage: python benchmarks/store_queries.py [FILES]. Aims: under 1 s before, under 0.1 s after, Prefect not imported.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lapt.spaces import BUILTIN
from storage.sql.query import query
from storage.store import Store
from storage.upkeep.compaction import compact

QUERY = "SELECT task, rank, architecture, value FROM leaderboard WHERE rank <= 10"


def timed(what: str, action: Callable[[], Any]) -> None:
    started = time.perf_counter()
    action()
    print(f"{what:42} {time.perf_counter() - started:7.3f} s", flush=True)


def fill(store: Store, files: int) -> None:
    """One trial a file, as a run that evaluates one by one writes them."""
    space = BUILTIN["nas201"]
    for number, architecture in zip(range(files), space.members(), strict=False):
        row = {
            "run_id": f"run{number // 20}",
            "space": space.name,
            "task": "cifar10",
            "ordinal": number % 20 + 1,
            "architecture": space.encode(architecture),
            "value": float(number * 7919 % 1000) / 10,
            "metric": "accuracy",
            "higher_is_better": True,
            "status": "ok",
            "origin": "table",
        }
        store.append("trials", [row])


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        timed(f"append {files} files", lambda: fill(store, files))
        for attempt in ("first", "second"):
            timed(f"leaderboard before compaction, {attempt}", lambda: query(store, QUERY))
        timed("compaction", lambda: compact(store, grace_seconds=60))
        timed("leaderboard, inputs not yet deleted", lambda: query(Store(folder), QUERY))
        timed("compaction that deletes them", lambda: compact(store, grace_seconds=0))
        for attempt in ("first", "second"):
            timed(f"leaderboard after compaction, {attempt}", lambda: query(Store(folder), QUERY))
    print(f"prefect imported: {'prefect' in sys.modules}")


if __name__ == "__main__":
    main()
