"""A store of a million scores, and as many trials: leaderboard, replay look-ups, memory.

Usage: python benchmarks/million_scores.py [SCORES]. Five tasks, runs of 500 evaluations. One minute. Each part runs in
a process of its own. Aims for a million, on two idle cores: leaderboard under 1 s and 1 GB, compaction under 1 GB, a
replay's batch under 50 ms.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lapt.evaluators import TableEvaluator
from lapt.evaluators.table import Rehearsal
from lapt.spaces import BUILTIN
from lapt.testing import invented_table
from storage.runs.evaluator import StoredEvaluator
from storage.sql.query import query
from storage.store import Store
from storage.upkeep.compaction import compact

QUERY = "SELECT task, rank, architecture, value FROM leaderboard WHERE rank <= 10"
RUN, FILE = 500, 20_000
TASKS = 5
R = TypeVar("R")


def timed(what: str, action: Callable[[], R]) -> R:
    began, computed = time.perf_counter(), time.process_time()
    found = action()
    took, computed = time.perf_counter() - began, time.process_time() - computed
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{what:58} {took:8.3f} s (of a processor: {computed:.3f}), peak {peak:.2f} GB", flush=True)
    return found


def fill(store: Store, count: int) -> None:
    space, rng = BUILTIN["darts"], np.random.default_rng(0)
    cells = [space.encode(space.sample(rng)) for _ in range(50_000)]
    for first in range(0, count, FILE):
        scores, trials = [], []
        for n in range(first, min(first + FILE, count)):
            task, cell = f"task{n % TASKS}", cells[n % len(cells)]
            common = {"space": "darts", "task": task, "identity": cell, "fingerprint": f"f{n // (len(cells) * TASKS)}"}
            value = float(rng.normal(90, 2))
            measured = {"value": value, "metric": "accuracy", "unit": "%", "higher_is_better": True, "status": "ok"}
            scores.append({**common, **measured, "key": f"{n:064x}", "split": "validation", "cost_seconds": 1.0})
            trials.append(
                {**common, **measured, "run_id": f"{n // RUN:012x}", "ordinal": n % RUN + 1, "iteration": 1,
                 "architecture": cell, "score_key": f"{n:064x}", "origin": "computed"}
            )  # fmt: skip
        store.append("scores", scores)
        store.append("trials", trials)


def replay(store: Store) -> None:
    """A search's batches of 20, all of them paid for, in a store of a million others."""
    space = BUILTIN["nas201"]
    inner = Rehearsal(TableEvaluator(invented_table(), space, "invented_a"), 1e-6)
    cells = [space.sample(np.random.default_rng(seed)) for seed in range(200)]
    StoredEvaluator(inner, store, space, seed=0).evaluate(cells)
    again = StoredEvaluator(inner, Store(store.address), space, seed=0)
    timed("replay: the first batch of 20, which reads the store", lambda: again.evaluate(cells[:20]))
    took = []
    for first in range(20, 200, 20):
        began = time.perf_counter()
        again.evaluate(cells[first : first + 20])
        took.append(time.perf_counter() - began)
    print(f"replay: the batches that follow, {1000 * np.median(took):.0f} ms (at most {1000 * max(took):.0f})")


def appending(folder: str, count: int) -> None:
    timed(f"append {count:,} scores and trials", lambda: fill(Store(folder), count))


def compacting(folder: str) -> None:
    timed("compaction", lambda: compact(Store(folder), grace_seconds=0))


def asking(folder: str, what: str) -> None:
    for attempt in ("first", "second"):
        timed(f"leaderboard, {what}, {attempt}", lambda: query(Store(folder), QUERY))


def replaying(folder: str) -> None:
    replay(Store(folder))


def apart(action: Callable[..., None], *arguments: object) -> None:
    """In a process of its own: its peak is of nothing else."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        process.submit(action, *arguments).result()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        apart(appending, folder, count)
        apart(compacting, folder)
        apart(asking, folder, "all merged")
        apart(replaying, folder)
        apart(asking, folder, "200 scores since")


if __name__ == "__main__":
    main()
