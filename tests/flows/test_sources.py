"""Sources of a pipeline: tasks, tables, earlier runs, stored principles, several of them, none."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from flows.build import Built, build, reasoner_of
from flows.studies.entrants.sources import across
from lapt.archive import nothing_read
from lapt.errors import ConfigError, LaptError, Notice
from lapt.evaluators.table import Split, Table
from lapt.pipeline.config import Execution, Pipeline, load_pipeline, validated
from lapt.pipeline.sources import Source
from lapt.pipeline.target import TargetSearch
from lapt.principles import Principles
from lapt.reasoning import Patterns, Stated
from lapt.reasoning.expectation import advisers_of
from lapt.reasoning.statements import StatedPrinciples
from lapt.spaces import BUILTIN

NAS201 = BUILTIN["nas201"]
INVENTED = ("search.generations=1", "controls=[]", "reasoner={kind: patterns}", "targets=[invented_a]")
BEST = "archive: {strategy: top, size: 30}"
FILE = """\
version: 1
space: nas201
principles:
  - condition: {count: {operators: [nor_conv_3x3], at_least: 3}}
    weight: 1.5
    adviser: me
    evidence: [{space: nas201, task: elsewhere, support: 8, of: 10}]
  - condition: {choice: {layer: 0->3, operators: [skip_connect]}}
    adviser: you
    evidence: [{space: nas201, task: invented_a, support: 9, of: 10}]
"""


def declared(*overrides: str) -> Pipeline:
    return load_pipeline("invented", [*INVENTED, *overrides])


def built(pipeline: Pipeline, store: Path) -> Built:
    return build(pipeline, Execution(store=str(store)))


def learned(found: Built) -> Principles:
    def read(source: Source):  # type: ignore[no-untyped-def]
        there, evaluator = found.read(source)
        return found.steps.build_archive(evaluator, source, there)

    return found.steps.learn(*found.steps.build_archives(read))


def asked(found: Built, principles: Principles) -> list[str]:
    _, evaluations = TargetSearch(found.steps, found.evaluator("invented_a")).run(principles)
    return [found.space.encode(one.architecture) for one in evaluations]


def test_the_same_task_of_the_same_table_teaches_the_same(tmp_path: Path) -> None:
    own = built(declared(f"source={{task: invented_source, {BEST}}}"), tmp_path)
    table = built(declared(f"source={{table: invented, task: invented_source, {BEST}}}"), tmp_path)
    one, other = learned(own), learned(table)
    assert one.origin.task == "invented_source"
    assert other.origin.task == "invented invented_source"
    assert [p.weight for q in one.principles for p in q.patterns] == [
        p.weight for q in other.principles for p in q.patterns
    ]
    assert asked(own, one) == asked(table, other)
    assert own.run_id != table.run_id


def test_a_table_is_read_and_its_own_scores_are_not_paid_for() -> None:
    pipeline = declared("source={table: digits, task: jigsaw}")
    assert pipeline.source.model_dump(mode="json")["archive"] == {"strategy": "top", "size": 50}
    assert pipeline.evaluated == ("invented_a",)
    assert declared().evaluated == ("invented_source", "invented_a")


def test_columns_of_the_targets_in_the_table_of_a_source_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = load_pipeline("digits_table", ["source={table: digits, task: jigsaw}", "controls=[]"])
    with pytest.warns(Notice, match="its columns of classification, autoencoding are not read"):
        found = built(pipeline, tmp_path)
    read: set[str] = set()
    column = Table.column

    def watched(table: Table, task: str, split: Split = "validation") -> object:
        read.add(task)
        return column(table, task, split)

    monkeypatch.setattr(Table, "column", watched)
    assert learned(found).principles
    assert read == {"jigsaw"}
    found.evaluator("classification")
    assert read == {"jigsaw", "classification"}, "the watch sees what is read"


def test_no_source_is_the_search_alone(tmp_path: Path) -> None:
    found = built(declared("source=none"), tmp_path)
    principles = learned(found)
    assert principles.principles == ()
    search = TargetSearch(found.steps, found.evaluator("invented_a"))
    _, evaluations = search.run(principles)
    assert len(evaluations) == found.pipeline.budget
    assert search.space_size == NAS201.size
    assert search.principles.principles == ()


def test_principles_of_a_run_search_as_that_run_did(tmp_path: Path) -> None:
    first = built(declared(f"source={{task: invented_source, {BEST}}}"), tmp_path)
    principles = learned(first)
    with first.record.attempt(first.pipeline):
        first.record.principles(principles, task="invented_source", iteration=0)
    again = built(declared(f"source={{run: {first.run_id}}}"), tmp_path)
    recalled = learned(again)
    assert recalled.parent == principles.id
    assert asked(again, recalled) == asked(first, principles)
    by_id = built(declared(f"source={{principles: {principles.id}}}"), tmp_path)
    assert asked(by_id, learned(by_id)) == asked(first, principles)


def test_what_a_target_taught_is_left_out_and_said(tmp_path: Path) -> None:
    first = built(declared(f"source={{task: invented_source, {BEST}}}"), tmp_path)
    principles = learned(first)
    evaluations = first.evaluator("invented_a").evaluate([NAS201.decode(text) for text in asked(first, principles)])
    adapted = first.steps.reasoner.update(NAS201, principles, evaluations, task="invented_a")
    assert any(pattern.task == "invented_a" for one in adapted.principles for pattern in one.patterns)
    with first.record.attempt(first.pipeline):
        first.record.principles(principles, task="invented_source", iteration=0)
        first.record.principles(adapted, task="invented_a", iteration=1)
    pipeline = declared(f"source={{run: {first.run_id}, target: invented_a}}")
    with pytest.warns(Notice, match="are left out of the source"):
        recalled = learned(built(pipeline, tmp_path))
    assert not any(pattern.task == "invented_a" for one in recalled.principles for pattern in one.patterns)
    to_another = pipeline.model_copy(update={"targets": ("invented_b",)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = learned(built(to_another, tmp_path))
    assert any(pattern.task == "invented_a" for one in kept.principles for pattern in one.patterns)


def test_a_file_of_principles_brings_its_own_evidence(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FILE)
    pipeline = declared(f"source={{principles: {path}}}")
    path.unlink()  # its content is part of the pipeline
    assert Pipeline.model_validate_json(pipeline.model_dump_json()) == pipeline
    with pytest.warns(Notice, match="1 of 2 principles are left out of the source principles"):
        found = built(pipeline, tmp_path)
    stated = learned(found)
    (mine,) = [one for one in stated.spoken if one.patterns]
    assert (mine.adviser, mine.support) == ("me", 0.8)
    assert mine.chance(NAS201) < 0.2
    assert not any("0 of 0" in one.statement for one in stated.principles)
    assert len(asked(found, stated)) == found.pipeline.budget


def test_a_principle_that_nothing_was_read_for_shows_no_share_of_it(tmp_path: Path) -> None:
    path = tmp_path / "bare.yaml"
    path.write_text("version: 1\nspace: nas201\nprinciples:\n- condition: {width: {at_least: 2}}\n")
    alone = learned(built(declared(f"source={{principles: {path}}}"), tmp_path))
    beside = learned(built(declared(f"sources=[{{principles: {path}}}, {{task: invented_source, {BEST}}}]"), tmp_path))
    for stated in (alone, beside):
        (bare,) = [one for one in stated.principles if one.statement.startswith("Two or more layers of the cell read")]
        assert bare.unread
        assert not any(one.unread for one in stated.principles if one.adviser in ("invented_source", "experts"))
    experts = Patterns(evidence=False).learn(NAS201, nothing_read(NAS201, "none"))
    assert all(one.unread for one in experts.spoken)


def test_each_of_several_sources_is_an_adviser_and_experts_are_one_more(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FILE)
    sources = f"{{table: digits, task: jigsaw}}, {{task: invented_source, {BEST}}}, {{principles: {path}}}"
    found = built(declared(f"sources=[{sources}]"), tmp_path)
    stated = learned(found)
    names = [adviser.name for adviser in advisers_of(NAS201, stated, task="invented_a")]
    assert names == ["digits jigsaw", "invented_source", "principles: me", "experts"]
    assert found.run_id == built(declared(f"source=[{sources}]"), tmp_path).run_id
    assert len(asked(found, stated)) == found.pipeline.budget


def test_what_the_target_shows_is_stated_once_by_an_adviser_of_its_own(tmp_path: Path) -> None:
    found = built(declared(f"sources=[{{table: digits, task: jigsaw}}, {{task: invented_source, {BEST}}}]"), tmp_path)
    stated = learned(found)
    best = found.evaluator("invented_a").evaluate([NAS201.decode(text) for text in asked(found, stated)])
    reasoner = found.steps.reasoner
    for adapted in (
        reasoner.update(NAS201, stated, best, task="invented_a"),
        reasoner.explore(NAS201, reasoner.update(NAS201, stated, best, task="invented_a"), task="invented_a"),
    ):
        shown = [one for one in adapted.principles for pattern in one.patterns if pattern.task == "invented_a"]
        assert shown
        assert {one.adviser for one in shown} == {"target"}
        assert len({one.statement for one in shown}) == len(dict.fromkeys(shown))
        before = [one for one in stated.principles if one.patterns]
        assert [one for one in adapted.principles if one.patterns and one.adviser != "target"] == before
        names = [adviser.name for adviser in advisers_of(NAS201, adapted, task="invented_a")]
        assert names == ["digits jigsaw", "invented_source", "experts"]
    assert (adapted.breadth or 0) > (stated.breadth or 0)


def test_one_source_in_a_list_is_that_source(tmp_path: Path) -> None:
    alone = built(declared(f"source={{task: invented_source, {BEST}}}"), tmp_path)
    listed = built(declared(f"sources=[{{task: invented_source, {BEST}}}]"), tmp_path)
    assert asked(alone, learned(alone)) == asked(listed, learned(listed))


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("source={run: 0123456789ab}", "expected principles of run 0123456789ab"),
        ("source={run: latest}", "source.run: string should match"),
        ("source={run: 0123456789ab, targt: x}", "source.targt; did you mean target?"),
        ("source={principles: 0123456789ab}", "'0123456789ab'"),
        ("source={principles: nowhere.yaml}", "a UTF-8 text file at nowhere.yaml"),
        ("source={table: nowhere, task: x}", "a table named 'nowhere'"),
        ("source={table: digits, task: x}", "a task of table digits"),
        ("source={table: digits}", "the key source.task"),
        ("source={table: digits, task: invented_a}", "targets name the source task invented_a"),
        ("source=5", "a mapping with the key task, run, principles or library, a list of them, or none"),
        ("sources=[]", "at least 1 item"),
        ("sources=[{task: invented_source}, {task: invented_source}]", "name invented_source twice"),
        ("sources=[none, {task: invented_source}]", "source"),
        ("controls=[source_ranking]", "controls name source_ranking"),
    ],
)
def test_bad_sources_are_one_line(said: str, error: str, tmp_path: Path) -> None:
    more = ["source=none"] if said.startswith("controls") else []
    with pytest.raises(LaptError) as raised:
        built(declared(*more, said), tmp_path)
    assert error in str(raised.value)
    assert "\n" not in str(raised.value)


def test_source_and_sources_are_one_key() -> None:
    whole = declared().model_dump(mode="json")
    with pytest.raises(ConfigError, match="source and sources say the same"):
        validated({**whole, "sources": [whole["source"]]}, "both")


def test_evidence_is_counted_out_of_what_was_read() -> None:
    with pytest.raises(ValueError, match="larger than of"):
        StatedPrinciples.model_validate(
            {
                "space": "nas201",
                "principles": [
                    {
                        "condition": {"width": {"at_least": 2}},
                        "evidence": [{"space": "nas201", "task": "x", "support": 3, "of": 2}],
                    }
                ],
            }
        )


OTHER = """\
version: 1
space: nas201
principles:
  - condition: {path: {operators: [nor_conv_3x3], at_least: 2}}
    adviser: me
  - condition: {count: {operators: [avg_pool_3x3], at_least: 2}}
    adviser: me
"""


def test_a_file_for_another_space_is_carried_and_what_stays_behind_is_said(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(OTHER)
    pipeline = load_pipeline("trans101", [f"source={{principles: {path}}}", "controls=[]"])
    with pytest.warns(Notice, match="1 of 2 principles of the source principles stay behind in trans101, .*no pooling"):
        reasoner = reasoner_of(pipeline, Execution(store=str(tmp_path)), "0" * 12)
    assert isinstance(reasoner, Stated)
    (carried,) = reasoner.given.principles
    assert (carried.adviser, carried.weight) == ("me", 1.0)
    assert carried.rationale.startswith("nas201: ")
    assert reasoner.learn(BUILTIN["trans101"], nothing_read(BUILTIN["trans101"], "principles")).space == "trans101"


def test_a_library_without_the_space_speaks_for_it_from_others(tmp_path: Path) -> None:
    pipeline = load_pipeline("darts_surrogate", ["source={library: shipped}", "controls=[]"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reasoner = reasoner_of(pipeline, Execution(store=str(tmp_path)), "0" * 12)
    assert isinstance(reasoner, Stated)
    advisers = {one.adviser for one in reasoner.given.principles}
    assert advisers == {"library shipped, nas201", "library shipped, trans101"}
    reasoner.given.check(BUILTIN["darts7"])


def test_a_table_of_another_space_is_read_by_roles(tmp_path: Path, real_data: Path) -> None:
    more = ["source={table: transnas101_micro, task: jigsaw}"]
    found = build(declared(*more), Execution(store=str(tmp_path), data=str(real_data)))
    stated = learned(found)
    assert stated.space == "nas201"
    assert stated.origin.step == "transfer"
    names = [adviser.name for adviser in advisers_of(NAS201, stated, task="invented_a")]
    assert names == ["experts", "transnas101_micro jigsaw"]
    assert len(asked(found, stated)) == found.pipeline.budget
    with pytest.raises(ConfigError, match="patterns for a source of another space, trans101; got frequency"):
        build(declared(*more, "reasoner={kind: frequency}"), Execution(store=str(tmp_path), data=str(real_data)))
    with pytest.raises(ConfigError, match="leave source_ranking out"):
        build(declared(*more, "controls=[source_ranking]"), Execution(store=str(tmp_path), data=str(real_data)))


def test_a_study_takes_each_source_alone_all_together_experts_and_none() -> None:
    pipeline = declared("sources=[{table: digits, task: jigsaw}, {task: invented_source}]", "search.method=rea")
    found = across(pipeline, (), 3)
    assert [(one.method, one.variant) for one in found] == [
        ("lapt-rea", "from digits jigsaw"),
        ("lapt-rea", "from invented_source"),
        ("lapt-rea", "from all together"),
        ("lapt-rea", "experts alone"),
        ("rea", None),
    ]
    assert all(one.against is not None and one.against.method == "rea" for one in found[:-1])
    with pytest.raises(ConfigError, match="a pipeline with a source"):
        across(declared("source=none"), (), 3)
