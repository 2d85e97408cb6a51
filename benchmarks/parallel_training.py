"""Speed of two processes beside one: the same architectures, one thread a process, warm workers.

Usage: python benchmarks/parallel_training.py
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from lapt.evaluators.images import TrainingSpec
from lapt.evaluators.training import TrainingEvaluator
from lapt.pipeline.config import load_plan
from lapt.spaces import space_named


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architectures", type=int, default=24)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    plan = load_plan("digits")
    space = space_named(plan.space)
    spec = TrainingSpec(space=space, task="classification", **plan.evaluator.model_dump(exclude={"kind"}))
    rng = np.random.default_rng(0)
    cells = [space.sample(rng) for _ in range(options.architectures)]
    evaluators = {n: TrainingEvaluator(spec, processes=n) for n in (1, options.processes)}
    scores = {n: [e.value for e in evaluator.evaluate(cells)] for n, evaluator in evaluators.items()}  # warms them up
    assert scores[1] == scores[options.processes]
    seconds: dict[int, list[float]] = {n: [] for n in evaluators}
    for _ in range(options.rounds):  # in turns: the machine's speed drifts
        for n, evaluator in evaluators.items():
            began = time.perf_counter()
            evaluator.evaluate(cells)
            seconds[n].append(time.perf_counter() - began)
    for n, found in seconds.items():
        print(f"{n} processes: {min(found) / len(cells):.2f} to {max(found) / len(cells):.2f} s an architecture")
    several = seconds[options.processes]
    ratios = [a / b for a, b in zip(seconds[1], several, strict=True)]
    overall = f"{sum(seconds[1]) / sum(several):.2f} times (rounds {min(ratios):.2f} to {max(ratios):.2f})"
    print(f"{options.processes} processes against 1: {overall}")


if __name__ == "__main__":
    main()
