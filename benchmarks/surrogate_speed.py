"""Cells a second that the imported surrogate scores, in one process and in as many as there are cores.

    python benchmarks/surrogate_speed.py [--cells 5000] [--processes 2]

After ``lapt benchmark import surrogate FOLDER``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from lapt.evaluators.surrogate import SurrogateEvaluator
from lapt.spaces import space_named
from storage.benchmarks.surrogates import NAME, SPACE, load_surrogate


def speed(cells: int, seed: int) -> float:
    """Random cells a second, each asked once, the model loaded."""
    space = space_named(SPACE)
    evaluator = SurrogateEvaluator(load_surrogate(NAME), space, "cifar10", epoch=98)
    rng = np.random.default_rng(seed)
    architectures = [space.sample(rng) for _ in range(cells)]
    evaluator.evaluate(architectures[:100])
    started = time.perf_counter()
    evaluator.evaluate(architectures)
    return cells / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=5000)
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    given = parser.parse_args()
    print(f"one process: {speed(given.cells, 0):,.0f} cells/s")
    with ProcessPoolExecutor(given.processes, multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(speed, [given.cells] * given.processes, range(given.processes)))
    print(f"{given.processes} processes: {sum(found):,.0f} cells/s")


if __name__ == "__main__":
    main()
