"""Rates of alarms: how often a run tells that an adviser's principles do not hold on the target.

Every ordered pair of a preset's tasks is run with several seeds, each with an archive of its own. An adviser belongs
to one of three classes by the rank correlation of its expectation with the target's scores over the whole table: above
0.3, below 0, between. An alarm is told when P(weight <= 0) is above 0.95 (lapt/search/alarm.py).

    python benchmarks/alarm_rates.py trans101 --seeds 5
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from itertools import permutations

import numpy as np
from scipy.stats import spearmanr

from flows.studies.entrants.bench import Bench
from flows.studies.entrants.methods import Watched
from lapt.pipeline.config import Execution, Pipeline, load_pipeline
from lapt.reasoning.expectation import advisers_of
from lapt.search.loop import scored


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", nargs="?", default="trans101")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=10_000)
    parser.add_argument("--refinement", choices=["product", "order"], default="product")
    parser.add_argument("--set", action="append", default=[], help="as for lapt run")
    said = parser.parse_args()
    settings = [f"refinement={said.refinement}", "search.method=gp", "source.archive={strategy: bootstrap}", *said.set]
    declared = load_pipeline(said.preset, settings)
    told: dict[str, list[bool]] = defaultdict(list)
    for source, target in permutations((declared.source.task, *declared.targets), 2):
        pipeline = declared.model_copy(
            update={"source": declared.source.model_copy(update={"task": source}), "targets": (target,)}
        )
        for seed in range(said.first_seed, said.first_seed + said.seeds):
            for kind, alarmed in _run(pipeline, seed):
                told[kind].append(alarmed)
    print(f"{said.preset}, refinement {said.refinement}, {said.seeds} seeds from {said.first_seed}")
    for kind, alarms in sorted(told.items()):
        print(f"adviser and target correlate {kind}: told in {sum(alarms)} of {len(alarms)} ({np.mean(alarms):.1%})")


def _run(pipeline: Pipeline, seed: int) -> list[tuple[str, bool]]:
    """(class of the correlation, whether an alarm was told) of every adviser of one run."""
    bench = Bench(pipeline, Execution(store="unused"))
    (task,) = pipeline.targets
    steps, evaluator = bench.steps(seed), bench.evaluator(task)
    learned = bench.learned(steps, seed)
    watched = Watched(steps, evaluator, bench.archive(seed))
    watched.run(learned)
    alarms = {known.adviser for known in watched.refuted}
    members = list(scored(steps.space, evaluator))
    scores = [evaluation.score for evaluation in evaluator.evaluate(members)]
    return [
        (_class(float(spearmanr(adviser.expects(members), scores).statistic)), adviser.name in alarms)
        for adviser in advisers_of(steps.space, learned, task=task)
    ]


def _class(correlation: float) -> str:
    return "above 0.3" if correlation > 0.3 else "below 0" if correlation < 0 else "between 0 and 0.3"


if __name__ == "__main__":
    main()
