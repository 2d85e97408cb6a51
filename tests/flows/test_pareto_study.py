"""The study of fronts: hypervolumes by hand, jobs, and its tables, plot and document."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows import evaluators
from flows.cli.app import app
from flows.screen.console import out
from flows.screen.study import show_study
from flows.studies import entrants_of, prepared, runs, settings_of
from flows.studies.count.fronts import bands, differences, filled, p_values_of
from flows.studies.entrants import bench
from flows.studies.entrants.fronts import cap_of, device_of
from flows.studies.entrants.measures import TrueFront, under_constraints
from flows.studies.jobs import Job, Outcome, keep, kept, outcome_of
from flows.studies.pareto import Pareto
from flows.studies.rows import ParetoResult
from flows.studies.show.page import study_page
from flows.studies.show.plots import plots
from lapt.errors import ConfigError
from lapt.evaluation import Evaluation, Metric, Quantity
from lapt.evaluators import TableEvaluator
from lapt.pipeline.config import Execution, Pipeline, load_pipeline
from lapt.pipeline.constraints import Bound, feasible_of
from lapt.spaces import BUILTIN, Architecture
from lapt.testing import invented_table
from storage.sql.query import query
from storage.store import Store

for package in ("pymoo", "optuna"):
    pytest.importorskip(package, reason=f"{package} is not installed")

SPACE = BUILTIN["nas201"]
SMALL = [
    *("search.method=gp", "search.population_size=3", "adaptation.iterations=2", "targets=[invented_a]"),
]
"""9 evaluations."""
PHONE, TABLET = "phone_latency_ms", "invented_b_latency_ms"


def weight(architecture: Architecture) -> float:
    """1 for a cell without operators, more for each operator."""
    return 1.0 + sum({"nor_conv_3x3": 3, "nor_conv_1x1": 2, "none": 0}.get(one, 1) for one in architecture.operators)


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two columns of the invented table, the second of another task than the target."""
    table = invented_table()
    weights = np.array([weight(SPACE.decode(text)) for text in table.architectures])
    made = replace(table, columns={PHONE: weights, TABLET: weights})
    monkeypatch.setattr(evaluators, "invented_table", lambda: made)
    monkeypatch.setattr(bench, "_benchmarks", {})


def small(*more: str) -> Pipeline:
    return load_pipeline("invented", settings_of("pareto", [*SMALL, *more]))


def study(store: Path, pipeline: Pipeline | None = None, **settings: Any) -> Pareto:
    execution, settings = Execution(store=str(store), processes=1), {"seeds": 2, "store": Store(store), **settings}
    found = prepared("pareto", pipeline or small(), (), draws=1, execution=execution, own=False, **settings)
    assert isinstance(found, Pareto)
    return found


# --- figures -------------------------------------------------------------------------------------------------------
PERCENT = Metric("accuracy", "%", higher_is_better=True)
ARCHITECTURE = SPACE.sample(np.random.default_rng(0))


def evaluated(*values: float | None) -> list[Evaluation]:
    return [Evaluation(ARCHITECTURE, str(number), value, PERCENT) for number, value in enumerate(values)]


def test_a_share_by_hand() -> None:
    """Front: 50 % at 1 ms, 80 % at 4 ms. Reference: error 55, so 45 %, and 4.4 ms; area 5 x 3.4 + 30 x 0.4 = 29."""
    scores, costs = np.array([50.0, 80.0, 70.0, np.nan, 99.0]), np.array([1.0, 4.0, 5.0, 0.1, np.nan])
    known = {"0": 4.0, "1": 9.0, "2": 1.0, "3": np.nan}

    def of(architectures: Any) -> np.ndarray:
        return np.array([known[str(number)] for number, _ in enumerate(architectures)])

    front = TrueFront.by(PERCENT, Quantity(of), scores, costs)
    assert front.reference == (pytest.approx(45), pytest.approx(4.4))
    assert front.area == pytest.approx(29)
    found = front.shares(evaluated(80.0, 90.0, 50.0, 99.0))
    assert found == pytest.approx([35 * 0.4 / 29, 35 * 0.4 / 29, 1, 1])
    assert front.shares(evaluated(None)) == (0,)
    assert front.shares([]) == ()


def test_an_error_without_percent_is_the_distance_from_the_best() -> None:
    loss = Metric("loss", "", higher_is_better=False)
    front = TrueFront.by(loss, Quantity(len), np.array([-3.0, -1.0]), np.array([10.0, 20.0]))
    assert front.reference == (pytest.approx(-1 - 1.1 * 2), pytest.approx(22))


def test_what_breaks_a_bound_is_counted_and_ranks_are_among_the_others() -> None:
    sizes = np.array([weight(SPACE.decode(text)) for text in invented_table().architectures])
    evaluator = TableEvaluator(replace(invented_table(), columns={"ms": sizes}), SPACE, "invented_a")
    constraints = {"ms": Bound(max=11)}
    feasible = feasible_of(constraints, SPACE, evaluator)
    assert feasible is not None
    scores = evaluator.table.scores["invented_a"]["validation"]
    order = np.argsort(-np.where(sizes <= 11, scores, -np.inf))
    third, heavy = (SPACE.decode(evaluator.table.architectures[at]) for at in (order[2], int(sizes.argmax())))
    found = under_constraints(constraints, feasible, evaluator, evaluator.evaluate([third]))
    assert found == {"infeasible": 0, "feasible": (sizes <= 11).sum(), "feasible_rank": 3}
    assert under_constraints(constraints, feasible, evaluator, evaluator.evaluate([third, heavy]))["infeasible"] == 1
    assert under_constraints(constraints, feasible, evaluator, [])["feasible_rank"] == (sizes <= 11).sum()


def test_figures_over_seeds_by_hand() -> None:
    assert filled([0.1, 0.5], 4) == [0.1, 0.5, 0.5, 0.5]
    assert filled([], 2) == [0, 0]
    assert differences({1: 3.0, 2: 5.0, 4: 9.0}, {2: 1.0, 4: 10.0, 5: 0.0}) == [4.0, -1.0]
    better = p_values_of({"a": [1.0, 2.0, 3.0, 4.0, 5.0], "b": [0.0] * 5})
    assert better == {"a": pytest.approx(2 * 2 / 2**5), "b": 1}
    mean, low, high = bands([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    assert (mean[0], mean[1], low[1], high[1]) == (1, 1, 1, 1)
    assert 0 <= low[0] < 1 < high[0] <= 2


# --- entrants ------------------------------------------------------------------------------------------------------
def test_entrants_have_a_device_and_a_cap_or_two_objectives(columns: None) -> None:
    found = entrants_of("pareto", small(), (), draws=1, quantiles=[25])
    assert {device_of(entrant) for entrant in found} == {PHONE}  # the other column is of a task that is no target
    both = {entrant.method: entrant.budget for entrant in found if cap_of(entrant) is None}
    assert both == {
        **{"lapt-gp": 9, "gp": 9, "random": 18, "nsga2": 18},
        **{"optuna:NSGAIISampler": 18, "optuna:TPESampler": 9},
    }
    capped = [entrant for entrant in found if cap_of(entrant) is not None]
    weights = [weight(member) for member in SPACE.members()]
    assert {cap_of(entrant) for entrant in capped} == {float(np.quantile(weights, 0.25))}
    assert [(entrant.method, entrant.budget) for entrant in capped] == [("lapt-gp", 21), ("gp", 21), ("random", 21)]
    named = entrants_of("pareto", small(), (), draws=1, devices=[TABLET], quantiles=[])
    assert {device_of(entrant) for entrant in named} == {TABLET}


def test_what_is_no_study_of_fronts_is_refused(columns: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="two seeds or more"):
        study(tmp_path, seeds=1)
    with pytest.raises(ConfigError, match="LAPT among the methods; got gp, nsga2; add lapt-gp"):
        study(tmp_path, methods=["gp", "nsga2"])
    with pytest.raises(ConfigError, match=r"with two objectives; got search\.method rea"):
        entrants_of("pareto", load_pipeline("invented"), (), draws=1)
    with pytest.raises(ConfigError, match=f"did you mean {PHONE}"):
        study(tmp_path, devices=["phone_latency"])
    with pytest.raises(ConfigError, match="--devices and --quantiles with pareto alone"):
        entrants_of("transfer", small(), (), draws=1, devices=[PHONE])
    with pytest.raises(ConfigError, match="--quantiles from 0 to 100, or none; got '101'"):
        app(["study", "pareto", "invented", "--quantiles", "5,101", "--store", str(tmp_path)], standalone_mode=False)
    monkeypatch.setattr(evaluators, "invented_table", invented_table)
    with pytest.raises(ConfigError, match="lapt benchmark import columns FILE --table invented"):
        study(tmp_path)


# --- jobs and what is shown ----------------------------------------------------------------------------------------
def test_rows_are_of_what_each_search_dominates(columns: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same study twice: the second runs nothing. LAPT alone has no p, and nothing over a cap was asked for."""
    methods = ["lapt-gp", "random", "nsga2"]
    result = study(tmp_path, methods=methods, quantiles=[25], first=10_000).run()
    areas = [row for row in result.rows if row.quantity == "hypervolume"]
    assert [(row.method, row.budget) for row in areas] == [(method, n) for method in methods for n in (4, 9)]
    assert {row.target for row in result.rows} == {f"invented_a, {PHONE}"}
    curves = {curve.method: curve for curve in result.hypervolumes}
    assert {method: len(curve.mean) for method, curve in curves.items()} == {"lapt-gp": 9, "random": 18, "nsga2": 18}
    for row in areas:
        assert row.mean is not None
        assert row.budget is not None
        assert 0 <= row.mean < 1
        assert row.mean == pytest.approx(curves[row.method].mean[row.budget - 1], abs=1e-6)
        assert (row.p_value is None) == (row.method == "lapt-gp")
    for curve in curves.values():
        assert list(curve.mean) == sorted(curve.mean)
    reached = {row.method: row for row in result.rows if row.quantity == "evaluations_to_nsga2"}
    assert reached["nsga2"].censored == 0  # it reaches its own
    assert all(
        row.median is not None and row.budget is not None and row.median <= row.budget + 1 for row in reached.values()
    )
    ranks = [row for row in result.rows if row.quantity == "feasible_rank"]
    assert len(ranks) == 2  # LAPT and random search
    assert all("feasible" in (row.variant or "") for row in ranks)
    assert (result.infeasible, result.under_caps) == (0, 2 * 2 * 21)
    assert "seeds 10,000 to 10,001" in result.notes

    def never(job: Job, execution: Execution) -> Outcome:
        raise AssertionError("it is in the store")

    monkeypatch.setattr(runs, "outcome_of", never)
    again = study(tmp_path, methods=methods, quantiles=[25], first=10_000).run()
    assert (again.rows, again.hypervolumes) == (result.rows, result.hypervolumes)


def test_a_failed_job_loses_its_method_alone(columns: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(job: Job, execution: Execution) -> Outcome:
        return Outcome(failure="no power") if job.entrant.method == "random" else outcome_of(job, execution)

    monkeypatch.setattr(runs, "outcome_of", failing)
    result = study(tmp_path, methods=["lapt-gp", "random"], quantiles=[]).run()
    assert {row.method for row in result.rows} == {"lapt-gp"}
    assert result.failures == (f"random, invented_a, {PHONE}: no power",)
    assert result.infeasible is None


def test_its_tables_fit_its_page_and_plot_are_written(
    columns: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sets = [word for setting in SMALL for word in ("--set", setting)]
    command = ["study", "pareto", "invented", "--seeds", "2", "--methods", "lapt-gp,nsga2", "--quantiles", "50"]
    app([*command, *sets, "--processes", "1", "--json", "--store", "store", "--plots", "plots"], standalone_mode=False)
    said = json.loads(capsys.readouterr().out)
    assert said["infeasible"] == 0
    assert {curve["method"] for curve in said["hypervolumes"]} == {"lapt-gp", "nsga2"}
    assert sorted(path.suffix for path in (tmp_path / "plots").iterdir()) == [".png", ".svg"]
    rows = query(Store("store"), "SELECT DISTINCT quantity FROM studies").to_pylist()
    assert {"hypervolume", "hypervolume_difference", "evaluations_to_nsga2", "feasible_rank", "infeasible"} <= {
        row["quantity"] for row in rows
    }
    (study_id,) = {row["study_id"] for row in query(Store("store"), "SELECT study_id FROM studies").to_pylist()}
    result, versions = kept(Store("store"), study_id)
    assert isinstance(result, ParetoResult)
    assert keep(Store("store"), result) == study_id
    page = study_page(study_id, result, versions)
    assert page.count("<svg") == 1
    assert "evaluated over their cap: 0 of 42" in page
    monkeypatch.setattr(out, "_width", 80)
    with out.capture() as captured:
        show_study(result)
    shown = captured.get()
    assert max(map(len, shown.splitlines())) <= 80
    assert "evaluated over their cap: 0 of 42" in shown
    assert len(plots(result, tmp_path / "again")) == 2
