"""Time to judge 50 conditions over all of TransNAS-Bench-101's 4,096 cells, without any cache.

python benchmarks/conditions_speed.py [SPACE]
"""

from __future__ import annotations

import sys
import time
from itertools import product
from typing import Any

from lapt.conditions.cells import Cells
from lapt.conditions.judging import holding, members_of
from lapt.conditions.language import condition_of
from lapt.spaces import BUILTIN

ROUNDS = 5


def conditions(operators: list[str]) -> list[Any]:
    """50 conditions: paths, counts, and both of a pair."""
    paths = [{"path": {"operators": [o], "at_least": n}} for o, n in product(operators, (1, 2, 3, 4))]
    counts = [{"count": {"operators": [o], "at_most": n}} for o, n in product(operators, (0, 1, 2, 3))]
    both = [{"all": [path, count]} for path, count in product(paths, counts)]
    return [condition_of(declared) for declared in [*paths, *counts, *both][:50]]


def main() -> None:
    space = BUILTIN[sys.argv[1] if len(sys.argv) > 1 else "trans101"]
    architectures = members_of(space).architectures
    asked = conditions(list(space.layers[0].operators)[1:])
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        cells = Cells.of(space, architectures)
        for condition in asked:
            holding(condition, cells)
        best = min(best, time.perf_counter() - started)
    print(f"{len(architectures):,} cells of {space.name} x {len(asked)} conditions: {best:.3f} s (best of {ROUNDS})")


if __name__ == "__main__":
    main()
