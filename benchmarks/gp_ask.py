"""Time of one ask of the Gaussian process, and the rank of its finds on TransNAS-Bench-101 micro.

Usage: python benchmarks/gp_ask.py [SEEDS [METHOD]]. One ask over 4,096 candidates with 50 observations: aim under
100 ms. With SEEDS and the imported table (LAPT_DATA): mean rank, by validation score, of the best of 50 evaluations on
the whole space, for each task. Features and targets were chosen on class_object, room_layout and NAS-Bench-201 cifar10;
the other tasks were looked at for three designs: paths and sums weighed alike (mean rank 13), paths a quarter (17, but
better on the tasks tuned on), and the weight that the likelihood chooses (10), which was kept.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from flows.evaluators import table_of
from lapt.base.statistics import rank
from lapt.evaluation import Evaluation, Metric
from lapt.evaluators import TableEvaluator
from lapt.pipeline.config import load_pipeline
from lapt.reasoning.expectation import Expectation
from lapt.search import SEARCHERS, Prior
from lapt.search.loop import search
from lapt.spaces import BUILTIN

SPACE = BUILTIN["trans101"]


def asks(what: str, **given: Any) -> None:
    searcher, metric, times = SEARCHERS["gp"](SPACE, seed=0, **given), Metric("number of convolutions"), []
    for _ in range(60):
        started = time.perf_counter()
        (cell,) = searcher.ask(1)
        times.append(time.perf_counter() - started)
        value = float(sum("conv" in operator for operator in cell.operators))
        searcher.tell([Evaluation(cell, SPACE.encode(cell), value, metric)])
    last = 1000 * np.array(times[50:])
    print(f"{what}: first fit, with what is cached a process   {1000 * max(times[:10]):8.1f} ms")
    print(f"{what}: one ask, 50 to 59 observations, median     {np.median(last):8.1f} ms, longest {last.max():.1f} ms")


def ranks(method: str, seeds: int) -> None:
    pipeline, means = load_pipeline("trans101"), []
    table = table_of(pipeline, None)
    for task in pipeline.targets:
        evaluator = TableEvaluator(table, SPACE, task)
        scores = np.array([evaluator.metric.score(value) for value in table.column(task)])
        found = []
        for seed in range(seeds):
            searcher = SEARCHERS[method](SPACE, seed=seed, identity=evaluator.identity)
            evaluations = search(searcher, evaluator.evaluate, budget=50, ask_size=1)
            found.append(rank(max(evaluation.score for evaluation in evaluations), scores))
        means.append(np.mean(found))
        print(f"{method} {task:16} mean rank {means[-1]:6.1f}, median {np.median(found):5.1f}, worst {max(found)}")
    print(f"{method} {'all tasks':16} mean rank {np.mean(means):6.1f}, {seeds} seeds")


if __name__ == "__main__":
    asks("gp")
    expects = Expectation(SPACE, tuple((name, 1.0) for name in SPACE.family.feature_names[-5:]))
    asks("gp with a prior, anywhere", prior=Prior(expects=expects), near=False)
    asks("gp with a prior, near the incumbent", prior=Prior(expects=expects))
    if len(sys.argv) > 1:
        ranks(sys.argv[2] if len(sys.argv) > 2 else "gp", int(sys.argv[1]))
