"""A search on own images against hand-made networks that are trained for as much as search and final training took.

    python benchmarks/equal_compute.py IMAGES.npz --seeds 5 --first-seed 10000

IMAGES.npz has x_train, y_train, x_test, y_test and the names of the classes. Each seed draws its own training images;
the test images are all of these classes. LAPT searches (20 trainings of 12 epochs, nothing larger than the plain CNN,
the smallest of the references) and trains what it finds by the final recipe. Each reference is trained once by the same
final recipe, for as many epochs as make the same number of multiply-adds as all of LAPT's trainings, which does not
depend on what else the machine does. The last lines are the differences of test accuracy, in points: mean, 95 %
interval (t), range.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from scipy.stats import t

from lapt.evaluators.config import TrainingEvaluation
from lapt.evaluators.hand_made import HAND_MADE, SPACE, trained_alike
from lapt.evaluators.images import TrainingSpec
from lapt.evaluators.training import TrainingEvaluator
from lapt.pipeline.config import load_pipeline
from lapt.spaces import space_named

REFERENCES = ("plain_cnn", "resnet18", "mobilenet_v3_small")
NETWORKS = space_named(SPACE)
TASK = "classification"


def drawn(images: Path, classes: list[str], each: int, seed: int, to: Path) -> None:
    """Write ``each`` training images of every class, and all test images of them. Classes are numbered anew."""
    with np.load(images) as read:
        found = {name: read[name] for name in ("x_train", "y_train", "x_test", "y_test", "classes")}
    rng, names = np.random.default_rng(seed), found["classes"].tolist()
    parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in ("x_train", "y_train", "x_test", "y_test")}
    for number, name in enumerate(classes):
        for split in ("train", "test"):
            at = np.flatnonzero(found[f"y_{split}"] == names.index(name))
            at = rng.permutation(at)[:each] if split == "train" else at
            parts[f"x_{split}"].append(found[f"x_{split}"][at])
            parts[f"y_{split}"].append(np.full(len(at), number))
    joined = {name: np.concatenate(part) for name, part in parts.items()}
    np.savez(to, allow_pickle=False, **joined)


def evaluator_of(config: TrainingEvaluation, epochs: int) -> TrainingEvaluator:
    """The evaluator that trains references by the final recipe for so many epochs."""
    spec = TrainingSpec.of(trained_alike(config), NETWORKS, TASK, "cpu", final_epochs=epochs)
    return TrainingEvaluator(spec, processes=1)


def trained(reference: str, config: TrainingEvaluation, epochs: int) -> tuple[float, float, int]:
    """(test accuracy, seconds, weights) of a reference."""
    evaluator = evaluator_of(config, epochs)
    found, _ = evaluator.retrained(NETWORKS.decode(reference))
    if found.value is None:
        sys.exit(f"{reference}: {found.error}")
    return found.value, found.cost_seconds, found.live_parameters or 0


def lapt(*words: str) -> Any:
    """The JSON document that a command prints."""
    command = [sys.executable, "-c", "from lapt.command import main; main()", *words, "--json"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def searched(asked: argparse.Namespace, seed: int, there: Path, pipeline: Path) -> dict[str, Any]:
    """Run LAPT for one seed: its test accuracy, and the multiply-adds of all trainings for one image."""
    drawn(asked.images, asked.classes, asked.each, seed, there / "images.npz")
    config = {"kind": "training", "data": str(there / "images.npz"), "recipe": yaml.safe_load(asked.recipe)}
    config |= {"final_epochs": asked.final_epochs, "channels": asked.channels, "cells": asked.cells}
    largest = trained("plain_cnn", TrainingEvaluation(**config), 1)[2]
    declared = {
        "name": "equal-compute",
        "space": asked.space,
        "seed": seed,
        "evaluator": config,
        "source": yaml.safe_load(asked.source),
        "targets": [TASK],
        "controls": [],
        "constraints": {"parameters": {"max": largest}},
    }
    pipeline.write_text(yaml.safe_dump(declared))
    changes = [word for one in asked.more for word in ("--set", one)]
    store = str(there / "store")
    run = lapt("run", str(pipeline), "--store", store, "--processes", "1", *changes)
    (target,) = run["targets"]
    said = f"{target['evaluations']} trainings, then {target['final']['parameters']:,} weights"
    print(f"seed {seed}: LAPT, {said}: {target['test']:.2f} %", flush=True)
    rows = lapt("sql", "SELECT split, sum(flops) AS flops FROM scores GROUP BY split", "--store", store)["rows"]
    flops, images = {row["split"]: float(row["flops"]) for row in rows}, asked.each * len(asked.classes)
    evaluator = load_pipeline(str(pipeline), asked.more).evaluator
    assert isinstance(evaluator, TrainingEvaluation)
    learned = images * (1 - evaluator.validation_share)
    seen = flops["validation"] * evaluator.recipe.epochs * learned + flops["test"] * asked.final_epochs * images
    return {"multiply_adds": seen / images, "test": {"lapt": target["test"]}}


def compared(asked: argparse.Namespace, seed: int) -> dict[str, float]:
    """One seed: the test accuracy of what LAPT finds, and of every reference. What is known already is not trained."""
    there: Path = asked.folder / f"seed{seed}"
    there.mkdir(parents=True, exist_ok=True)
    kept, pipeline = there / "found.json", there / "pipeline.yaml"
    if not kept.exists():
        kept.write_text(json.dumps(searched(asked, seed, there, pipeline)))
    found = json.loads(kept.read_text())
    config = load_pipeline(str(pipeline), asked.more).evaluator
    assert isinstance(config, TrainingEvaluation)
    for reference in asked.references:
        if reference in found["test"]:
            continue
        once = evaluator_of(config, 1).backbone_size(NETWORKS.decode(reference))[1]
        epochs = max(1, round(found["multiply_adds"] / once))
        found["test"][reference], took, weights = trained(reference, config, epochs)
        said = f"{HAND_MADE[reference]}, {weights:,} weights, {epochs} epochs, {took:.0f} s"
        print(f"seed {seed}: {said}: {found['test'][reference]:.2f} %", flush=True)
        kept.write_text(json.dumps(found))
    return dict(found["test"])


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("images", type=Path)
    asked.add_argument("--classes", nargs="+", default=["airplane", "automobile", "bird"])
    asked.add_argument("--each", type=int, default=200, help="training images of a class")
    asked.add_argument("--space", default="nas201")
    asked.add_argument("--channels", type=int, default=16)
    asked.add_argument("--cells", type=int, default=1)
    asked.add_argument("--recipe", default="{epochs: 12, batch_size: 64}")
    asked.add_argument("--source", default="{table: digits, task: jigsaw}")
    asked.add_argument("--final-epochs", type=int, default=60)
    asked.add_argument("--references", nargs="+", default=list(REFERENCES), choices=list(HAND_MADE))
    asked.add_argument("--seeds", type=int, default=5)
    asked.add_argument("--first-seed", type=int, default=10_000)
    asked.add_argument(
        "--folder", type=Path, default=Path("equal-compute"), help="of what is kept; a seed goes on there"
    )
    asked.add_argument("--set", action="append", default=[], dest="more")
    asked.add_argument("--side-by-side", type=int, default=2, help="seeds at once, each on one core")
    given = asked.parse_args()
    with ProcessPoolExecutor(given.side_by_side) as pool:
        rows = list(pool.map(partial(compared, given), range(given.first_seed, given.first_seed + given.seeds)))
    print(f"LAPT: {fmean(row['lapt'] for row in rows):.2f} %")
    for name in given.references:
        tests, ahead = [row[name] for row in rows], [row["lapt"] - row[name] for row in rows]
        print(f"{HAND_MADE[name]}: {fmean(tests):.2f} %; LAPT is ahead by {in_words(ahead)} points")


def in_words(values: list[float]) -> str:
    """Mean and interval, and the range of several values."""
    if len(values) == 1:
        return f"{values[0]:+.2f}"
    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    mean = fmean(values)
    return f"{mean:+.2f} [{mean - half:+.2f}, {mean + half:+.2f}] ({min(values):+.2f} to {max(values):+.2f})"


if __name__ == "__main__":
    main()
