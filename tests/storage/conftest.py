"""Made tables and stores for the storage tests, and where the real tables are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapt.spaces import BUILTIN
from storage.store import Store

WORTH = {"none": 0.0, "skip_connect": 1.0, "nor_conv_1x1": 2.0, "nor_conv_3x3": 3.0, "avg_pool_3x3": 0.5}
"""Operator -> its part of a made score; the layer's position breaks ties."""


def made_nasbench201() -> pa.Table:
    """All 15,625 cells in the file format of the real table; the best cell is nor_conv_3x3 everywhere."""
    columns: dict[str, list[Any]] = {"arch": [], "params_M": [], "flops_M": []}
    for task in ("cifar10", "cifar100", "imagenet16_120"):
        columns[f"{task}_val"], columns[f"{task}_test"] = [], []
    space = BUILTIN["nas201"]
    for cell in space.members():
        worth = [WORTH[operator] for operator in cell.operators]
        score = sum(w * (1 + position / 10) for position, w in enumerate(worth))
        columns["arch"].append(space.encode(cell))
        columns["params_M"].append(0.05 + 0.01 * cell.operators.count("nor_conv_3x3"))
        columns["flops_M"].append(10.0 + cell.operators.count("nor_conv_3x3"))
        for factor, task in ((4.0, "cifar10"), (3.0, "cifar100"), (2.0, "imagenet16_120")):
            columns[f"{task}_val"].append(factor * score)
            columns[f"{task}_test"].append(factor * score + 0.25)
    return pa.table(columns)


@pytest.fixture(scope="session")
def nasbench201_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made table as a Parquet file."""
    path = tmp_path_factory.mktemp("made") / "made.parquet"
    pq.write_table(made_nasbench201(), path)
    return path


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder that LAPT_DATA names."""
    folder = tmp_path / "data"
    monkeypatch.setenv("LAPT_DATA", str(folder))
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(scope="session")
def real_table() -> Callable[[str], Path]:
    """Path of a real benchmark file, from LAPT_DATA or ../shared/benchmarks; skips where there is none."""
    folders = [Path(__file__).resolve().parents[3] / "shared" / "benchmarks"]
    if os.environ.get("LAPT_DATA"):
        folders.insert(0, Path(os.environ["LAPT_DATA"]))

    def find(name: str) -> Path:
        for folder in folders:
            path = folder / name
            # The data folder may hold an imported table of the same name, which is not the published file.
            if path.is_file() and b"lapt.benchmark" not in (pq.read_schema(path).metadata or {}):
                return path
        pytest.skip(f"the real {name} is in none of {[str(folder) for folder in folders]}")

    return find
