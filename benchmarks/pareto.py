"""Hypervolume of fronts of accuracy and latency after some evaluations, as a share of the true front's.

    python benchmarks/pareto.py COLUMN [--task cifar10] [--source imagenet16_120] [--seeds 20] [--first-seed 10000]

Table: nasbench201, with COLUMN imported (``lapt benchmark import columns``). By validation. The reference point is the
true front's worst error and latency times 1.1. ``front``: ``gp`` with two objectives; ``lapt front``: the same in LAPT,
``refinement: order``; ``gp``, ``random``: of accuracy alone; Optuna's NSGA-II and multi-objective TPE with their
defaults, repeats not counted. Ranges are 95 % bootstrap intervals of the mean.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np
import optuna

from lapt.base.statistics import summarised
from lapt.evaluation import Evaluation
from lapt.evaluators import TableEvaluator
from lapt.pipeline.config import Pipeline, load_pipeline, overridden
from lapt.pipeline.steps import Steps
from lapt.pipeline.target import TargetSearch
from lapt.reasoning import Patterns
from lapt.search.loop import search
from lapt.search.models.hypervolume import front_of, hypervolume
from lapt.search.searcher import Prior
from lapt.spaces import BUILTIN
from storage.benchmarks.tables import load

AT = (10, 20, 50)
SPACE = BUILTIN["nas201"]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("column")
    asked.add_argument("--task", default="cifar10")
    asked.add_argument("--source", default="imagenet16_120")
    asked.add_argument("--seeds", type=int, default=20)
    asked.add_argument("--first-seed", type=int, default=10_000)
    given = asked.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    table = load("nasbench201")
    costs, scores = table.columns[given.column], table.scores[given.task]["validation"]
    front = front_of(scores, costs)
    reference = 100 - 1.1 * (100 - scores[front].min()), 1.1 * costs[front].max()
    whole = hypervolume(scores, costs, reference)
    target, source = (TableEvaluator(table, SPACE, task) for task in (given.task, given.source))
    declared = load_pipeline(
        "nas201",
        [
            *("search.method=gp", "search.population_size=5", "search.generations=3", "search.ask_size=1"),
            *("reasoner={kind: patterns}", "refinement=order", "controls=[]"),
            *(f"source.task={given.source}", f"targets=[{given.task}]", f"objectives=[accuracy, {given.column}]"),
        ],
    )
    known = target.quantity(given.column).of

    def lapt(pipeline: Pipeline) -> Sequence[Evaluation]:
        steps = Steps(pipeline, SPACE, Patterns(**pipeline.reasoner.model_dump(exclude={"kind"})))
        archive = steps.build_archive(source)
        return TargetSearch(steps, target, archive).run(steps.learn(archive))[1]

    def alone(pipeline: Pipeline, method: str, prior: Prior) -> Sequence[Evaluation]:
        config = pipeline.model_copy(update={"objectives": ()}).search.by(method)
        searcher = config.searcher(SPACE, target, seed=[pipeline.seed, 1], prior=prior)
        return search(searcher, target.evaluate, budget=pipeline.budget, ask_size=1)

    def optunas(pipeline: Pipeline, sampler: str) -> Sequence[Evaluation]:
        """An Optuna study of both objectives. Repeats are answered again and not counted."""
        made = getattr(optuna.samplers, sampler)(seed=pipeline.seed)
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=made)
        found: dict[str, Evaluation] = {}
        while len(found) < pipeline.budget:
            trial = study.ask(SPACE.to_optuna())
            (evaluation,) = target.evaluate([SPACE.from_optuna(trial.params)])
            found.setdefault(evaluation.identity, evaluation)
            study.tell(trial, [evaluation.value, float(costs[table.rows[evaluation.identity]])])
        return list(found.values())

    methods: dict[str, Callable[[Pipeline], Sequence[Evaluation]]] = {
        "lapt front": lapt,
        "front": lambda pipeline: alone(pipeline, "gp", Prior(costs=known)),
        "gp": lambda pipeline: alone(pipeline, "gp", Prior()),
        "Optuna NSGA-II": lambda pipeline: optunas(pipeline, "NSGAIISampler"),
        "Optuna TPE": lambda pipeline: optunas(pipeline, "TPESampler"),
        "random": lambda pipeline: alone(pipeline, "random", Prior()),
    }
    print(f"{given.task}, {given.column}: {len(front)} cells on the true front, {declared.budget} evaluations")
    for name, run in methods.items():
        shares = []
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            found = run(overridden(declared, [f"seed={seed}"]))
            rows = [table.rows[one.identity] for one in found]
            shares.append([hypervolume(scores[rows[:n]], costs[rows[:n]], reference) / whole for n in AT])
        said = []
        for n, share in zip(AT, np.array(shares).T, strict=True):
            mean = summarised(share.tolist())
            said.append(f"{n}: {mean.mean:.3f} [{mean.ci_low:.3f}, {mean.ci_high:.3f}]")
        print(f"{name:>14}  {'  '.join(said)}", flush=True)


if __name__ == "__main__":
    main()
