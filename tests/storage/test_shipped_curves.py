"""The learning curves that come with the package: what their page says is what their numbers are."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

import lapt.tables
from flows.studies.entrants.bench import Bench
from flows.studies.entrants.methods import alone, stopping_early
from lapt.base.statistics import rank
from lapt.evaluation import best
from lapt.evaluators import Table, TableEvaluator
from lapt.pipeline.benchmarking import agreement
from lapt.pipeline.config import Execution, load_pipeline
from lapt.search.halving import check_rungs
from lapt.spaces import BUILTIN
from storage.benchmarks.tables import load

FOLDER = Path(lapt.tables.__path__[0])
PAGE = (FOLDER / "digits_curves.md").read_text()
SPACE, EPOCHS = BUILTIN["nas201"], range(1, 10)


@pytest.fixture(scope="module")
def table() -> Table:
    return load("digits_curves")


def test_it_is_small_and_its_last_epoch_is_the_score(table: Table) -> None:
    assert (FOLDER / "digits_curves.parquet").stat().st_size < 100_000
    assert f"learning curves of {len(table.architectures)} random" in PAGE
    assert set(table.scores) == {"classification", *(f"classification_epoch{n}" for n in EPOCHS)}
    assert np.array_equal(table.column("classification"), table.column("classification_epoch9"))
    assert all(np.isfinite(table.column(task)).all() for task in table.scores)
    cells = [SPACE.decode(text) for text in table.architectures]
    assert [SPACE.encode(SPACE.canonical(cell)) for cell in cells] == list(table.architectures)


def test_its_page_says_how_early_epochs_tell_the_last(table: Table) -> None:
    last = table.column("classification")
    for epoch in EPOCHS:
        (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| {epoch} |"))
        assert f"| {agreement(table.column(f'classification_epoch{epoch}'), last):.2f} |" in row


def test_its_preset_has_rungs_of_it(table: Table) -> None:
    pipeline = load_pipeline("digits_curves")
    assert pipeline.fidelity is not None
    check_rungs(TableEvaluator(table, SPACE, "classification"), pipeline.fidelity)


def test_random_search_by_rungs_returns_better_cells_at_equal_epochs(tmp_path: Path) -> None:
    bench = Bench(load_pipeline("digits_curves"), Execution(store=str(tmp_path)))
    scores = bench.benchmark.scores("classification")
    assert scores is not None

    def mean_rank(search: object) -> float:
        found = [best(search(bench, "classification", seed).evaluations) for seed in range(12)]  # type: ignore[operator]
        return float(np.mean([rank(one.score, scores) for one in found if one is not None]))

    whole, early = mean_rank(partial(alone, "random")), mean_rank(partial(stopping_early, "random"))
    assert early < whole / 2
