"""``lapt report``: the page of a run that finished, of one that did not, and of a study."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from small_study import a_study
from typer.testing import CliRunner

from flows.cli.app import app
from flows.embedded import run_embedded
from flows.running.progress import Listener
from flows.studies.jobs import keep, kept
from flows.studies.literature import literature
from flows.studies.show.page import study_page
from lapt.errors import StoreError
from lapt.pipeline.config import Execution, Pipeline, load_pipeline
from lapt.principles import Origin, Principle, Principles
from lapt.report.run import run_page
from lapt.report.run_tables import leaderboard
from storage.runs.history import run_history, runs
from storage.runs.record import RunRecord
from storage.store import Store

VOID = {"meta", "br", "input"}


class Outline(HTMLParser):
    """Tags that are open, ids, addresses, and the text that is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.ids += [found["id"]] if found.get("id") else []  # type: ignore[list-item]
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href") and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


def outline(page: str) -> Outline:
    """Of a page that is whole: every tag is closed, ids are distinct, and every address is one of its own ids."""
    found = Outline()
    found.feed(page.replace("<wbr>", ""))  # where a line may break is no text
    assert found.open == []
    assert len(found.ids) == len(set(found.ids))
    assert {address.removeprefix("#") for address in found.addresses} <= set(found.ids)
    return found


def shown(page: str) -> str:
    return " ".join(" ".join(outline(page).text).split())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    address = str(tmp_path_factory.mktemp("report"))
    run_embedded(load_pipeline("invented", reasoner="patterns"), Execution(store=address), Listener())
    return Store(address)


def test_everything_that_was_decided_is_on_the_page(store: Store, tmp_path: Path) -> None:
    (run_id,) = runs(store)
    target = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["report", run_id[:6], "--store", store.address, "--out", str(target)])
    assert done.output == f"wrote {target}\n"
    page = target.read_text()
    text = shown(page)
    history = run_history(store, run_id)
    assert history.result is not None
    assert len(page) < 2_000_000
    assert '"Segoe UI"' in page  # the style sheet as it is
    for found in history.result.targets:
        assert found.architecture
        assert found.architecture in text
        for control in found.controls:
            assert f"{found.task} {control.method} {control.validation:.4g}" in text
    for one in history.targets:
        for iteration, space, principles_id in one.spaces:
            assert f"iteration {iteration}: {space.size:,} of 15,625 architectures" in text
            assert principles_id in text
    assert history.learned is not None
    assert "Principles learned from" in text
    assert "Known before, from the literature" in text
    assert {principle.learned for principle in history.learned.spoken} == {True, False}
    for principle in history.learned.spoken:
        assert " ".join(principle.statement.split()) in text
        assert f"{100 * principle.support:.0f} % of those read" in text
    assert f"python {history.versions['python']}" in text
    said = json.loads(json.dumps(history.pipeline.model_dump(mode="json")))
    assert f"seed: {said['seed']}" in text
    assert outline(page).tags.count("svg") == 2 * len(history.targets)


def test_costs_are_those_of_the_view(store: Store) -> None:
    history = run_history(store, runs(store)[0])
    cost = {(one.task, one.method): one.evaluations for one in history.costs}
    assert cost["invented_source", "lapt-rea"] == 200
    for target in history.targets:
        assert target.search is not None
        assert cost[target.task, "lapt-rea"] == len(target.search.trials)
        assert [control.method for control in target.controls] == ["random", "source_ranking"]
        assert all(len(control.trials) == cost[target.task, control.method] for control in target.controls)


def test_where_trainings_stop_early_evaluations_are_counted_in_whole_trainings(tmp_path: Path) -> None:
    """So that controls, which train to the end, stand beside them."""
    pipeline = load_pipeline("digits_curves")
    run_embedded(pipeline, Execution(store=str(tmp_path)), Listener())
    history = run_history(Store(str(tmp_path)), *runs(Store(str(tmp_path))))
    (target,) = history.targets
    assert history.result is not None
    assert target.search is not None
    (found,) = history.result.targets
    paid, whole = [reached for _, reached in found.rungs], [trial.ordinal for trial in target.search.trials]
    added = [epochs - below for epochs, below in zip((1, 3, 9), (0, 1, 3), strict=True)]
    assert sum(number * epochs for number, epochs in zip(paid, added, strict=True)) <= 9 * pipeline.budget
    assert len(whole) == paid[-1] == found.evaluations
    assert whole == sorted(whole)
    assert whole[0] >= 2  # three of the first rung and one of the second are a whole training
    assert whole[-1] <= pipeline.budget == len(target.controls[0].trials)
    text = shown(run_page(history))
    assert f"of {whole[-1]}, iteration" in text
    assert f"trained so many epochs: {paid[0]} after 1, {paid[1]} after 3, {paid[2]} after 9." in text


def test_the_source_ranking_asks_for_the_source_s_best_in_their_order(store: Store) -> None:
    history = run_history(store, runs(store)[0])
    assert history.archive is not None
    ranked = sorted(history.archive.trials, key=lambda trial: -(trial.score or 0.0))
    best = list(dict.fromkeys(trial.architecture for trial in ranked))[:20]
    for target in history.targets:
        asked = [trial.architecture for trial in target.controls[1].trials]
        assert asked == best[: len(asked)]


def test_what_a_model_wrote_is_text(store: Store) -> None:
    history = run_history(store, runs(store)[0])
    hostile = "</li><script>alert(1)</script><img src=x onerror=alert(1)> $\\frac{ {{ 7*7 }}"
    stated = Principles(
        space="nas201",
        principles=(Principle(statement=hostile, rationale=hostile, draws=(0,)),),
        origin=Origin(reasoner=hostile, step="learn", task="invented_source", archive="x"),
        dropped=(hostile,),
    )
    first = history.targets[0]
    spoiled = type(first)(first.task, first.search, first.controls, [(1, stated)], first.spaces)
    page = run_page(type(history)(**{**vars(history), "learned": stated, "targets": [spoiled]}))
    found = outline(page)
    assert "script" not in found.tags
    assert "img" not in found.tags
    assert page.count("&lt;script&gt;") >= 3
    assert "{{ 7*7 }}" in shown(page)


def unfinished(tmp_path: Path) -> tuple[Store, RunRecord, Pipeline]:
    store = Store(str(tmp_path / "store"))
    return store, RunRecord(store, "ab12"), load_pipeline("invented")


def test_a_run_that_failed_before_its_first_evaluation_says_so(tmp_path: Path) -> None:
    store, record, pipeline = unfinished(tmp_path)
    with pytest.raises(RuntimeError), record.attempt(pipeline):
        raise RuntimeError("the <disk> is full")
    text = shown(run_page(run_history(store, "ab12")))
    assert "This run is not finished (failed: RuntimeError: the <disk> is full)" in text
    assert "No evaluation is stored yet." in text
    assert "the frequency reasoner was to read the best 20" in text
    assert "Validation chose" not in text, "nothing was found that it could have chosen"


def test_equal_scores_have_one_rank(store: Store) -> None:
    history = run_history(store, runs(store)[0])
    search = history.targets[0].search
    assert search is not None
    twice = replace(search, trials=[replace(trial, value=1.0, score=1.0) for trial in search.trials[:3]])
    assert [row.cells[0] for row in leaderboard(twice).rows] == ["1", "1", "1"]


def test_a_run_that_there_is_not(store: Store) -> None:
    with pytest.raises(StoreError, match="no row of it"):
        run_history(store, "nothing")
    done = CliRunner().invoke(app, ["report", "zz", "--store", store.address])
    assert isinstance(done.exception, StoreError)
    assert "the id of one run or study" in str(done.exception)


def test_a_study_becomes_tables_and_plots(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    study_id = keep(store, a_study())
    target = tmp_path / "study.html"
    done = CliRunner().invoke(app, ["report", study_id[:5], "--store", store.address, "--out", str(target)])
    assert done.output == f"wrote {target}\n"
    page = target.read_text()
    text = shown(page)
    assert outline(page).tags.count("svg") == 2
    assert "lapt-rea 20.0 [18.0, 22.0]" in text
    assert "4.9" in text
    assert "a <note>" in text
    assert "not compared: x: y" in text
    assert re.search(r"Versions: lapt [\d.]+, numpy", text)


def test_a_study_says_how_to_have_it_again(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    asked = ["study", "nas201", "--pipeline", "invented", "--seeds", "2", "--methods", "lapt-rea,rea"]
    where = ["--store", store.address, "--processes", "1"]
    said = CliRunner().invoke(app, [*asked, *where]).output
    study_id = re.search(r"What now\?  \S+ report (\w+) --store", said)
    assert study_id, said
    assert "2 seeds: no p can be below 0.5, before Holm" in said
    result, _ = kept(store, study_id[1])
    assert result.command.startswith("lapt study nas201 --seeds 2 ")
    assert set(result.command.split()) == {"lapt", *asked}
    assert result.command in shown(study_page(study_id[1], result, {}))


def test_a_table_of_published_figures_has_no_seeds(tmp_path: Path) -> None:
    text = shown(study_page("ab", literature("table4"), {}))
    assert text.startswith("study table4 study table4 Published figures")
    assert "lapt study table4" in text


def test_a_study_whose_file_is_gone(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    study_id = keep(store, a_study())
    (tmp_path / "store" / "reports" / f"study-{study_id}.json").unlink()
    done = CliRunner().invoke(app, ["report", study_id, "--store", store.address])
    assert isinstance(done.exception, StoreError)
    assert "run the study again" in str(done.exception)
