"""Studies in the store: rows that SQL reads, and jobs that are not run twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.screen.study import as_json
from flows.studies import Comparison, runs
from flows.studies.entrants.methods import Entrant, with_controls
from flows.studies.jobs import Job, Ledger, Outcome, keep, outcome_of
from flows.studies.rows import StudyResult
from lapt.pipeline.config import Execution, load_pipeline
from storage.sql.query import query, snapshot
from storage.store import Store

INVENTED = load_pipeline("invented", ["search.population_size=4", "adaptation.iterations=2"])


def study(store: Store, *, seeds: int = 2, fresh: bool = False, longest: int = 12) -> Comparison:
    return Comparison(
        "s",
        with_controls(INVENTED, longest),
        seeds=seeds,
        methods=["lapt-rea", "rea", "source_ranking"],
        execution=Execution(store=store.address, processes=1),
        store=store,
        fresh=fresh,
    )


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs that were computed."""
    jobs: list[str] = []
    compute = outcome_of

    def counted(job: Job, execution: Execution) -> Outcome:
        jobs.append(f"{job.entrant.method} {job.seeds}")
        return compute(job, execution)

    monkeypatch.setattr(runs, "outcome_of", counted)
    return jobs


def test_a_study_that_was_stopped_goes_on_where_it_was(tmp_path: Path, ran: list[str]) -> None:
    whole = study(Store(tmp_path / "whole")).run()
    assert len(ran) == 6
    ran.clear()
    store, seen = Store(tmp_path / "stopped"), []

    def stop(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study(store).run(stop)
    again = study(store).run(lambda done, total: seen.append((done, total)))
    assert len(ran) == len(set(ran)) == 6
    assert seen == [(4, 6), (5, 6), (6, 6)]
    assert (again.rows, again.curves) == (whole.rows, whole.curves)


def test_only_what_is_asked_the_same_way_is_taken_from_the_store(tmp_path: Path, ran: list[str]) -> None:
    store = Store(tmp_path)
    study(store).run()
    ran.clear()
    study(store, seeds=3).run()
    assert sorted(ran) == ["lapt-rea (2,)", "rea (2,)", "source_ranking (2,)"]
    ran.clear()
    study(store, longest=13).run()
    assert set(ran) == {"rea (0,)", "rea (1,)", "source_ranking (0,)", "source_ranking (1,)"}
    ran.clear()
    study(store, fresh=True).run()
    assert len(ran) == 6


def test_another_table_or_pipeline_is_another_job() -> None:
    store = Store("unused")
    (entrant,) = (e for e in with_controls(INVENTED) if e.method == "lapt-rea")
    other = Entrant(entrant.method, load_pipeline("invented"), entrant.search, entrant.budget, entrant.reasoner)
    jobs = [Job(entrant, None, (0,)), Job(other, None, (0,)), Job(entrant, None, (1,))]
    keys = {Ledger(store, checksum).key(job) for checksum in ("one", "two") for job in jobs}
    assert len(keys) == 6


def test_rows_are_read_by_sql_once_however_often_they_were_said(tmp_path: Path) -> None:
    store = Store(tmp_path)
    results = [study(store).run() for _ in range(2)]
    assert len({keep(store, result) for result in results}) == 1
    found = query(store, "SELECT * EXCLUDE (study_id, study, pipeline, created_at) FROM studies").to_pylist()
    assert sorted(map(str, found)) == sorted(str(row.model_dump()) for row in results[0].rows)
    assert query(store, "SELECT count(*) AS n FROM study_jobs").to_pylist() == [{"n": 6}]


def test_a_runs_snapshot_holds_no_study(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keep(store, study(store).run())
    store.append("runs", [{"run_id": "r", "event": "finished"}])
    assert snapshot(store, "r")


def test_curves_are_the_incumbents_ranks_and_end_at_the_rows(tmp_path: Path) -> None:
    result = study(Store(tmp_path), longest=130).run()
    said = json.loads(as_json(result))
    assert StudyResult.model_validate(said) == result
    rows = {(r["method"], r["target"], r["quantity"], r["budget"]): r for r in said["rows"]}
    for curve in said["curves"]:
        longest = 12 if curve["method"] == "lapt-rea" else 130
        assert curve["evaluations"] == [*range(1, min(longest, 100) + 1), *([110, 120, 130] if longest == 130 else [])]
        assert curve["rank"] == sorted(curve["rank"], reverse=True)
        assert curve["validation"] == sorted(curve["validation"])
        at_end = rows[curve["method"], curve["target"], "rank", longest]["mean"]
        assert curve["rank"][-1] == pytest.approx(at_end, rel=1e-3)
        short = rows[curve["method"], curve["target"], "rank", 12]
        assert sum(curve["ranks"]) / len(curve["ranks"]) == short["mean"]
        assert curve["rank"][11] == pytest.approx(short["mean"], rel=1e-3)
