"""Rank of the best accuracy under a latency cap, among the architectures that meet it, after 20 evaluations.

    python benchmarks/capped.py COLUMN [--quantile 0.25] [--task cifar10] [--seeds 20] [--first-seed 10000]

Table: nasbench201, with COLUMN imported (``lapt benchmark import columns``). The cap is a quantile of the column. By
validation. ``lapt-gp``: principles from imagenet16_120, which is not constrained, ``refinement: order``; ``gp`` and
``random`` alone, under the same cap.
"""

from __future__ import annotations

import argparse

import numpy as np

from lapt.evaluators import TableEvaluator
from lapt.pipeline.config import load_pipeline
from lapt.pipeline.steps import Steps
from lapt.pipeline.target import TargetSearch
from lapt.reasoning import Patterns
from lapt.search.loop import search
from lapt.spaces import BUILTIN
from storage.benchmarks.tables import load

SPACE = BUILTIN["nas201"]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("column")
    asked.add_argument("--quantile", type=float, default=0.25)
    asked.add_argument("--task", default="cifar10")
    asked.add_argument("--seeds", type=int, default=20)
    asked.add_argument("--first-seed", type=int, default=10_000)
    given = asked.parse_args()
    table = load("nasbench201")
    latencies, scores = table.columns[given.column], table.scores[given.task]["validation"]
    cap = float(np.quantile(latencies, given.quantile))
    meets = latencies <= cap
    target, source = (TableEvaluator(table, SPACE, task) for task in (given.task, "imagenet16_120"))
    ranks: dict[str, list[int]] = {"lapt-gp": [], "gp": [], "random": []}
    infeasible = 0
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        pipeline = load_pipeline(
            "nas201",
            [
                *("search.method=gp", "search.ask_size=1", "reasoner={kind: patterns}", "refinement=order"),
                *(f"constraints.{given.column}.max={cap!r}", f"targets=[{given.task}]", f"seed={seed}"),
            ],
        )
        steps = Steps(pipeline, SPACE, Patterns(**pipeline.reasoner.model_dump(exclude={"kind"})))
        archive = steps.build_archive(source)
        found = {"lapt-gp": TargetSearch(steps, target, archive).run(steps.learn(archive))[1]}
        for method in ("gp", "random"):
            config, feasible = pipeline.search.by(method), steps.feasible(target)
            searcher = config.searcher(SPACE, target, seed=[seed, 7], feasible=feasible)
            found[method] = search(searcher, target.evaluate, budget=pipeline.budget, ask_size=1)
        for method, evaluations in found.items():
            best = max(one.score for one in evaluations)
            ranks[method].append(1 + int((scores[meets] > best).sum()))
            infeasible += sum(not meets[table.rows[one.identity]] for one in evaluations)
    print(f"{given.task}, {given.column} at most {cap:.4g}: {meets.sum():,} cells; {infeasible} others asked for")
    for method, found_ranks in ranks.items():
        median, mean = np.median(found_ranks), np.mean(found_ranks)
        among_best = np.mean(np.array(found_ranks) <= 3)
        print(f"{method:>8}  median rank {median:g}, mean {mean:.1f}, in the top 3: {among_best:.0%}")


if __name__ == "__main__":
    main()
