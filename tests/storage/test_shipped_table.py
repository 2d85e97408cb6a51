"""The benchmark that comes with the package: what its page says is what its numbers are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lapt.tables
from flows.evaluators import table_of
from flows.studies import STUDIES, Comparison
from flows.studies.entrants.methods import with_controls
from lapt.evaluators import Table, TableEvaluator
from lapt.pipeline.benchmarking import agreement, distinct
from lapt.pipeline.config import Execution, load_pipeline, load_plan
from lapt.spaces import BUILTIN
from storage.benchmarks.tables import list_benchmarks, load

FOLDER = Path(lapt.tables.__path__[0])
PAGE = (FOLDER / "digits.md").read_text()
SPACE = BUILTIN["nas201"]


@pytest.fixture(scope="module")
def table() -> Table:
    return load("digits")


def test_it_is_small_listed_and_whole(table: Table, tmp_path: Path) -> None:
    assert (FOLDER / "digits.parquet").stat().st_size < 1_000_000
    (info,) = (info for info in list_benchmarks(tmp_path) if info.name == "digits")
    assert (info.rows, info.canonical, list(info.tasks)) == (5_260, True, list(load_plan("digits").tasks))
    assert list(table.architectures) == [SPACE.encode(cell) for cell in distinct(SPACE)]
    for task in info.tasks:
        assert np.isfinite(table.column(task)).all()
        assert not table.metrics[task].higher_is_better


def test_every_cell_has_a_score_whatever_it_is_written_like(table: Table) -> None:
    evaluator = TableEvaluator(table, SPACE, "classification")
    rng = np.random.default_rng(0)
    cells = [SPACE.sample(rng) for _ in range(300)]
    ours, canonical = evaluator.evaluate(cells), evaluator.evaluate([SPACE.canonical(cell) for cell in cells])
    assert [e.value for e in ours] == [e.value for e in canonical]
    assert {evaluator.test(cell) for cell in cells} == {None}


@pytest.mark.parametrize(
    ("one", "two"), [("jigsaw", "classification"), ("jigsaw", "autoencoding"), ("classification", "autoencoding")]
)
def test_its_page_says_how_the_tasks_agree(table: Table, one: str, two: str) -> None:
    assert f"| {one}, {two} | {agreement(table.column(one), table.column(two)):.2f} |" in PAGE


def test_cells_without_a_path_are_the_worst_at_classification(table: Table) -> None:
    """A network that sees nothing says the same of every image: the logarithm of ten classes, or worse."""
    evaluator = TableEvaluator(table, SPACE, "classification")
    (nothing,) = evaluator.evaluate([SPACE.decode("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")])
    assert nothing.value is not None
    assert nothing.value >= 0.98 * np.log(10)
    assert np.mean(table.column("classification") < nothing.value) > 0.95


def test_the_study_of_it_needs_no_data() -> None:
    pipeline = load_pipeline(STUDIES["digits"].preset)
    assert table_of(pipeline, "/nowhere").name == "digits"
    study = Comparison(
        "digits",
        with_controls(pipeline),
        seeds=2,
        methods=["lapt-rea", "source_ranking"],
        execution=Execution(store="unused", data="/nowhere", processes=1),
    )
    rows = {(row.method, row.target, row.quantity): row for row in study.run().rows}
    assert not any(quantity == "test" for _, _, quantity in rows)
    assert (rows["lapt-rea", "autoencoding", "rank"].mean or 0) < 100
