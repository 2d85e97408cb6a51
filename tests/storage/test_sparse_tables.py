"""A table in which tasks lack some of each other's architectures: a row counts where any task has a score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv

from lapt.errors import BenchmarkError
from lapt.evaluators import TableEvaluator
from lapt.spaces import SearchSpace, space_named
from storage.benchmarks.tables import import_benchmark, load

SPACE = """
name: small
encoding: "{a}-{b}"
layers:
  - {name: a, operators: [conv, pool, skip]}
  - {name: b, operators: [conv, pool, skip]}
"""
TABLE = """
name: sparse
space: SPACE
architecture: arch
missing: fail
tasks:
  dense: {validation: dense, metric: accuracy, unit: "%"}
  sparse: {validation: sparse, test: sparse_test, metric: loss, higher_is_better: false}
"""
# pool-pool has no score of any task; skip-skip has one without a test score.
ROWS = """arch,dense,sparse,sparse_test
conv-conv,90,,
conv-pool,80,0.5,0.6
pool-conv,,0.25,0.3
pool-pool,,,
skip-skip,60,0.75,
"""


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    (tmp_path / "space.yaml").write_text(SPACE)
    (tmp_path / "t.yaml").write_text(TABLE.replace("SPACE", str(tmp_path / "space.yaml")))
    return tmp_path / "t.yaml"


def space_of(declared: Path) -> SearchSpace:
    return space_named(str(declared.parent / "space.yaml"))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_row_counts_where_any_task_has_a_score(declared: Path, data: Path, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"t.{suffix}"
    (tmp_path / "t.csv").write_text(ROWS)
    if suffix == "parquet":
        pq.write_table(csv.read_csv(tmp_path / "t.csv"), file)
    with pytest.warns(UserWarning, match="1 of 5 rows have no score and are left out"):
        info = import_benchmark("table", file, declare=declared)
    assert (info.rows, info.tasks["dense"].scores, info.tasks["sparse"].scores) == (4, 3, 3)
    assert (info.tasks["dense"].best_architecture, info.tasks["sparse"].best_architecture) == ("conv-conv", "pool-conv")
    assert info.tasks["sparse"].best_test == 0.3

    table, space = load("sparse"), space_of(declared)
    assert dict(zip(table.architectures, table.known("sparse"), strict=True)) == {
        "conv-conv": False, "conv-pool": True, "pool-conv": True, "skip-skip": True,
    }  # fmt: skip
    assert list(table.comparable("sparse")) == [-0.5, -0.25, -0.75]
    dense, sparse = (TableEvaluator(table, space, task) for task in ("dense", "sparse"))
    asked = [space.decode(text) for text in ("conv-conv", "pool-conv", "skip-skip", "pool-pool")]
    assert [found.value for found in dense.evaluate(asked)] == [90, None, 60, None]
    assert [found.value for found in sparse.evaluate(asked)] == [None, 0.25, 0.75, None]
    assert sparse.evaluate(asked)[0].error == "table sparse lacks it for sparse"
    assert [sparse.test(architecture) for architecture in asked[1:3]] == [0.3, None]


@pytest.mark.parametrize("cell", ["NaN", "nan", "inf", "-inf"])
def test_what_a_training_came_to_is_no_empty_cell(declared: Path, data: Path, tmp_path: Path, cell: str) -> None:
    (tmp_path / "t.csv").write_text(ROWS.replace("pool-pool,,,", f"pool-pool,{cell},,"))
    with pytest.raises(BenchmarkError, match=f"(?i)got {cell} for pool-pool; drop those rows"):
        import_benchmark("table", tmp_path / "t.csv", declare=declared)


def test_empty_cells_are_refused_unless_they_are_declared(declared: Path, data: Path, tmp_path: Path) -> None:
    declared.write_text(declared.read_text().replace("missing: fail\n", ""))
    (tmp_path / "t.csv").write_text(ROWS)
    with pytest.raises(BenchmarkError, match=r"an empty value for pool-conv, .*or declare missing: fail"):
        import_benchmark("table", tmp_path / "t.csv", declare=declared)


def test_a_task_without_any_score_is_no_task(declared: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("arch,dense,sparse,sparse_test\nconv-conv,90,,\nconv-pool,80,,0.6\n")
    with pytest.raises(BenchmarkError, match=r"scores of sparse in .*t\.csv; got empty cells alone"):
        import_benchmark("table", tmp_path / "t.csv", declare=declared)


@pytest.mark.filterwarnings("ignore:.*have no score and are left out")
@settings(max_examples=25, deadline=None)
@given(
    cells=st.lists(st.tuples(*[st.none() | st.floats(1, 99)] * 2), min_size=9, max_size=9).filter(
        lambda cells: all(any(pair[at] is not None for pair in cells) for at in range(2))
    )
)
def test_each_task_knows_exactly_its_own_cells(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[float | None, float | None]]
) -> None:
    folder = tmp_path_factory.mktemp("sparse")
    (folder / "space.yaml").write_text(SPACE)
    (folder / "t.yaml").write_text(
        TABLE.replace("SPACE", str(folder / "space.yaml")).replace("test: sparse_test, ", "")
    )
    space = space_named(str(folder / "space.yaml"))
    members = [space.encode(member) for member in space.members()]
    dense, sparse = (pa.array([pair[at] for pair in cells], pa.float64()) for at in range(2))
    pq.write_table(pa.table({"arch": members, "dense": dense, "sparse": sparse}), folder / "t.parquet")
    import_benchmark("table", folder / "t.parquet", declare=folder / "t.yaml", data=folder)
    table = load("sparse", folder)
    for at, task in enumerate(("dense", "sparse")):
        there = {text: pair[at] for text, pair in zip(members, cells, strict=True) if pair[at] is not None}
        found = np.flatnonzero(table.known(task))
        assert {table.architectures[row]: table.column(task)[row] for row in found} == there
