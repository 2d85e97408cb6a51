"""Libraries of principles as a source, grown by runs, and shown."""

from __future__ import annotations

import json
import multiprocessing
import warnings
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.build import build
from flows.cli.app import app
from flows.library import data_of, grow_library, with_conditions
from lapt.archive import nothing_read
from lapt.errors import ConfigError, LaptError, Notice
from lapt.library.entries import read_library, statements
from lapt.library.growing import Read
from lapt.pipeline.config import Execution, Pipeline, load_pipeline
from lapt.principles import Principles
from lapt.reasoning import Patterns
from lapt.spaces import BUILTIN, Architecture
from storage.library import grow

NAS201 = BUILTIN["nas201"]
MEMBERS = list({NAS201.canonical(one): one for one in NAS201.members()}.values())


def of_table(*overrides: str) -> Pipeline:
    return load_pipeline("digits_table", ["controls=[]", *overrides])


def stated(pipeline: Pipeline, store: Path) -> Principles:
    found = build(pipeline, Execution(store=str(store)))
    return found.steps.learn(nothing_read(found.space, pipeline.source.named))


def read(task: str, good: list[Architecture]) -> Read:
    return Read(task=task, data="table", kind="accuracy", good=good)


def test_what_the_targets_taught_does_not_count_and_that_is_said(tmp_path: Path) -> None:
    with pytest.warns(Notice, match="what autoencoding, classification showed does not"):
        principles = stated(of_table("source={library: shipped}"), tmp_path)
    said = [pattern for one in principles.principles for pattern in one.patterns]
    assert said
    jigsaw = of_table("source={library: shipped}", "targets=[jigsaw]")
    with pytest.warns(Notice, match="what jigsaw showed does not"):
        other = stated(jigsaw, tmp_path)
    assert {one.feature for one in said} != {p.feature for q in other.principles for p in q.patterns}


def test_a_task_that_no_reading_is_of_leaves_nothing_out(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    grow_library(str(path), [(NAS201, read("elsewhere", MEMBERS[-60:]))])
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        principles = stated(of_table(f"source={{library: {path}}}"), tmp_path)
    sure = statements(read_library(path).best_founded("nas201"), "library mine")
    assert len(sure) == sum(bool(one.patterns) for one in principles.principles) > 0


def test_the_content_of_a_library_is_part_of_the_run(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    grow_library(str(path), [(NAS201, read("one", MEMBERS[-60:]))])
    pipeline = of_table(f"source={{library: {path}}}")
    first = build(pipeline, Execution(store=str(tmp_path))).run_id
    assert build(pipeline, Execution(store=str(tmp_path))).run_id == first
    grow_library(str(path), [(NAS201, read("two", MEMBERS[-90:-30]))])
    assert build(pipeline, Execution(store=str(tmp_path))).run_id != first


def test_the_conditions_of_a_task_are_those_that_were_found_on_it() -> None:
    pipeline = of_table()
    found = build(pipeline, Execution(store="unused"))
    archive = found.steps.build_archive(found.evaluator("jigsaw"))
    learned = Patterns().learn(NAS201, archive)
    seen = with_conditions(read("jigsaw", []), learned)
    assert seen.found
    assert with_conditions(read("another", []), learned).found == ()
    assert data_of(pipeline) == "digits"


def grown_by(path: Path, first: int) -> None:
    for at in range(5):
        grow_library(str(path), [(NAS201, read(f"task {first + at}", MEMBERS[first + at : first + at + 40]))])


@pytest.mark.integration
def test_two_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "both.json"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=partial(grown_by, path, first)) for first in (0, 100)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    library = read_library(path)
    wanted = {f"task {first + at}" for first in (0, 100) for at in range(5)}
    assert library.entries
    for entry in library.entries:
        assert {one.task for one in entry.readings} == wanted


def test_a_damaged_library_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "damaged.json"
    path.write_text('{"version": 1, "entries": [')
    with pytest.raises(ConfigError):
        grow(path, lambda library: library)
    assert path.read_text() == '{"version": 1, "entries": ['


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{library: nowhere.json}", "a UTF-8 text file at nowhere.json"),
        ("{library: shipped, kinds: [loss of another kind]}", "principles for nas201 in the library shipped"),
        ("{library: shipped, kind: [l1]}", "source.kind; did you mean kinds?"),
    ],
)
def test_bad_libraries_are_one_line(source: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(LaptError) as raised:
        build(of_table(f"source={source}"), Execution(store=str(tmp_path)))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_library_reads_like_a_page_of_a_handbook() -> None:
    shown = CliRunner().invoke(app, ["principles", "list", "--library", "shipped", "--space", "nas201"])
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[1].startswith("nas201: ")
    first = lines.index("What holds, best founded first")
    assert lines[first + 2].startswith("1. ")
    assert "times those of other cells" in lines[first + 3]
    as_json = CliRunner().invoke(app, ["principles", "list", "--library", "shipped", "--space", "nas201", "--json"])
    rows = json.loads(as_json.stdout)
    bounds = [row["odds"]["low"] for row in rows]
    assert bounds == sorted(bounds, reverse=True)
    assert {"statement", "condition", "readings", "tasks", "against"} <= set(rows[0])
    wrong = CliRunner().invoke(app, ["principles", "list", "--library", "shipped", "--space", "nas202"])
    assert isinstance(wrong.exception, ConfigError)
