"""Ranking by a supernet: Kendall's tau between inherited and stand-alone scores on the digits benchmark.

Usage: python benchmarks/supernet_ranking.py [TASK [EPOCHS [CELLS]]], by default classification 60 200. The stand-alone
scores are those of the table that ships with LAPT (the first seed of each cell); the noise ceiling is the tau between
two seeds of stand-alone training over 300 random cells (lapt/tables/digits.md). One supernet over the whole of
NAS-Bench-201, one over what ``patterns`` refines it to from another task's best 50, by the same recipe. CELLS random
ones are scored, or all where the space has less.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from flows.studies.entrants.bench import Bench
from lapt.data.images import split
from lapt.data.sources import load_images
from lapt.evaluators.config import TrainingEvaluation
from lapt.pipeline.config import Execution, load_pipeline, load_plan
from lapt.spaces import SearchSpace, space_named
from lapt.training.supernet import TrainedSupernet
from lapt.training.tasks import make_task

CEILING = {"jigsaw": 0.82, "classification": 0.83, "autoencoding": 0.76}
SOURCE = {"jigsaw": "classification", "classification": "jigsaw", "autoencoding": "jigsaw"}


def recipe_of(config: TrainingEvaluation, epochs: int) -> dict[str, object]:
    return {**config.recipe.model_dump(), "epochs": epochs}


def ranking(name: str, space: SearchSpace, bench: Bench, task: str, epochs: int, cells: int) -> None:
    config = load_plan("digits").evaluator
    data = split(load_images(config.data).train, config.validation_share, 0)
    made = make_task(task, data[0], score=config.score)
    recipe = config.recipe.model_validate(recipe_of(config, epochs))
    trained = TrainedSupernet(space, made, recipe, seed=0, channels=config.channels, cells=config.cells)
    began = time.perf_counter()
    losses = trained.train(*data, device="cpu", threads=None).losses
    trained_in, began = time.perf_counter() - began, time.perf_counter()
    rng, chosen = np.random.default_rng(0), {}
    for _ in range(20 * cells):  # one of each function
        cell = space.sample(rng)
        chosen.setdefault(space.canonical(cell), cell)
        if len(chosen) == cells:
            break
    evaluator = bench.evaluator(task)
    alone = [evaluation.score for evaluation in evaluator.evaluate(list(chosen.values()))]
    sign = 1 if made.metric.higher_is_better else -1
    inherited = [sign * trained.score(cell, *data, threads=None).value for cell in chosen.values()]
    tau = kendalltau(alone, inherited).statistic
    print(
        f"{task}, {name} ({space.size:,} cells), {epochs} epochs: tau {tau:.2f} over {len(chosen)}, "
        f"{tau / CEILING[task]:.2f} of the ceiling {CEILING[task]}; loss {losses[0]:.2f} to {losses[-1]:.2f} in "
        f"{trained_in:.0f} s, {1000 * (time.perf_counter() - began) / len(chosen):.0f} ms a score"
    )


def main(task: str = "classification", epochs: str = "60", cells: str = "200") -> None:
    pipeline = load_pipeline("digits_table", [f"source.task={SOURCE[task]}", f"targets=[{task}]"])
    bench = Bench(pipeline, Execution(store="unused"))
    steps = bench.steps(0)
    refined = steps.refine(steps.learn(bench.archive(0)), task=task)
    for name, space in (("whole space", space_named("nas201")), ("refined space", refined)):
        ranking(name, space, bench, task, int(epochs), int(cells))


if __name__ == "__main__":
    main(*sys.argv[1:])
