"""Tables of DARTS cells, whose architectures are written in the ways of several repositories."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyarrow import csv

from lapt.errors import BenchmarkError
from lapt.evaluators import TableEvaluator
from lapt.spaces import BUILTIN
from storage.benchmarks.tables import import_benchmark, load

SPACE = BUILTIN["darts"]
TABLE = """name: cells
space: darts
architecture: genotype
missing: fail
tasks: {cifar10: {validation: accuracy, metric: accuracy, unit: "%"}}
"""


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    (tmp_path / "cells.yaml").write_text(TABLE)
    return tmp_path / "cells.yaml"


def listed(text: str) -> str:
    return text.replace("range(2, 6)", "[2, 3, 4, 5]")


def test_genotypes_become_the_spaces_own_text(declared: Path, data: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cells = [SPACE.sample(rng) for _ in range(5)]
    texts = [listed(SPACE.encode(cell)) for cell in cells]
    lines = [f'"{text}",{80 + at}' for at, text in enumerate(texts)]
    (tmp_path / "cells.csv").write_text("\n".join(["genotype,accuracy", *lines]))
    import_benchmark("table", tmp_path / "cells.csv", declare=declared)
    table = load("cells")
    assert set(table.architectures) == {SPACE.encode(cell) for cell in cells}
    found = TableEvaluator(table, SPACE, "cifar10").evaluate(cells)
    assert [one.value for one in found] == [80, 81, 82, 83, 84]


def test_one_architecture_in_two_writings_stands_twice(declared: Path, data: Path, tmp_path: Path) -> None:
    text = SPACE.encode(SPACE.sample(np.random.default_rng(0)))
    (tmp_path / "cells.csv").write_text(f'genotype,accuracy\n"{text}",80\n"{listed(text)}",81\n')
    with pytest.raises(BenchmarkError, match=r"each architecture once .* more than once"):
        import_benchmark("table", tmp_path / "cells.csv", declare=declared)


def test_a_node_that_reads_one_twice_is_named(declared: Path, data: Path, tmp_path: Path) -> None:
    edges = "('none', 0), ('dil_conv_5x5', 0), " + "('sep_conv_3x3', 0), ('skip_connect', 1), " * 3
    text = f"Genotype(normal=[{edges}], normal_concat=[2, 3, 4, 5], reduce=[{edges}], reduce_concat=[2, 3, 4, 5])"
    (tmp_path / "cells.csv").write_text(f'genotype,accuracy\n"{text}",80\n')
    with pytest.raises(BenchmarkError, match="normal node 2 reads node 0 twice; the nodes of this space read two"):
        import_benchmark("table", tmp_path / "cells.csv", declare=declared)


def test_a_file_without_columns_names_is_told_what_it_lacks(declared: Path, data: Path, tmp_path: Path) -> None:
    text = listed(SPACE.encode(SPACE.sample(np.random.default_rng(0))))
    (tmp_path / "cells.csv").write_text(f'"{text}",85.0\n"{text}",85.5\n')
    assert csv.read_csv(tmp_path / "cells.csv").num_rows == 1
    with pytest.raises(BenchmarkError, match="its first line is a row: put one with the columns' names above it"):
        import_benchmark("table", tmp_path / "cells.csv", declare=declared)
