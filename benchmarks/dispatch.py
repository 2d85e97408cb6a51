"""Cost of a batch on a worker, and the gain of a second worker: 40 evaluations of 2 s, one worker, then two.

Usage: python benchmarks/dispatch.py. A Prefect server (on Postgres where it is installed) and workers of its own, on
loopback. Four minutes, mostly asleep.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "integration"))

from cluster import Cluster, cluster

EVALUATIONS, SECONDS = 40, 2.0
PIPELINE = f"""
name: rehearsal
space: nas201
evaluator: {{kind: table, table: invented, seconds: {SECONDS}}}
source: {{task: invented_source, archive: {{strategy: random, samples: {EVALUATIONS}, size: 10}}}}
targets: [invented_a]
reasoner: {{kind: frequency}}
adaptation: {{iterations: 1, top_r: 3}}
search: {{method: rea, population_size: 2, generations: 1, tournament_size: 2}}
seed: 0
"""


def seconds(run: dict[str, object], since: str, until: str) -> float:
    return (datetime.fromisoformat(str(run[until])) - datetime.fromisoformat(str(run[since]))).total_seconds()


def measured(made: Cluster, name: str) -> float:
    """Seconds of the archive of 40; prints what its batches cost beside their work."""
    before = {run["id"] for run in made.runs()}
    done = made.lapt("run", str(made.home / "p.yaml"), "--pool", "cpu", "--store", str(made.home / name), timeout=600)
    assert done.returncode == 0, done.stderr
    runs = [run for run in made.runs() if run["id"] not in before]
    (archive,) = [run for run in runs if "archive from" in str(run["name"])]
    batches = [run for run in runs if str(run["name"]).startswith("invented_source:")]
    sizes = [int(str(run["name"]).split()[1]) for run in batches]
    took = seconds(archive, "start_time", "end_time")
    started = [seconds(run, "expected_start_time", "start_time") for run in batches]
    works = [seconds(run, "start_time", "end_time") for run in batches]
    beside = max(work - SECONDS * size for work, size in zip(works, sizes, strict=True))
    print(f"{name}: {took:.1f} s for {EVALUATIONS} evaluations of {SECONDS:g} s, in batches of {sorted(sizes)}")
    print(f"  a batch waits {max(started):.1f} s at most to be started, and spends {beside:.1f} s beside its work")
    return took


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder)) as made:
        made.lapt("deploy")
        (made.home / "p.yaml").write_text(PIPELINE)
        took = []
        for number in (1, 2):
            made.start_worker("cpu")
            made.await_workers("cpu", number)
            took.append(measured(made, f"{number} worker{'s' * (number > 1)}"))
        print(f"two workers are {took[0] / took[1]:.2f} times as fast as one")


if __name__ == "__main__":
    main()
