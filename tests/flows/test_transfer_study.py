"""The study of every pair of tasks: its figures by hand, its jobs, and its table, plot and document."""

from __future__ import annotations

import json
import math
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from flows.cli.app import app
from flows.screen.console import out
from flows.screen.study import show_study
from flows.studies import entrants_of, prepared, runs, settings_of
from flows.studies.count.pairs import WORSE, counts, pairs_of, ratios, tuned_on, verdict
from flows.studies.entrants.methods import RESAMPLED
from flows.studies.jobs import Job, Outcome, keep, kept, outcome_of
from flows.studies.rows import TransferResult
from flows.studies.show.page import study_page
from flows.studies.show.plots import plots
from flows.studies.transfer import Transfer
from lapt.errors import ConfigError
from lapt.pipeline.config import Execution, Pipeline, load_pipeline
from storage.sql.query import query
from storage.store import Store

TASKS = ("jigsaw", "class_object", "class_scene", "room_layout", "autoencoder", "normal", "segmentsemantic")
SMALL = ["search.population_size=3", "adaptation.iterations=2", "source.archive={strategy: top, size: 20}"]


def small(*more: str) -> Pipeline:
    return load_pipeline("invented", settings_of("transfer", [*SMALL, *more]))


def study(store: Path, pipeline: Pipeline | None = None, **settings: Any) -> Transfer:
    execution, settings = Execution(store=str(store), processes=1), {"seeds": 2, "store": Store(store), **settings}
    found = prepared("transfer", pipeline or small(), (), draws=1, execution=execution, own=False, **settings)
    assert isinstance(found, Transfer)
    return found


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str, int]]:
    """The jobs that were computed: method, source, target, seed."""
    jobs: list[tuple[str, str, str, int]] = []

    def counted(job: Job, execution: Execution) -> Outcome:
        pipeline = job.entrant.pipeline
        jobs.append((job.entrant.method, pipeline.source.task, *pipeline.targets, *job.seeds))
        return outcome_of(job, execution)

    monkeypatch.setattr(runs, "outcome_of", counted)
    return jobs


# --- seeds ---------------------------------------------------------------------------------------------------------
def test_the_first_seed_may_be_another_than_0(tmp_path: Path, ran: list[tuple[str, str, str, int]]) -> None:
    result = study(tmp_path, first=10_000).run()
    assert {seed for *_, seed in ran} == {10_000, 10_001}
    assert "seeds 10,000 to 10,001" in result.notes
    assert all(pair.difference is not None for pair in result.pairs)


# --- figures -------------------------------------------------------------------------------------------------------
def test_a_ratio_is_the_power_of_two_between_paired_ranks() -> None:
    assert ratios([1, 8, 3], [4, 2, 3]) == [-2, 2, 0]


@pytest.mark.parametrize(
    ("mean", "low", "high", "said"),
    [
        (-1.0, -2.0, -0.01, "helps"),
        (-1.0, -2.0, 0.0, "neither"),
        (0.2, 0.01, 0.4, "hurts"),
        (0.3, 0.0, 0.6, "neither"),
        (0.33, -1.0, 1.6, "hurts"),
    ],
)
def test_a_verdict_is_of_the_interval_or_of_a_quarter_more_rank(
    mean: float, low: float, high: float, said: str
) -> None:
    assert pytest.approx(1.25) == 2**WORSE
    assert verdict(mean, low, high) == said


def test_pairs_by_hand() -> None:
    """Five seeds, all better: exact two-sided p is 2 / 2^5, times two pairs; five zeros have p = 1."""
    found = {("a", "b"): [-1.0, -2.0, -3.0, -4.0, -5.0], ("b", "a"): [0.0] * 5}
    better, equal = pairs_of(found, "lapt-gp", "a table")
    assert (better.difference, better.p_value, better.verdict) == (-3, pytest.approx(2 * 2 / 2**5), "helps")
    assert -5 <= better.ci_low < -3 < better.ci_high < 0
    assert (equal.difference, equal.ci_low, equal.ci_high, equal.p_value) == (0, 0, 0, 1)
    assert equal.verdict == "neither"
    overall = counts([better, equal], found)
    assert (overall.pairs, overall.helps, overall.hurts, overall.neither) == (2, 1, 0, 1)
    assert overall.mean == pytest.approx(-1.5)
    assert overall.ci_low is not None
    assert overall.ci_high is not None
    assert overall.ci_low < better.ci_high  # a resample may hold the better target alone,
    assert overall.ci_high == 0  # or the other
    assert counts([], found).mean is None
    three = {**found, ("c", "b"): [3.0] * 5}  # two sources of b, one of a: every pair counts once
    assert counts(pairs_of(three, "lapt-gp", "a table"), three).mean == pytest.approx(0)


def test_pairs_that_settings_were_chosen_by() -> None:
    tuned = {pair for pair in permutations(TASKS, 2) if tuned_on("transnas101_micro", *pair)}
    assert tuned == set(permutations(("jigsaw", "class_object", "room_layout"), 2))
    assert tuned_on("nasbench201", "imagenet16_120", "cifar10")
    assert not tuned_on("nasbench201", "cifar10", "cifar100")
    assert tuned_on("digits", "classification", "jigsaw")
    assert not tuned_on("another", "jigsaw", "class_object")


# --- jobs ----------------------------------------------------------------------------------------------------------
def test_the_search_alone_runs_once_a_target_and_seed(tmp_path: Path, ran: list[tuple[str, str, str, int]]) -> None:
    result = study(tmp_path).run()
    tasks = ["invented_source", "invented_a", "invented_b"]
    mine = {(source, target, seed) for source, target in permutations(tasks, 2) for seed in range(2)}
    assert {job[1:] for job in ran if job[0] == "lapt-gp"} == mine
    assert sorted(job[2:] for job in ran if job[0] == "gp") == sorted((t, seed) for t in tasks for seed in range(2))
    assert len(ran) == 12 + 6
    ran.clear()
    again = study(tmp_path).run()
    assert not ran
    assert (again.rows, again.pairs) == (result.rows, result.pairs)
    study(tmp_path, small("targets=[invented_b]")).run()  # two of the three tasks: nothing new but one source
    assert {job[:2] for job in ran} <= {("gp", "invented_b"), ("gp", "invented_source")}
    ran.clear()
    resampled = study(tmp_path, resampled=True).run()
    assert {job[0] for job in ran} == {"lapt-gp"}
    assert {row.variant for row in resampled.rows if row.method == "lapt-gp"} == {RESAMPLED}


def test_differences_are_of_the_ranks_that_each_found(tmp_path: Path) -> None:
    result = study(tmp_path).run()
    rank = {(row.method, row.target): row for row in result.rows if row.quantity == "rank"}
    of = {row.target: row for row in result.rows if row.quantity == "log2_rank_ratio"}
    for pair in result.pairs:
        row = of[f"{pair.source} to {pair.target}"]
        assert (row.mean, row.ci_low, row.p_value, row.baseline) == (pair.difference, pair.ci_low, pair.p_value, "gp")
        mine, alone = rank["lapt-gp", row.target], rank["gp", pair.target]
        if mine.sd == alone.sd == 0:
            assert mine.mean is not None
            assert alone.mean is not None
            assert pair.difference == pytest.approx(math.log2(mine.mean / alone.mean))
    assert result.mean == of["mean"].mean == pytest.approx(sum(p.difference for p in result.pairs) / 6)
    assert result.helps + result.hurts + result.neither == result.not_tuned.pairs == 6
    assert result.tuned.pairs == 0


def test_a_failed_job_loses_its_pairs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(job: Job, execution: Execution) -> Outcome:
        if (job.entrant.method, job.entrant.pipeline.targets) == ("gp", ("invented_b",)):
            return Outcome(failure="no power")
        return outcome_of(job, execution)

    monkeypatch.setattr(runs, "outcome_of", failing)
    result = study(tmp_path).run()
    assert {pair.target for pair in result.pairs} == {"invented_source", "invented_a"}
    assert result.failures == ("gp, invented_b: no power",)


def test_the_search_is_gp_unless_another_is_said() -> None:
    assert load_pipeline("trans101", settings_of("transfer", [])).search.method == "gp"
    said = load_pipeline("trans101", settings_of("transfer", ["search.method=rea"])).search
    assert said == load_pipeline("trans101").search  # with its declared parameters
    assert load_pipeline("trans101", settings_of("transfer", [], ["lapt-rea"])).search == said
    assert settings_of("transfer", [], ["lapt-none"]) == ["search.method=gp"]
    assert settings_of("trans101", [], ["lapt-gp"]) == []
    found = entrants_of("transfer", load_pipeline("trans101", settings_of("transfer", [])), (), draws=1)
    default = [entrant for entrant in found if entrant.default and entrant.variant is None]
    assert [entrant.method for entrant in default] == ["lapt-gp"] * 42 + ["gp"] * 7
    assert {entrant.budget for entrant in default} == {50}
    assert {"lapt-rea", "rea"} <= {entrant.method for entrant in found}
    assert not {"transfer_gp", "lapt-transfer_gp"} & {entrant.method for entrant in found}
    longer = entrants_of("transfer", small(), (), draws=1, budget=30)
    assert {entrant.method: entrant.budget for entrant in longer if entrant.default} == {"lapt-gp": 9, "gp": 30}


def test_what_is_no_study_of_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least the pipeline's own 9 evaluations; got 8"):
        study(tmp_path, budget=8)
    with pytest.raises(ConfigError, match="one reasoner"):
        entrants_of("transfer", small(), (small(), small()), draws=1)
    with pytest.raises(ConfigError, match="whose scores can be ranked; got evaluator"):
        study(tmp_path, load_pipeline("darts_surrogate", settings_of("transfer", [])))
    with pytest.raises(ConfigError, match="targets name the source task"):  # all that a table of one task allows
        small("targets=[invented_source]")
    with pytest.raises(ConfigError, match="one method of LAPT"):
        study(tmp_path, methods=["lapt-gp", "lapt-rea"])
    with pytest.raises(ConfigError, match="one method of LAPT"):
        study(tmp_path, methods=["lapt-gp", "rea"])
    with pytest.raises(ConfigError, match="without a source"):
        study(tmp_path, small("search.method=transfer_gp"))
    with pytest.raises(ConfigError, match="two seeds or more"):
        study(tmp_path, seeds=1)
    with pytest.raises(ConfigError, match="no --baseline"):
        study(tmp_path, baseline="gp")


# --- table, plot, document -----------------------------------------------------------------------------------------
def seven_tasks() -> TransferResult:
    """Every pair of TransNAS-Bench-101's tasks, with figures as wide as they come."""
    found = {pair: [-2.0 + 0.11 * at, -2.4 + 0.11 * at] for at, pair in enumerate(permutations(TASKS, 2))}
    found["jigsaw", "autoencoder"] = [-10.0, -11.0]
    pairs = pairs_of(found, "lapt-gp", "transnas101_micro")
    return TransferResult(
        study="transfer",
        pipeline="trans101",
        seeds=2,
        methods=("lapt-gp", "gp"),
        rows=(),
        seconds=1,
        pairs=pairs,
        tuned=counts([pair for pair in pairs if pair.tuned], found),
        not_tuned=counts([pair for pair in pairs if not pair.tuned], found),
        **counts(pairs, found).model_dump(exclude={"pairs"}),
    )


def test_the_matrix_of_seven_tasks_fits_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "_width", 80)
    with out.capture() as captured:
        show_study(seven_tasks())
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= 80
    cells = [line.split() for line in lines]
    assert ["jigsaw", "*↓-2.20", "↓-2.09", "*↓-1.98", "↓-10.5", "↓-1.76", "↓-1.65"] in cells
    assert sum("segmen" in line for line in lines[:5]) == 1  # one heading: the matrix stands in one part
    assert any(line[:3] == ["tuned", "on", "6"] for line in cells)


def test_the_heat_map_is_written_and_stands_on_the_page(tmp_path: Path) -> None:
    result = seven_tasks()
    written = plots(result, tmp_path)
    assert [path.name for path in written] == ["transfer-pairs-heatmap.svg", "transfer-pairs-heatmap.png"]
    assert "*↓-2.20" in written[0].read_text()
    store = Store(tmp_path)
    stored, versions = kept(store, keep(store, result))
    assert stored == result
    page = study_page("an-id", stored, versions)
    assert page.count("<svg") == 1
    assert "jigsaw to class_object: -2.20" in page


def test_the_command_prints_one_document_and_keeps_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sets = [word for setting in SMALL for word in ("--set", setting)]
    command = ["study", "transfer", "invented", "--seeds", "2", "--methods", "lapt-gp", "--processes", "1", *sets]
    app([*command, "--json", "--store", "store"], standalone_mode=False)
    said = json.loads(capsys.readouterr().out)
    assert len(said["pairs"]) == 6
    assert said["pairs"][0].keys() == {
        "source", "target", "method", "difference", "ci_low", "ci_high", "p_value", "tuned", "verdict"
    }  # fmt: skip
    assert said.keys() >= {"helps", "hurts", "neither", "mean", "ci_low", "ci_high", "tuned", "not_tuned"}
    assert said["title"] == "transfer of invented"
    asked = "SELECT target FROM studies WHERE quantity = 'log2_rank_ratio' AND target <> 'mean'"
    rows = query(Store("store"), asked).to_pylist()
    assert {row["target"] for row in rows} == {f"{pair['source']} to {pair['target']}" for pair in said["pairs"]}
    with pytest.raises(ConfigError, match="names all"):
        app(["study", "transfer", "invented", "--methods", "lapt-none", "--store", "store"], standalone_mode=False)
