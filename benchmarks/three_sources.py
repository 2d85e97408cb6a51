"""Three sources and a fourth task: one source, the three as advisers, and a library grown from them.

    python benchmarks/three_sources.py --seeds 10

Each of TransNAS-Bench-101's seven tasks is the target once; its sources are the three tasks behind it in the table's
order. LAPT-gp with 50 evaluations.
"""

from __future__ import annotations

import argparse
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
from shipped_library import seen

from flows.studies.entrants.bench import Bench
from flows.studies.entrants.methods import alone, lapt
from lapt.base.statistics import summarised
from lapt.evaluation import best
from lapt.library.entries import Library
from lapt.library.growing import grown
from lapt.pipeline.config import Execution, load_pipeline
from storage.benchmarks.tables import load

NAME = "transnas101_micro"


def library_of(tasks: tuple[str, ...], folder: Path) -> Path:
    """A library that runs from these tasks would have grown."""
    library = Library()
    for space, read in seen(NAME):
        if read.task in tasks:
            library, _, _ = grown(library, space, read)
    path = folder / f"{'-'.join(tasks)}.json"
    path.write_text(library.text)
    return path


def rank(target: str, source: str | None, more: tuple[str, ...], seed: int) -> int:
    """Rank of the best by validation: 1 + the architectures strictly better. ``source``: None for ``gp`` alone."""
    said = [f"source={source or 'none'}", f"targets=[{target}]", "controls=[]", "search.method=gp", *more]
    bench = Bench(load_pipeline("trans101", said), Execution(store="unused"))
    searched = alone("gp", bench, target, seed) if source is None else lapt(bench, target, seed)
    found = best(searched.evaluations)
    assert found is not None
    return 1 + int((load(NAME).comparable(target) > found.score).sum())


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seeds", type=int, default=10)
    asked.add_argument("--first-seed", type=int, default=10_000)
    asked.add_argument("--set", action="append", default=[], dest="more")
    given = asked.parse_args()
    tasks, seeds = sorted(load(NAME).scores), range(given.first_seed, given.first_seed + given.seeds)
    names = ("gp alone", "mean of the single sources", "best single source", "three advisers", "library of the three")
    found: dict[str, list[list[int]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(2) as pool:
        for at, target in enumerate(tasks):
            three = tuple(tasks[(at + step) % len(tasks)] for step in (1, 2, 3))
            single = [f"{{task: {one}, archive: {{strategy: top, size: 50}}}}" for one in three]
            ways = [None, *single, f"[{', '.join(single)}]", f"{{library: {library_of(three, Path(folder))}}}"]
            ranks = [list(pool.map(partial(rank, target, way, tuple(given.more)), seeds)) for way in ways]
            mean = [round(fmean(row)) for row in zip(*ranks[1:4], strict=True)]
            for name, row in zip(names, (ranks[0], mean, min(ranks[1:4], key=fmean), *ranks[4:]), strict=True):
                found[name].append(row)
            print(f"{target:16} {' '.join(f'{fmean(row):8.1f}' for row in ranks)}", flush=True)
    base = np.log2(np.array(found["mean of the single sources"]))
    print(f"{given.seeds} seeds from {given.first_seed} {' '.join(given.more)}")
    print("mean rank, and mean log2 ratio to the mean of the single sources [95 %, bootstrap over the runs]")
    for name, rows in found.items():
        ratio = summarised(list((np.log2(np.array(rows)) - base).ravel()))
        print(f"{name:28} {np.mean(rows):6.1f}   {ratio.mean:+.2f} [{ratio.ci_low:+.2f}, {ratio.ci_high:+.2f}]")


if __name__ == "__main__":
    main()
