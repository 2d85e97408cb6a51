"""A task of one's own: sources that cost nothing, against a paid source and against the search alone.

    python benchmarks/own_task.py --seeds 60 --first-seed 10000

The task is classification or autoencoding of LAPT's digits table, 20 evaluations. Sources: 64 trainings of its jigsaw
task (paid for); NAS-Bench-201's ImageNet16-120 (imported); a library of that table's tasks alone, made without the
digits table (--library FILE of benchmarks/shipped_library.py); table and library; nothing.
"""

from __future__ import annotations

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from statistics import fmean, stdev

from flows.studies.entrants.bench import Bench
from flows.studies.entrants.methods import lapt
from lapt.evaluation import best
from lapt.evaluators.table import Table
from lapt.pipeline.config import Execution, load_pipeline
from storage.benchmarks.tables import load

TARGETS = ("classification", "autoencoding")
PAID = "64 trainings of jigsaw"
EQUAL = "nothing, 84 trainings"
"""The search alone, with as many evaluations in all as the paid source and the search from it have."""
TABLE = "{table: nasbench201, task: imagenet16_120}"


def sources(library: str) -> dict[str, str]:
    """Name -> the section ``source``."""
    return {
        PAID: "{task: jigsaw, archive: {strategy: random, samples: 64, size: 16}}",
        "nothing": "none",
        EQUAL: "none",
        "table": TABLE,
        "library": f"{{library: {library}}}",
        "table and library": f"[{TABLE}, {{library: {library}}}]",
    }


def rank(table: Table, task: str, source: tuple[str, str], more: list[str], seed: int) -> int:
    """Rank of the best that LAPT finds by validation: 1 + the architectures strictly better."""
    name, declared = source[0], [f"source={source[1]}", "controls=[]", f"targets=[{task}]"]
    declared.append(f"search={{method: gp, population_size: {21 if name == EQUAL else 5}}}")
    pipeline = load_pipeline("digits_table", [*declared, *more])
    searched = lapt(Bench(pipeline, Execution(store="unused")), task, seed)
    found = best(searched.evaluations)
    assert found is not None
    return 1 + int((table.comparable(task) > found.score).sum())


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seeds", type=int, default=60)
    asked.add_argument("--first-seed", type=int, default=10_000)
    asked.add_argument("--library", required=True)
    asked.add_argument("--set", action="append", default=[], dest="more")
    asked.add_argument("--processes", type=int, default=2)
    given = asked.parse_args()
    table, seeds = load("digits"), range(given.first_seed, given.first_seed + given.seeds)
    with ProcessPoolExecutor(given.processes) as pool:
        logs = {
            (name, task): [math.log(r) for r in pool.map(partial(rank, table, task, (name, source), given.more), seeds)]
            for name, source in sources(given.library).items()
            for task in TARGETS
        }
    print(f"{given.seeds} seeds from {given.first_seed}, LAPT-gp, 20 evaluations {' '.join(given.more)}")
    print("source                   task             geometric mean rank   ratio to the paid source [95 %]")
    for (name, task), found in logs.items():
        differences = [mine - theirs for mine, theirs in zip(found, logs[PAID, task], strict=True)]
        mean, error = fmean(differences), stdev(differences) / math.sqrt(len(differences))
        low, high = (math.exp(mean + sign * 1.96 * error) for sign in (-1, 1))
        ratio = "" if name == PAID else f"{math.exp(mean):.2f} [{low:.2f}, {high:.2f}]"
        print(f"{name:24} {task:16} {math.exp(fmean(found)):19.1f}   {ratio}")


if __name__ == "__main__":
    main()
