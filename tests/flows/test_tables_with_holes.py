"""Tables that lack some of their space: what runs, controls, archives and studies make of that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.build import run_id
from flows.evaluators import evaluators_of, space_of, table_of
from flows.screen.study import as_json
from flows.studies import Comparison, prepared
from flows.studies.rows import StudyResult
from flows.studies.show.tables import tables
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, Evaluator
from lapt.pipeline.config import Execution, Pipeline, load_pipeline
from lapt.pipeline.results import NothingFound, RunResult, TargetResult
from lapt.pipeline.steps import Steps
from lapt.pipeline.target import TargetSearch
from lapt.pipeline.wording import losses
from lapt.reasoning import Frequency
from lapt.search.loop import scored
from lapt.spaces import BUILTIN
from storage.benchmarks.tables import import_benchmark
from storage.store import Store

SPACES = ("nas201", "darts")
"""One that can be listed, and one that cannot."""
CELLS = 120
TABLE = """\
name: partial
space: {space}
architecture: cell
missing: {missing}
tasks:
  source: {{validation: source, metric: accuracy, unit: "%"}}
  target: {{validation: target, metric: accuracy, unit: "%"}}
"""
PIPELINE = """\
name: holes
space: {space}
evaluator: {{kind: table, table: partial}}
source: {{task: source, archive: {{strategy: random, samples: 20, size: 5}}}}
targets: [target]
reasoner: {{kind: frequency}}
adaptation: {{iterations: 2, top_r: 3}}
search: {{method: rea, population_size: 4, generations: 1, tournament_size: 2}}
"""


def imported(folder: Path, space: str, missing: str = "fail") -> None:
    """A table of 120 random cells: two in three have a score of the source, two in three one of the target."""
    rng, whole = np.random.default_rng(0), BUILTIN[space]
    cells = list(dict.fromkeys(whole.encode(whole.sample(rng)) for _ in range(CELLS)))
    lines = ["cell,source,target"]
    for at, cell in enumerate(cells):
        values = [f"{50 + 40 * rng.random():.4f}" for _ in range(2)]
        if missing == "fail":
            values = ["" if at % 3 == part else value for part, value in enumerate(values)]
        lines.append(f'"{cell}",{values[0]},{values[1]}')
    (folder / "cells.csv").write_text("\n".join(lines))
    (folder / "table.yaml").write_text(TABLE.format(space=space, missing=missing))
    import_benchmark("table", folder / "cells.csv", declare=folder / "table.yaml", data=folder / "data")


@pytest.fixture(params=SPACES)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    imported(tmp_path, request.param)
    (tmp_path / "holes.yaml").write_text(PIPELINE.format(space=request.param))
    return tmp_path


def declared(folder: Path, *overrides: str) -> Pipeline:
    return load_pipeline(str(folder / "holes.yaml"), overrides)


def execution(folder: Path) -> Execution:
    return Execution(store=str(folder / "store"), data=str(folder / "data"), processes=1)


def at_work(folder: Path, *overrides: str) -> tuple[Steps, dict[str, Evaluator]]:
    pipeline = declared(folder, *overrides)
    space = space_of(pipeline)
    _, of_task = evaluators_of(pipeline, execution(folder), space, Store(folder / "store"))
    return Steps(pipeline, space, Frequency()), {task: of_task(task) for task in ("source", "target")}


def searched(folder: Path, *overrides: str) -> tuple[list[Evaluation], int]:
    """LAPT's evaluations on the target, and what its searches asked that the table lacks."""
    steps, of = at_work(folder, *overrides)
    found = []
    lacking = 0
    make = Steps.searcher

    def watched(self: Steps, *arguments: Any) -> Any:
        searcher = make(self, *arguments)
        found.append(searcher)
        return searcher

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Steps, "searcher", watched)
        archive = steps.build_archive(of["source"])
        _, evaluations = TargetSearch(steps, of["target"], archive).run(steps.learn(archive))
    lacking = sum(searcher.lacking for searcher in found)
    return evaluations, lacking


@pytest.mark.parametrize("method", ["rea", "random", "gp", "local_search"])
@pytest.mark.parametrize("guided", ["false", "true"])
def test_a_pool_is_searched_with_the_whole_budget_and_nothing_fails(folder: Path, method: str, guided: str) -> None:
    evaluations, lacking = searched(
        folder, "evaluator.pool=table", f"search.method={method}", f"guidance.initial={guided}"
    )
    assert len(evaluations) == declared(folder).budget
    assert not any(evaluation.failed for evaluation in evaluations)
    assert lacking == 0
    assert len({evaluation.identity for evaluation in evaluations}) == len(evaluations)


@pytest.mark.parametrize("method", ["rea", "random", "gp", "local_search"])
def test_what_is_skipped_costs_nothing_and_is_counted(folder: Path, method: str) -> None:
    steps, of = at_work(folder, "evaluator.missing=skip")
    evaluations, searcher = steps.control(method, of["target"])
    assert len(evaluations) == steps.pipeline.budget
    assert not any(evaluation.failed for evaluation in evaluations)
    assert searcher.lacking > 0  # 80 of 15,625, or of 10^18


def test_failures_are_as_they_were_where_nothing_is_said(folder: Path) -> None:
    steps, of = at_work(folder)
    evaluations, searcher = steps.control("random", of["target"])
    assert len(evaluations) == steps.pipeline.budget
    assert sum(evaluation.failed for evaluation in evaluations) > 9  # of 12: one in 195 would not, or one in 10^16
    assert searcher.lacking == 0


@pytest.mark.parametrize("archive", ["top", "worst", "bootstrap", "random"])
def test_archives_are_of_what_has_a_score_of_the_source(folder: Path, archive: str) -> None:
    more = ", samples: 30" if archive == "random" else ""
    steps, of = at_work(folder, f"source.archive={{strategy: {archive}, size: 10{more}}}", "evaluator.pool=table")
    found = steps.build_archive(of["source"])
    there = set(scored(steps.space, of["source"]))
    assert len(there) == found.chosen_from or archive == "random"
    assert len(found.entries) == 10
    assert {entry.architecture for entry in found.entries} <= there
    if archive in ("top", "worst"):
        scores = sorted(evaluation.score for evaluation in of["source"].evaluate(list(there)))
        assert sorted(entry.score for entry in found.entries) == (scores[-10:] if archive == "top" else scores[:10])


def test_the_best_of_a_table_is_read_without_listing_its_space(folder: Path) -> None:
    steps, of = at_work(folder, "source.archive={strategy: top, size: 5}")
    assert not any(entry.failed for entry in steps.build_archive(of["source"]).entries)


def test_a_table_that_lacks_rows_serves_pipelines_that_say_what_then(tmp_path: Path) -> None:
    imported(tmp_path, "nas201", "refuse")
    (tmp_path / "holes.yaml").write_text(PIPELINE.format(space="nas201"))
    data = str(tmp_path / "data")
    with pytest.raises(ConfigError, match=r"evaluator\.pool=table"):
        table_of(declared(tmp_path), data)
    for said in ("evaluator.pool=table", "evaluator.missing=skip", "evaluator.missing=fail"):
        assert table_of(declared(tmp_path, said), data).name == "partial"


def test_the_new_keys_are_part_of_the_run_id_where_they_are_said(folder: Path) -> None:
    plain = declared(folder)
    assert not {"missing", "pool"} & set(plain.model_dump(mode="json")["evaluator"])
    assert declared(folder, "evaluator.pool=space") == plain
    others = [declared(folder, said) for said in ("evaluator.pool=table", "evaluator.missing=skip")]
    assert len({run_id(one, "0" * 8) for one in (plain, *others)}) == 3


@pytest.mark.parametrize("said", ["evaluator.pool=table", "evaluator.missing=skip", "evaluator.missing=fail"])
def test_a_study_of_such_a_table_loses_no_row(folder: Path, said: str) -> None:
    methods = ["lapt-rea", "rea", "random", "gp", "source_ranking", "mode", "source_predictor", "warm_start"]
    study = prepared(
        "compare", declared(folder, said), (), draws=1, seeds=2, methods=methods, execution=execution(folder), own=False
    )
    assert isinstance(study, Comparison)
    result = study.run()
    ranks = {row.method: row for row in result.rows if (row.quantity, row.target) == ("rank", "target")}
    assert set(ranks) == set(methods)
    lost = {row.quantity for row in result.rows if row.mean}
    assert ("failed" in lost) == (said == "evaluator.missing=fail")
    assert ("lacking" in lost) == (said == "evaluator.missing=skip")
    if said == "evaluator.pool=table":
        assert "found_nothing" not in lost
    text = as_json(result)
    assert StudyResult.model_validate(json.loads(text)) == result
    assert list(tables(result))


def result(**of_target: Any) -> RunResult:
    target = {"task": "t", "metric": "accuracy", "unit": "%", "evaluations": 20, "paid_now": 0, "seconds": 1.0}
    found = {"architecture": None, "validation": None, "repeats": 0, "space_size": 9, **target, **of_target}
    return RunResult(run_id="r", pipeline="p", store="s", targets=(TargetResult.model_validate(found),))


def test_a_run_in_which_nothing_could_be_scored_says_so() -> None:
    with pytest.raises(NothingFound, match="no architecture of 38 asked has a score; do this"):
        result(lacking=18).require_scores("do this")
    result(architecture="a", validation=1.0).require_scores("do this")


def test_a_run_that_a_limit_ended_before_its_first_score_names_the_limit() -> None:
    with pytest.raises(NothingFound, match=r"before its first evaluation \(at most 10 tokens\); raise that limit"):
        result(evaluations=0, stopped="at most 10 tokens").require_scores("do this")


def test_losses_are_said_in_words() -> None:
    said = list(losses(result(failed=3, lacking=18), "lapt-rea"))
    assert said == ["t, lapt-rea: 3 of 20 evaluations failed, 18 asked that the table lacks, at no cost."]
    assert not list(losses(result(), "lapt-rea"))
