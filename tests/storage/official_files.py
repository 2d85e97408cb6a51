"""Benchmark files in the format their makers publish, with made numbers: NAS-Bench-201, NATS-Bench, TransNAS-Bench-101.

The layout is that of the makers' ``ArchResults.state_dict()`` and ``ResultsCount.state_dict()`` (NAS-Bench-201) and of
``TransNASBenchAPI`` (TransNAS-Bench-101).
"""

from __future__ import annotations

import bz2
import copy
import pickle
import random
import tarfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

noise = random.Random(0)
SETS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("ori-test", "x-valid", "x-test"),
    "ImageNet16-120": ("ori-test", "x-valid", "x-test"),
}
"""Data set of the API -> the splits that networks trained on it were measured on."""
SCORES = {
    ("cifar10-valid", "x-valid"): "cifar10_val",
    ("cifar10", "ori-test"): "cifar10_test",
    ("cifar100", "x-valid"): "cifar100_val",
    ("cifar100", "x-test"): "cifar100_test",
    ("ImageNet16-120", "x-valid"): "imagenet16_120_val",
    ("ImageNet16-120", "x-test"): "imagenet16_120_test",
}
TASKS = {
    "class_scene": ("top1", "top5", "loss"),
    "class_object": ("top1", "top5", "loss"),
    "room_layout": ("loss", "neg_loss"),
    "jigsaw": ("top1", "top5", "loss"),
    "segmentsemantic": ("loss", "acc", "mIoU"),
    "normal": ("ssim", "l1_loss"),
    "autoencoder": ("ssim", "l1_loss"),
}


def _trial(dataset: str, arch: str, seed: int, epochs: int, row: Mapping[str, float], full: bool) -> dict[str, Any]:
    """One training. ``row``: the columns to come out; ``full``: all epochs, else the last alone, as old trials have."""
    last = epochs - 1
    recorded = range(epochs) if full else [last]
    curves = [OrderedDict((epoch, noise.random() * 100) for epoch in recorded) for _ in range(4 if full else 1)]
    top1, top5, train_losses, train_times = curves if full else curves * 4
    accuracies, losses, times = {}, {}, {}
    for split in SETS[dataset]:
        for epoch in recorded:
            key = f"{split}@{epoch}"
            final = row.get(SCORES.get((dataset, split), ""))
            accuracies[key] = final if final is not None and epoch == last else noise.random() * 100
            losses[key], times[key] = noise.random(), noise.random()
    return {
        "name": dataset,
        "net_state_dict": None,
        "train_acc1es": top1,
        "train_acc5es": top5,
        "train_losses": train_losses,
        "train_times": train_times,
        "arch_config": {"channel": 16, "num_cells": 5, "arch_str": copy.deepcopy(arch), "class_num": 10},
        "params": np.float64(row["params_M"]),
        "flop": row["flops_M"],
        "seed": seed,
        "epochs": epochs,
        "latency": [noise.random()],
        "eval_names": list(SETS[dataset]),
        "eval_acc1es": accuracies,
        "eval_times": times,
        "eval_losses": losses,
    }


def _results(index: int, arch: str, epochs: int, rows: Mapping[int, Mapping[str, float]], full: bool) -> dict[str, Any]:
    """``rows``: seed -> what that training came to."""
    return {
        "arch_index": index,
        "arch_str": arch,
        "all_results": {
            (dataset, seed): _trial(dataset, arch, seed, epochs, row, full)
            for dataset in SETS
            for seed, row in rows.items()
        },
        "dataset_seed": {dataset: list(rows) for dataset in SETS},
        "clear_net_done": True,
    }


Trained = Sequence[tuple[str, Mapping[int, Mapping[str, float]]]]
"""Architecture, and for each of its seeds the columns that the training came to."""


def nasbench201(trained: Trained, *, full: bool = True, less: bool = True) -> dict[str, Any]:
    """The object in NAS-Bench-201's .pth; ``less``: with the 12-epoch trainings, which nothing here is read of."""
    return {
        "meta_archs": [arch for arch, _ in trained],
        "total_archs": len(trained),
        "arch2infos": {
            i: {
                "full": _results(i, arch, 200, rows, full),
                "less": _results(i, arch, 12, rows, full) if less else None,
            }
            for i, (arch, rows) in enumerate(trained)
        },
        "evaluated_indexes": list(range(len(trained))),
    }


def write_torch(content: object, path: Path, *, old: bool) -> Path:
    """``old``: as torch wrote before 1.6, and the makers of NAS-Bench-201 did."""
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    return path


def write_packed(content: object, path: Path) -> Path:
    path.write_bytes(bz2.compress(pickle.dumps(content, protocol=4)))
    return path


def natsbench(trained: Trained, *, full: bool = True) -> tuple[dict[str, Any], list[Any]]:
    """Content of NATS-Bench's meta file, and of the file of each architecture."""
    meta = {
        "meta_archs": [arch for arch, _ in trained],
        "total_archs": len(trained),
        "arch2infos": None,
        "evaluated_indexes": set(),
    }
    files = [
        OrderedDict({"12": _results(i, arch, 12, rows, full), "200": _results(i, arch, 200, rows, full)})
        for i, (arch, rows) in enumerate(trained)
    ]
    return meta, files


def write_natsbench(trained: Trained, folder: Path, *, full: bool = True) -> Path:
    meta, files = natsbench(trained, full=full)
    folder.mkdir()
    write_packed(meta, folder / "meta.pickle.pbz2")
    for index, content in enumerate(files):
        write_packed(content, folder / f"{index:06d}.pickle.pbz2")
    return folder


def write_tar(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w") as archive:
        archive.add(folder, folder.name)
    return path


def transnas(micro: Sequence[str], macro: Sequence[str], *, millions: bool = False) -> dict[str, Any]:
    """The object in TransNAS-Bench-101's .pth: three epochs, the second of which has the best validation."""
    noise = random.Random(0)

    def results(arch: str) -> dict[str, Any]:
        of_tasks = {}
        for task, metrics in TASKS.items():
            middle = noise.random()
            found: dict[str, list[Any]] = {"time_elapsed": [1.0, 2.0, 3.0]}
            for metric in metrics:
                found[f"valid_{metric}"] = [middle - 0.2, middle, middle - 0.1]
                found[f"test_{metric}"] = [middle + 0.3, middle + 0.5, middle + 1.4]
                found[f"train_{metric}"] = found[f"valid_{metric}"]
            unit = 1.0 if millions else 1e6
            info = {"inference_time": 0.1, "encoder_params": 1.0 * unit, "model_params": (1 + middle) * unit}
            of_tasks[task] = {
                "total_epochs": 3,
                "model_info": {**info, "model_FLOPs": (100 + middle) * unit, "encoder_FLOPs": 90 * unit},
                "metrics": found,
            }
        return of_tasks

    splits = ("train", "valid", "test")
    return {
        "metrics_dict": {task: [f"{s}_{m}" for s in splits for m in of_task] for task, of_task in TASKS.items()},
        "info_names": ["inference_time", "encoder_params", "model_params", "model_FLOPs", "encoder_FLOPs"],
        "task_list": list(TASKS),
        "data": {"macro": {a: results(a) for a in macro}, "micro": {a: results(a) for a in micro}},
    }
