"""Rank of the best that ``gp`` finds on tables with holes, beside random search.

Usage: python benchmarks/gp_on_holes.py [SEEDS [TABLE]]. TABLE: nasbench201 (cifar10) or transnas101_micro
(class_object), imported (LAPT_DATA). Each kind of hole takes architectures out of the table; asking for one of them is
a failed evaluation. Ranks are among those that are left, after 20 and after 50 evaluations, mean over the seeds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lapt.base.statistics import rank
from lapt.evaluators import TableEvaluator
from lapt.search import SEARCHERS
from lapt.search.loop import search
from lapt.spaces import Architecture, space_named
from storage.benchmarks.tables import load

TASKS = {"nasbench201": "cifar10", "transnas101_micro": "class_object"}
CONV = "nor_conv_3x3"
HOLES: dict[str, Callable[[Architecture, np.random.Generator], bool]] = {
    "none": lambda cell, rng: True,
    "half, at random": lambda cell, rng: rng.random() < 0.5,
    "no 3x3 on 0->1": lambda cell, rng: cell.operators[0] != CONV,
    "few with a 3x3": lambda cell, rng: CONV not in cell.operators or rng.random() < 0.3,
    "large ones": lambda cell, rng: cell.operators.count(CONV) < 3,
    "any with a skip": lambda cell, rng: "skip_connect" not in cell.operators,
}
"""Holes by name: whether an architecture stays in the table."""


def main(seeds: int = 10, name: str = "nasbench201") -> None:
    whole, task = load(name), TASKS[name]
    space = space_named(whole.space)
    cells = [space.decode(text) for text in whole.architectures]
    for holes, stays in HOLES.items():
        rng = np.random.default_rng(7)
        kept = np.array([stays(cell, rng) for cell in cells])
        table = replace(
            whole,
            architectures=tuple(np.array(whole.architectures)[kept]),
            scores={t: {split: values[kept] for split, values in of.items()} for t, of in whole.scores.items()},
            parameters=None,
            flops=None,
            holes=True,
        )
        evaluator, known = TableEvaluator(table, space, task), table.comparable(task)
        for method in ("gp", "random"):
            ranks = []
            for seed in range(seeds):
                searcher = SEARCHERS[method](space, seed=seed, identity=evaluator.identity)
                scores = [one.score for one in search(searcher, evaluator.evaluate, budget=50, ask_size=1)]
                bests = [max(scores[:budget]) for budget in (20, 50)]
                ranks.append([rank(best, known) if best > -np.inf else len(known) for best in bests])
            at_20, at_50 = np.mean(ranks, axis=0)
            print(f"{name} {task}, holes: {holes:16} {method:7} rank after 20: {at_20:7.1f}, after 50: {at_50:7.1f}")


if __name__ == "__main__":
    main(*[kind(given) for kind, given in zip((int, str), sys.argv[1:], strict=False)])
