"""Reader of NAS-Bench-201's published files: a .pth, or NATS-Bench's topology results as one file, a folder or a tar.

Scores are those that the benchmark's own API returns for the 200-epoch training without ``is_random``: the accuracy
after the last epoch, mean over the seeds of a data set.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lapt.errors import BenchmarkError
from storage.benchmarks.official.published_files import Progress, container, members, unpickled

EPOCHS = 200
SPLITS = {
    "cifar10_val": ("cifar10-valid", "x-valid"),  # trained on half of the training set, measured on the other half
    "cifar10_test": ("cifar10", "ori-test"),
    "cifar100_val": ("cifar100", "x-valid"),
    "cifar100_test": ("cifar100", "x-test"),
    "imagenet16_120_val": ("ImageNet16-120", "x-valid"),
    "imagenet16_120_test": ("ImageNet16-120", "x-test"),
}
"""Column -> (data set of the training, split of the accuracy), in the API's words."""
COUNTS = {"params_M": "params", "flops_M": "flop"}
"""Column -> its name in a trial, of the CIFAR-10 network, in millions."""

_LAST = {f"{split}@{EPOCHS - 1}" for _, split in SPLITS.values()}
_META = "meta.pickle.pbz2"
_MEMBER = re.compile(r"(\d{1,6})\.pickle\.pbz2")
_Rows = dict[int, dict[str, float]]


def read(path: Path, progress: Progress) -> pa.Table:
    """Columns ``arch``, ``SPLITS`` and ``COUNTS`` of the architectures in the file, in the file's order.

    Raises BenchmarkError for a file of another kind, and for an architecture that lacks a result, by name.
    """
    names, rows = _from_members(path, progress) if container(path) in ("folder", "tar") else _from_file(path, progress)
    missing = sorted(set(range(len(names))) - set(rows))
    if missing or len(rows) > len(names):
        found = f"none of number {missing[0]}" if missing else f"some of a number beyond {len(names) - 1}"
        raise BenchmarkError(f"results of {len(names):,} architectures in {path}", found, "download the whole of it")
    columns = {column: pa.array([rows[i][column] for i in range(len(names))]) for column in (*SPLITS, *COUNTS)}
    return pa.table({"arch": pa.array(names, pa.string()), **columns})


def _from_file(path: Path, progress: Progress) -> tuple[list[str], _Rows]:
    content = unpickled(path, progress, _keep_last_epoch)
    names, infos = _names(content, path), _entry(content, "arch2infos", dict, path)
    return names, {index: _row(names, index, results, path) for index, results in infos.items()}


def _from_members(path: Path, progress: Progress) -> tuple[list[str], _Rows]:
    content, found = None, {}
    with members(path, progress) as files:
        for file in files:
            numbered = _MEMBER.fullmatch(file.name)
            if file.name == _META:
                content = file.load(lambda _: None)
            elif numbered is not None:
                found[int(numbered[1])] = file.load(_keep_last_epoch)
    if content is None:
        raise BenchmarkError(f"a folder or tar with {_META} and a file an architecture", f"{path}", "check the path")
    names = _names(content, path)
    return names, {index: _row(names, index, results, path) for index, results in found.items()}


def _names(content: object, path: Path) -> list[str]:
    names = _entry(content, "meta_archs", list, path)
    if not all(isinstance(name, str) for name in names):
        raise _unlike(path, "meta_archs with something else than texts")
    return list(names)


def _entry(content: object, key: str, kind: type, path: Path) -> Any:
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(value, kind):
        raise _unlike(path, f"no {kind.__name__} {key}")
    return value


def _unlike(path: Path, found: str) -> BenchmarkError:
    return BenchmarkError(
        f"results of NAS-Bench-201 or NATS-Bench's topology space in {path}", found, "import the official file"
    )


def _keep_last_epoch(grown: dict[Any, Any]) -> None:
    """Drop all of a trial's 1,400 to 2,600 numbers but those that ``read`` needs."""
    accuracies, epochs = grown.get("eval_acc1es"), grown.get("epochs")
    if not isinstance(accuracies, dict) or epochs is None:
        return
    last = {key: value for key, value in accuracies.items() if key in _LAST}
    kept = {key: grown[key] for key in ("epochs", "eval_acc1es", *COUNTS.values()) if key in grown}
    for value in grown.values():
        if isinstance(value, dict | list):
            value.clear()
    grown.clear()
    grown.update(kept)
    if epochs == EPOCHS:
        accuracies.update(last)


def _row(names: list[str], index: Any, results: Any, path: Path) -> dict[str, float]:
    """The columns of one architecture. ``results``: state of the API's ArchResults by hyper-parameters."""
    try:
        name = names[index]
        full = results["full"] if "full" in results else results[f"{EPOCHS}"]
        if full["arch_str"] != name:
            raise _unlike(path, f"results of another architecture than {name[:100]!r}, which has number {index}")
        row = {
            column: _mean([trial["eval_acc1es"][f"{split}@{EPOCHS - 1}"] for trial in _trials(full, dataset)])
            for column, (dataset, split) in SPLITS.items()
        }
        trials = _trials(full, "cifar10")
        return row | {column: _mean([trial[count] for trial in trials]) for column, count in COUNTS.items()}
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"[:100]
        raise _unlike(path, f"no usable result of architecture {f'{index!r}'[:20]} ({reason})") from None


def _trials(full: Any, dataset: str) -> list[Any]:
    seeds = full["dataset_seed"][dataset]
    if not all(isinstance(seed, int) for seed in seeds):
        raise ValueError("a seed that is no number")
    trials = [full["all_results"][dataset, seed] for seed in seeds]
    if not all(isinstance(trial["epochs"], int) and trial["epochs"] == EPOCHS for trial in trials):
        raise ValueError(f"another training than of {EPOCHS} epochs")
    return trials


def _mean(values: list[Any]) -> float:
    if not values or not all(isinstance(value, float | int) for value in values):
        raise ValueError("no number")
    return float(np.mean(values))
