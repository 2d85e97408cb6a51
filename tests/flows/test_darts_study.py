"""Studies and runs on a surrogate: no ranks, scores that are paired, and what is said of fidelities."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shared_server
from typed import typed

from flows.build import build
from flows.evaluators import predicted, space_of
from flows.studies import COMPARE, STUDIES, prepared
from flows.studies.count.contrasts import Contrasts
from flows.studies.count.figures import Curve, Figures, Returned
from flows.studies.entrants.bench import Bench
from flows.studies.entrants.variants import darts, source_worth
from lapt.errors import ConfigError
from lapt.pipeline.config import Execution, load_pipeline

SMALL = [
    "source.archive={strategy: random, size: 10, samples: 40}",
    "search.population_size=6",
    "search.generations=1",
    "adaptation.top_r=5",
    "reasoner={kind: frequency}",
]


def test_the_preset_has_the_papers_budget_and_a_source_that_costs_510_evaluations() -> None:
    pipeline = load_pipeline("darts_surrogate")
    assert pipeline.budget == 20 + 2 * 200
    assert source_worth(pipeline) == round(5000 * 10 / 98) == 510


def test_who_has_no_source_may_train_as_many_epochs_as_who_has() -> None:
    budgets = {entrant.method: entrant.budget for entrant in darts(load_pipeline("darts_surrogate"), (), 1)}
    assert {m for m, budget in budgets.items() if budget == 930} == {"rea", "random"}
    assert budgets["lapt-rea"] == budgets["lapt-gp"] == budgets["gp"] == budgets["warm_start"] == 420


def test_scores_are_paired_where_there_are_no_ranks() -> None:
    """Five seeds that all gain, each by another amount: 2 of the 32 signs."""
    lapt, rea, *_ = darts(load_pipeline("darts_surrogate"), (), 1)
    curves = [
        Curve(one.who, "cifar10", None, seed, None, None, 420, {420: Returned(95 + gain * seed, None, None)}, {})
        for one, gain in ((lapt, 0.2), (rea, 0.1))
        for seed in range(1, 6)
    ]
    rows = list(Figures([lapt, rea], ["cifar10"], {"cifar10": "%"}).rows(curves))
    assert {row.quantity for row in rows} == {"validation", "evaluations"}
    contrasts = Contrasts([lapt, rea], ["cifar10"], 420, {lapt.who: rea}, "validation", {"cifar10": "%"})
    (difference,) = [row for row in contrasts.tested(rows, curves) if row.quantity == "validation_difference"]
    assert (difference.method, difference.baseline, difference.unit) == ("lapt-rea", "rea", "%")
    assert difference.mean == pytest.approx(np.mean([0.1, 0.2, 0.3, 0.4, 0.5]))
    assert difference.p_value == pytest.approx(2 / 32)


# --- the real model -------------------------------------------------------------------------------------------------
def test_a_study_without_ranks_says_what_it_compares(real_surrogate: Path, tmp_path: Path) -> None:
    execution = Execution(store=str(tmp_path), data=str(real_surrogate), processes=1)
    declared = load_pipeline("darts_surrogate", SMALL)
    names = ["lapt-rea", "lapt-gp", "rea", "random", "source_ranking"]
    result = prepared("darts", declared, (), draws=1, execution=execution, seeds=2, methods=names).run()
    assert result.methods == tuple(names)
    assert {row.quantity for row in result.rows} == {
        "validation", "validation_difference", "evaluations", "support", "space_size", "stood_in",
    }  # fmt: skip
    assert {(row.method, row.baseline) for row in result.rows if row.baseline} == {
        (name, "rea") for name in names if name != "rea"
    }
    at = {(row.method, row.budget) for row in result.rows if row.quantity == "validation"}
    worth = source_worth(declared)
    assert at == {*((name, 18) for name in names), ("rea", 18 + worth), ("random", 18 + worth)}
    said = " ".join(result.notes)
    assert "multi-fidelity, not transfer" in said
    assert "without a convolution in the normal cell" in said
    curve = next(curve for curve in result.curves if curve.method == "lapt-rea")
    assert (curve.rank, curve.ranks, len(curve.validation), len(curve.validations)) == ((), (), 18, 2)
    assert list(curve.validation) == sorted(curve.validation)


def test_every_seed_reads_an_archive_of_its_own(real_surrogate: Path) -> None:
    bench = Bench(load_pipeline("darts_surrogate", SMALL), Execution(store="unused", data=str(real_surrogate)))
    first, second = bench.archive(0), bench.archive(1)
    assert first.task == "cifar10_epoch10"
    assert (len(first.entries), first.chosen_from) == (10, 40)
    assert first.entries != second.entries


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("source.task=cifar10_epoch98", "another epoch for the target cifar10"),
        ("source.archive={strategy: top, size: 5}", "samples that are paid for, with a surrogate"),
        ("targets=[cifar100]", "cifar10_epoch1 to cifar10_epoch98"),
        ("space=darts", "the space darts7"),
    ],
)
def test_a_pipeline_that_cannot_be_run_is_refused_at_once(
    real_surrogate: Path, tmp_path: Path, setting: str, said: str
) -> None:
    pipeline = load_pipeline("darts_surrogate", [setting])
    with pytest.raises(ConfigError) as caught:
        build(pipeline, Execution(store=str(tmp_path), data=str(real_surrogate)))
    assert said in str(caught.value)


def test_another_fidelity_is_another_fingerprint_and_run(real_surrogate: Path, tmp_path: Path) -> None:
    execution = Execution(store=str(tmp_path), data=str(real_surrogate))
    runs = {
        epoch: build(load_pipeline("darts_surrogate", [f"evaluator.epoch={epoch}"]), execution) for epoch in (50, 98)
    }
    assert runs[50].run_id != runs[98].run_id
    assert runs[50].evaluator("cifar10").fingerprint != runs[98].evaluator("cifar10").fingerprint
    assert runs[50].evaluator("cifar10_epoch10").fingerprint == runs[98].evaluator("cifar10_epoch10").fingerprint


def test_every_study_has_a_preset_and_a_title() -> None:
    assert all(study.title for study in STUDIES.values())
    assert all(load_pipeline(study.preset) for study in STUDIES.values() if study.preset)
    assert [name for name, study in STUDIES.items() if study.preset is None] == [COMPARE]


def test_the_help_names_every_study() -> None:
    said = typed("study", "--help", columns=200).stdout
    assert [name for name in STUDIES if not re.search(rf"(?<![\w-]){name}(?![\w-])", said)] == []


@pytest.mark.integration
def test_a_run_leaves_its_predictions_in_the_store(real_surrogate: Path, tmp_path: Path) -> None:
    environment = shared_server.environment() | {"LAPT_DATA": str(real_surrogate), "LAPT_STORE": str(tmp_path)}
    lapt = str(Path(sys.executable).with_name("lapt"))

    def said(*words: str) -> dict[str, Any]:
        done = subprocess.run([lapt, *words, "--json"], capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    run = said("run", "darts_surrogate", *(word for setting in SMALL for word in ("--set", setting)))
    rows = said("sql", "SELECT task, evaluations, from_surrogate, seconds_paid_now, seconds_total FROM costs")["rows"]
    found = {row["task"]: row for row in rows}
    assert (found["cifar10"]["evaluations"], found["cifar10"]["from_surrogate"]) == (18, 18)
    assert found["cifar10_epoch10"]["evaluations"] == 40
    assert all(row["seconds_paid_now"] == 0 and row["seconds_total"] > 1000 for row in rows)
    pipeline = load_pipeline("darts_surrogate")
    space = space_of(pipeline)
    _, evaluator = predicted(pipeline, pipeline.evaluator, space, str(real_surrogate))  # type: ignore[arg-type]
    (target,) = run["targets"]
    again = evaluator("cifar10").evaluate([space.decode(target["architecture"])])[0]
    assert again.value == target["validation"]
