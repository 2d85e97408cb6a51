"""Studies that vary one factor: source evaluations, parts of the pipeline; and what refined spaces are like."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from flows.screen.console import out
from flows.screen.study import show_study
from flows.studies import STUDIES, prepared
from flows.studies.entrants.bench import Bench
from flows.studies.entrants.own import from_its_own
from flows.studies.quality import Quality, of_space
from flows.studies.rows import StudyResult
from lapt.archive import Archive
from lapt.errors import ConfigError
from lapt.evaluation import top
from lapt.pipeline.config import Execution, load_pipeline
from lapt.pipeline.steps import Steps
from lapt.reasoning.config import FrequencyReasoner

SMALL = ["search.population_size=4", "search.ask_size=null", "adaptation.iterations=2"]


def run(name: str, store: Path, *, seeds: int = 2, preset: str = "digits_table", **settings: object) -> StudyResult:
    pipeline = load_pipeline(preset, SMALL, STUDIES[name].reasoner)
    execution = Execution(store=str(store), processes=1)
    return prepared(name, pipeline, [], draws=1, seeds=seeds, execution=execution, **settings).run()


def printed(result: StudyResult, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(out, "_width", 80)
    with out.capture() as captured:
        show_study(result)
    return captured.get().splitlines()


# --- source evaluations --------------------------------------------------------------------------------------------
def test_every_source_evaluation_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    methods = ["lapt-rea", "source_ranking", "mode", "rea", "random"]
    result = run("source-budget", tmp_path, budgets=["50", "full"], methods=methods)
    costs = {
        (row.method, row.source_budget, row.quantity): row.mean
        for row in result.rows
        if row.quantity in ("evaluations", "total_evaluations") and row.target == "classification"
    }
    assert costs["lapt-rea", 50, "evaluations"] == costs["lapt-rea", 50, "total_evaluations"] - 50 == 12
    assert costs["mode", 5260, "total_evaluations"] == 5260 + 12
    assert costs["rea", 0, "total_evaluations"] == 12
    tested = {(r.method, r.source_budget): r.baseline for r in result.rows if r.quantity == "rank_difference"}
    assert tested["lapt-rea", 50] == tested["mode", 5260] == tested["random", 0] == "rea"
    lines = printed(result, monkeypatch)
    assert any(re.search(r"none +50 +5,260", line) for line in lines)
    assert max(map(len, lines)) <= 80


def test_an_archive_keeps_the_best_tenth_and_the_whole_tables_best_fifty() -> None:
    declared = load_pipeline("nas201", reasoner="patterns")
    found = STUDIES["source-budget"].entrants(declared, [], 1, budgets=["50", "200", "full"], whole=15_625)
    archives = {e.source_budget: e.pipeline.source.archive.model_dump() for e in found if e.method == "mode"}
    assert archives == {
        50: {"strategy": "random", "size": 5, "samples": 50},
        200: {"strategy": "random", "size": 20, "samples": 200},
        15_625: {"strategy": "top", "size": 50},
    }
    assert {e.budget for e in found} == {20}
    assert [e.method for e in found if e.source_budget == 0] == ["gp", "rea", "random"]
    assert {e.reasoner for e in found if e.method.startswith("lapt")} == {"patterns"}


@pytest.mark.parametrize("budget", ["all", "5", "-1", "2.5"])
def test_a_source_budget_that_is_none_is_refused(budget: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="source budgets from 10, or full"):
        run("source-budget", tmp_path, budgets=[budget])
    with pytest.raises(ConfigError, match="source-budget alone"):
        run("ablation", tmp_path, budgets=["50"])


# --- parts ---------------------------------------------------------------------------------------------------------
def test_each_variant_lacks_one_part_and_costs_the_same() -> None:
    declared = load_pipeline("trans101")
    found = STUDIES["ablation"].entrants(declared, [], 1)
    whole = {e.method: e.pipeline for e in found if e.variant == "full"}
    assert set(whole) == {"lapt-rea", "lapt-gp"}
    assert {e.pipeline.budget for e in found} == {e.budget for e in found} == {50}
    changed = {}
    for entrant in found:
        before, after = dict(whole["lapt-gp"]), dict(entrant.pipeline)
        if entrant.method in ("lapt-gp", "gp"):
            changed[entrant.variant] = {key for key in before if before[key] != after[key]}
    assert changed == {
        "full": set(),
        "without adaptation": {"adaptation", "search"},
        "without experts": {"reasoner"},
        "experts alone": {"reasoner"},
        "never widened": {"reasoner"},
        "start unguided": {"guidance"},
        "search unguided": {"guidance"},
        "by counting": {"reasoner"},
        "without transfer": {"reasoner"},
        "search alone": set(),
    }
    counting = next(e.pipeline.reasoner for e in found if e.variant == "by counting")
    assert counting == FrequencyReasoner(max_operators=3)
    assert ("lapt-rea", "search unguided") not in {(e.method, e.variant) for e in found}  # rea has no model


def test_without_transfer_the_targets_own_architectures_are_the_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = load_pipeline("digits_table", ["reasoner.knowledge=0.0"], "patterns")
    bench = Bench(pipeline, Execution(store="nowhere"))
    monkeypatch.setattr(bench, "archive", lambda seed: pytest.fail("the source was read"))
    read = list[Archive]()
    learn = Steps.learn
    monkeypatch.setattr(Steps, "learn", lambda steps, archive: read.append(archive) or learn(steps, archive))
    found = from_its_own(bench, "classification", seed=3)
    (own,) = read
    first = pipeline.search.budget(1)
    assert own.task == "classification"
    assert own.asked == tuple(found.evaluations[:first])
    assert list(own.entries) == top(found.evaluations[:first], pipeline.adaptation.top_r)
    assert len(found.evaluations) == pipeline.budget


def test_variants_are_held_against_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("ablation", tmp_path, methods=["lapt-rea", "rea"])
    tested = {row.variant: row.baseline for row in result.rows if row.quantity == "rank_difference"}
    assert set(tested.values()) == {"lapt-rea, patterns, full"}
    assert "full" not in tested
    assert tested.keys() >= {"without transfer", "search alone", "without adaptation", "by counting"}
    lines = printed(result, monkeypatch)
    assert any("rea: search alone" in line for line in lines)
    assert max(map(len, lines)) <= 80


# --- refined spaces ------------------------------------------------------------------------------------------------
def test_a_space_of_five_of_a_thousand_by_hand() -> None:
    whole = np.arange(1.0, 1001.0)
    found = of_space(np.array([1000.0, 998.0, 960.0, 500.0, 1.0]), whole)
    assert found["space_size"] == 5
    assert (found["top_0.1%_kept"], found["top_0.1%_share"], found["top_0.1%_lift"]) == (1, 0.2, pytest.approx(200))
    assert (found["top_1%_kept"], found["top_1%_share"], found["top_1%_lift"]) == (0.2, 0.4, pytest.approx(40))
    assert (found["top_5%_kept"], found["top_5%_lift"]) == (3 / 50, pytest.approx(12))
    assert found["best_inside"] == 1
    assert (found["ecdf_at_q10"], found["ecdf_at_q50"], found["ecdf_at_q99"]) == (0.2, 0.4, 0.6)


def test_refining_by_what_is_good_beats_chance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("quality", tmp_path, seeds=5, preset="invented")
    of = {(r.method, r.reasoner, r.quantity): r for r in result.rows if r.target == "invented_a"}
    assert of["omega", None, "space_size"].mean == 15_625
    assert of["omega", None, "ecdf_at_q90"].mean == pytest.approx(0.9, abs=1e-3)
    assert of["omega", None, "top_1%_lift"].mean == 1
    lift = {r: of["omega_r", r, "top_5%_lift"].mean for r in ("patterns", "frequency", "random")}
    assert min(lift["patterns"], lift["frequency"]) > max(2, lift["random"])
    assert of["omega_r", "random", "space_size"].mean == 2**6
    assert of["omega_r", "random", "space_size"].seeds == 5
    lines = printed(result, monkeypatch)
    assert any("(the whole space)" in line and "15,625" in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_what_says_the_same_of_one_archive_is_asked_once(tmp_path: Path) -> None:
    study = Quality(
        "quality",
        load_pipeline("digits_table"),
        [],
        draws=1,
        seeds=4,
        execution=Execution(store=str(tmp_path)),
    )
    seeds = {row.reasoner: row.seeds for row in study.run().rows}
    assert seeds == {None: 1, "patterns": 1, "frequency": 1, "random": 4}
    with pytest.raises(ConfigError, match="no --methods"):
        run("quality", tmp_path, methods=["rea"])
