"""Measure the learning curves of the table digits_curves: random digits cells, scored after every epoch of a training.

    python benchmarks/learning_curves.py CURVES.csv                      # trains; started again, it goes on
    python benchmarks/learning_curves.py CURVES.csv --table OUT.parquet  # writes the table of all CSV files named

A score is that of ``fidelity`` in a pipeline: the training goes on from the checkpoint of the epoch before, on the
schedule of all its epochs. ``--part 0/2`` and ``--part 1/2`` train side by side, each to a file of its own.
"""

from __future__ import annotations

import csv
import io
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from lapt.evaluators.config import TrainingEvaluation
from lapt.evaluators.images import TrainingSpec, sides_of, size_of_backbone, task_of
from lapt.evaluators.training import network_of
from lapt.pipeline.benchmarking import distinct
from lapt.spaces import Architecture, space_named
from lapt.training.loop import train
from storage.benchmarks.kinds import CountColumn, Declaration, TaskColumns
from storage.benchmarks.tables import write_table

CELLS, TASK, SPACE = 500, "classification", space_named("nas201")
CONFIG = TrainingEvaluation.model_validate(
    {
        "kind": "training",
        "data": "digits_hard",
        "channels": 8,
        "cells": 1,
        "score": "loss",
        "validation_share": 0.5,
        "recipe": {
            "epochs": 9,
            "batch_size": 48,
            "learning_rate": 0.1,
            "gradient_clip": 0.3,
            "channels_last": True,
            "recalibrate_batch_norm": True,
            "augmentation": {"crop_padding": 0, "flip": False, "cutout": 0},
        },
    }
)
EPOCHS = CONFIG.recipe.epochs
COLUMNS = ("architecture", "parameters", "flops", "seconds", *(f"epoch{n}" for n in range(1, EPOCHS + 1)))


class Kept:
    """A checkpoint in memory."""

    state: bytes | None = None

    def load(self) -> bytes | None:
        return self.state

    def save(self, state: bytes) -> None:
        self.state = state

    def tell(self, epoch: int, epochs: int, loss: float) -> None:
        pass


def curve(spec: TrainingSpec, cell: Architecture) -> list[float]:
    """Validation loss after every epoch of one training."""
    device = torch.device("cpu")
    checkpoint, (training, validation) = Kept(), sides_of(spec, device)
    found = []
    for epoch in range(1, EPOCHS + 1):
        network = network_of(spec, cell)
        options = {"seed": spec.seed, "device": device, "checkpoint": checkpoint, "until": epoch}
        found.append(train(network, task_of(spec), training, validation, spec.recipe, **options).value)
    return found


def measure(out: Path, part: int, parts: int) -> None:
    """Append the curves that the file lacks, in random order, so that those of any moment are a random sample."""
    cells, spec = distinct(SPACE), TrainingSpec.of(CONFIG, SPACE, TASK, "cpu")
    done = {row[0] for row in csv.reader(io.StringIO(out.read_text()))} if out.is_file() else set()
    with out.open("a", newline="") as file:
        writer = csv.writer(file)
        if not done:
            writer.writerow(COLUMNS)
        for position in np.random.default_rng(0).permutation(len(cells))[:CELLS][part::parts]:
            cell = cells[position]
            if SPACE.encode(cell) in done:
                continue
            began = time.perf_counter()
            losses = curve(spec, cell)
            sizes = size_of_backbone(spec, cell, 10)
            seconds = round(time.perf_counter() - began, 2)
            writer.writerow([SPACE.encode(cell), *sizes, seconds, *(f"{loss:.4f}" for loss in losses)])
            file.flush()


def table(curves: list[Path], target: Path) -> None:
    """Write the table: the tasks ``classification_epoch1`` and so on, and ``classification``, after the last epoch."""
    rows = [row for path in curves for row in csv.DictReader(path.open(newline=""))]
    rows.sort(key=lambda row: row["architecture"])
    columns: dict[str, pa.Array] = {"architecture": pa.array([row["architecture"] for row in rows])}
    tasks = {f"{TASK}_epoch{n}": f"epoch{n}" for n in range(1, EPOCHS + 1)} | {TASK: f"epoch{EPOCHS}"}
    for name, column in tasks.items():
        columns[f"{name}/validation"] = pa.array([float(row[column]) for row in rows], pa.float32())
    for count in ("parameters", "flops"):
        columns[count] = pa.array([int(row[count]) for row in rows], pa.int64())
    measured = {"metric": "cross_entropy", "higher_is_better": False}
    declaration = Declaration(
        name=target.stem,
        space=SPACE.name,
        canonical=True,
        missing="fail",
        parameters=CountColumn(column="parameters"),
        flops=CountColumn(column="flops"),
        tasks={name: TaskColumns(validation=f"{name}/validation", **measured) for name in tasks},
    )
    info = write_table("measured", declaration, pa.table(columns), target)
    hours = sum(float(row["seconds"]) for row in rows) / 3600
    print(f"{info.rows} curves, {hours:.2f} hours of training, checksum {info.checksum[:12]}: {target}")


if __name__ == "__main__":
    if "--table" in sys.argv:
        at = sys.argv.index("--table")
        table([Path(name) for name in sys.argv[1:at]], Path(sys.argv[at + 1]))
        sys.exit()
    torch.set_num_threads(1)
    at, of = (int(n) for n in sys.argv[sys.argv.index("--part") + 1].split("/")) if "--part" in sys.argv else (0, 1)
    measure(Path(sys.argv[1]), at, of)
