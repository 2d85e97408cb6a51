"""Quality and cost of gradient-based methods on the digits benchmark: DARTS, PC-DARTS, SNAS, FairDARTS.

Usage: python benchmarks/gradient_based.py [--epochs 20] [--seeds 5] [--published-rates]. NAS-Bench-201 cells on
classification, in the setting of the table that ships with LAPT (lapt/tables/digits.md): 16 channels, 2 cells a stage,
719 training images, one thread. A method's first choice is looked up there, and the best of its first 20. Beside them,
in about the same seconds: a single-path supernet (half of the time for its training) searched by REA with inherited
scores, and random search and REA that train each cell alone.

A search on CIFAR-10 makes 20 to 250 times as many architecture steps, and Adam moves a parameter by about the learning
rate a step at most. So that architecture parameters can go as far as in the published searches, their learning rate is
raised by as much as the steps are fewer; --published-rates leaves it. Nine minutes on an idle core.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lapt.data.images import split
from lapt.data.sources import load_images
from lapt.evaluation import Evaluation, Metric
from lapt.networks import backbone
from lapt.pipeline.config import load_plan
from lapt.search import SEARCHERS, Prior
from lapt.search.loop import search
from lapt.spaces import BUILTIN, Architecture, SearchSpace
from lapt.training import Relaxation
from lapt.training.loop import train
from lapt.training.network import build
from lapt.training.relaxation import Strengths
from lapt.training.relaxed import Relaxed, relax
from lapt.training.supernet import TrainedSupernet
from lapt.training.tasks import make_task

SPACE, PLAN = BUILTIN["nas201"], load_plan("digits").evaluator
DATA = split(load_images(PLAN.data).train, PLAN.validation_share, 0)
TASK = make_task("classification", DATA[0], score="loss")
SIZE = {"channels": PLAN.channels, "cells": PLAN.cells}
METHODS = {"darts": 50 * 391, "pc_darts": 35 * 98, "snas": 150 * 782, "fair_darts": 50 * 196}
"""Architecture steps of the published search on CIFAR-10: epochs times batches."""
ASKED, SCORED = 20, 200


class Table:
    """Stand-alone scores of all functions: rank by the loss, loss, accuracy in %."""

    def __init__(self) -> None:
        read = pq.read_table(files("lapt.tables") / "digits.parquet").to_pydict()  # type: ignore[arg-type]
        losses = read["classification/validation"]
        ranks = 1 + np.searchsorted(np.sort(losses), losses)
        found = zip(read["architecture"], ranks, losses, read["classification/accuracy"], strict=True)
        self._rows = {name: (int(rank), loss, accuracy) for name, rank, loss, accuracy in found}
        self.size = len(losses)

    def of(self, cell: Architecture) -> tuple[int, float, float]:
        return self._rows[SPACE.encode(SPACE.canonical(cell))]

    def evaluate(self, cells: list[Architecture]) -> list[Evaluation]:
        metric = Metric("loss", higher_is_better=False)
        return [Evaluation(cell, SPACE.encode(SPACE.canonical(cell)), self.of(cell)[1], metric) for cell in cells]


class Watched:
    """Trains the mixed supernet, and keeps what came of it."""

    found: Relaxed

    def __call__(self, space: SearchSpace, relaxation: Relaxation, seed: int) -> Strengths:
        self.found = relax(space, TASK, DATA[0], PLAN.recipe, relaxation, seed=seed, device="cpu", **SIZE)
        return self.found.strengths


def in_force(found: Relaxed) -> float:
    """Operators that an edge still mixes: exp of the entropy of what they count, mean over the edges."""
    counts = np.array([list(shares.values()) for shares in found.shares.values()])
    shares = counts / counts.sum(axis=1, keepdims=True)
    return float(np.exp(-(shares * np.log(shares)).sum(axis=1)).mean())


def gradient_based(method: str, seed: int, epochs: int, published: bool, table: Table) -> dict[str, float]:
    watched, given = Watched(), {}
    if not published:
        images = len(DATA[0]) if method == "snas" else len(DATA[0]) // 2
        working = epochs - round(0.3 * epochs) if method == "pc_darts" else epochs
        steps = working * math.ceil(images / PLAN.recipe.batch_size)
        given = {"learning_rate": SEARCHERS[method].Parameters().learning_rate * METHODS[method] / steps}
    made = SEARCHERS[method](SPACE, seed=seed, epochs=epochs, prior=Prior(strengths=watched), **given)
    first, *more = made.ask(ASKED)
    found = row_of(first, table) | {"best of 20": min(table.of(cell)[0] for cell in (first, *more))}
    found |= {"in force": in_force(watched.found), "seconds": watched.found.seconds}
    return found | {"images/s": watched.found.images / watched.found.seconds}


def supernet(seed: int, seconds: float, table: Table) -> dict[str, float]:
    """Half of the time trains, by the rate that the first epoch shows; the rest scores."""
    recipe = PLAN.recipe.model_copy(update={"epochs": 2})
    began = time.perf_counter()
    TrainedSupernet(SPACE, TASK, recipe, seed=seed, **SIZE).train(*DATA, device="cpu")
    epochs = round(seconds / 2 / ((time.perf_counter() - began) / 2))
    recipe = recipe.model_copy(update={"epochs": epochs})
    began = time.perf_counter()
    trained = TrainedSupernet(SPACE, TASK, recipe, seed=seed, **SIZE)
    trained.train(*DATA, device="cpu")
    rate = epochs * len(DATA[0]) / (time.perf_counter() - began)

    def evaluate(cells: list[Architecture]) -> list[Evaluation]:
        scores = [trained.score(cell, *DATA).value for cell in cells]
        return [Evaluation(c, SPACE.encode(c), s, TASK.metric) for c, s in zip(cells, scores, strict=True)]

    made, found = SEARCHERS["rea"](SPACE, seed=seed, population_size=20, tournament_size=5), list[Evaluation]()
    while time.perf_counter() - began < seconds and len(found) < SCORED:
        asked = made.ask(5)
        found += evaluate(asked)
        made.tell(found[-len(asked) :])
    ranked = sorted(found, key=lambda evaluation: -evaluation.score)
    row = row_of(ranked[0].architecture, table) | {"seconds": time.perf_counter() - began, "images/s": rate}
    return row | {"best of 20": min(table.of(evaluation.architecture)[0] for evaluation in ranked[:ASKED])}


def alone(method: str, seed: int, evaluations: int, seconds: float, table: Table) -> dict[str, float]:
    parameters: dict[str, Any] = {"population_size": 5} if method == "rea" else {}
    made = SEARCHERS[method](SPACE, seed=seed, identity=lambda cell: SPACE.encode(SPACE.canonical(cell)), **parameters)
    found = search(made, table.evaluate, budget=evaluations, ask_size=1)
    best = max(found, key=lambda evaluation: evaluation.score).architecture
    return row_of(best, table) | {"seconds": seconds * evaluations}


def row_of(cell: Architecture, table: Table) -> dict[str, float]:
    rank, loss, accuracy = table.of(cell)
    skips, nones = (cell.operators.count(operator) for operator in ("skip_connect", "none"))
    return {"rank": rank, "loss": loss, "accuracy": accuracy, "skips": skips, "nones": nones}


def of_one_training() -> float:
    """Seconds of one stand-alone training, median of five random cells."""
    rng, seconds = np.random.default_rng(0), []
    for _ in range(5):
        cell = SPACE.canonical(SPACE.sample(rng))
        network = build(lambda cell=cell: backbone(SPACE, cell, image_channels=1, **SIZE), TASK, seed=0)
        seconds.append(train(network, TASK, *DATA, PLAN.recipe, seed=0, device="cpu").seconds)
    return float(np.median(seconds))


COLUMNS = ("rank", "best of 20", "loss", "accuracy", "skips", "nones", "in force", "seconds", "images/s")


def shown(name: str, rows: list[dict[str, float]]) -> None:
    means = [float(np.mean([row[column] for row in rows])) if column in rows[0] else math.nan for column in COLUMNS]
    ranks = " ".join(str(int(row["rank"])) for row in rows[:5])
    print(f"{name:34s}" + "".join(f"{mean:11.2f}" for mean in means) + f"   ranks {ranks}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--published-rates", action="store_true")
    given = parser.parse_args()
    table, seeds, one = Table(), range(given.seeds), of_one_training()
    print(f"{table.size:,} functions, {given.epochs} epochs, mean of {given.seeds} seeds; {one:.2f} s a training alone")
    print(" " * 34 + "".join(f"{column:>11s}" for column in COLUMNS), flush=True)
    spent = []
    for method in METHODS:
        rows = [gradient_based(method, seed, given.epochs, given.published_rates, table) for seed in seeds]
        spent.append(np.mean([row["seconds"] for row in rows]))
        shown(method, rows)
    seconds = float(np.mean(spent))
    shown("single-path supernet + REA", [supernet(seed, seconds, table) for seed in seeds])
    evaluations = max(1, round(seconds / one))
    for method in ("random", "rea"):
        rows = [alone(method, seed, evaluations, one, table) for seed in range(200)]
        shown(f"{method}, {evaluations} trained, 200 seeds", rows)
    skips = SPACE.family.architecture(["skip_connect"] * 6)  # type: ignore[attr-defined]
    shown("nothing but skip_connect", [row_of(skips, table)])


if __name__ == "__main__":
    main()
