"""A search whose scores take their time, on workers, and what is to be known of one afterwards."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
from cluster import Cluster

from storage.store import Store

REHEARSAL = """
name: rehearsal
space: nas201
evaluator: {{kind: table, table: invented, seconds: {seconds}}}
source: {{task: invented_source, archive: {{strategy: random, samples: {samples}, size: 10}}}}
targets: [invented_a]
reasoner: {{kind: frequency}}
adaptation: {{iterations: {iterations}, top_r: 3}}
search: {{method: rea, population_size: 4, generations: 1, tournament_size: 2}}
seed: 0
"""


def declared(machines: Cluster, name: str, seconds: float, samples: int, iterations: int = 1) -> str:
    path = machines.home / f"{name}.yaml"
    path.write_text(REHEARSAL.format(seconds=seconds, samples=samples, iterations=iterations))
    return str(path)


def found(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stderr[-3000:]
    target = json.loads(done.stdout)["targets"][0]
    return {key: target[key] for key in ("architecture", "validation", "test", "evaluations", "repeats")}


def paid(store: Path) -> list[int]:
    """Number of times that each stored score was computed."""
    rows = Store(store).read("scores", ["key", "split"]).to_pylist()
    keys = [row["key"] for row in rows if row["split"] == "validation"]
    return [keys.count(key) for key in dict.fromkeys(keys)]


def engines(machines: Cluster) -> list[psutil.Process]:
    """Processes of flow runs that the workers started."""
    found = []
    for worker in machines.workers:
        if worker.poll() is None:
            for child in psutil.Process(worker.pid).children(recursive=True):
                with suppress(psutil.Error):  # it ended meanwhile
                    found += [child] if "prefect.engine" in " ".join(child.cmdline()) else []
    return found
