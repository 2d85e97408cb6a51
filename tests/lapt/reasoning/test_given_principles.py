"""Principles of files, of recorded replies, and of reasoners that are joined."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_archives import SPACE, archive, cell, evaluations

from lapt.conditions.cells import Cells
from lapt.conditions.judging import holding, members_of
from lapt.conditions.language import condition_of
from lapt.errors import ConfigError
from lapt.pipeline.config import Pipeline, load_pipeline
from lapt.principles import Principles
from lapt.reasoning import Frequency, Joined, Patterns, Stated
from lapt.reasoning.config import JoinedReasoner, StatedReasoner, asks_a_model, deterministic
from lapt.reasoning.expectation import advisers_of, expectation_of
from lapt.reasoning.exported import exported
from lapt.reasoning.findings import ENOUGH, findings
from lapt.reasoning.language.imported import as_statements, replies_in
from lapt.reasoning.statements import StatedPrinciples, Statement, read_principles_file
from lapt.spaces import BUILTIN

MEMBERS = list(SPACE.members())
DEEP = {"path": {"operators": ["nor_conv_3x3"], "at_least": 2}}
POOLED = {"count": {"operators": ["avg_pool_3x3"], "at_least": 1}}
GIVEN = StatedPrinciples(
    space=SPACE.name,
    principles=(
        Statement(condition=condition_of(DEEP), weight=2.0, adviser="a"),
        Statement(condition=condition_of(POOLED), weight=-1.0, statement="No pooling.", adviser="b"),
    ),
)
FILE = """
space: nas201
principles:
- condition: {path: {operators: [nor_conv_3x3], at_least: 2}}
  weight: 2
  adviser: a
- {condition: {count: {operators: [avg_pool_3x3], at_least: 1}}, weight: -1, statement: No pooling., adviser: b}
"""
GOOD = ("3n3s33", "33ns11", "333s33", "313s31", "3n1s13")


# --- given principles ------------------------------------------------------------------------------------------------
def test_a_file_says_what_its_principles_are_and_writing_gives_them_back(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(FILE)
    assert read_principles_file(tmp_path / "mine.yaml") == GIVEN
    (tmp_path / "again.yaml").write_text(GIVEN.text)
    assert read_principles_file(tmp_path / "again.yaml") == GIVEN


def test_each_adviser_expects_by_its_own_conditions() -> None:
    learned = Stated(GIVEN).learn(SPACE, archive(*GOOD))
    first, second = advisers_of(SPACE, learned, task="t")
    assert (first.name, second.name) == ("a", "b")
    assert second.statements == ("No pooling.",)
    deep = holding(condition_of(DEEP), members_of(SPACE))
    expected = first.expects(MEMBERS)
    assert expected.mean() == pytest.approx(0, abs=1e-9)
    assert expected.std() == pytest.approx(1)
    assert (expected[deep].min(), np.ptp(expected[deep])) == (pytest.approx(expected.max()), pytest.approx(0))
    pooled, plain = second.expects([cell("3n3s3p"), cell("3n3s33")])
    assert pooled < 0 < plain


def test_the_evidence_of_the_archive_stands_beside_a_given_principle() -> None:
    first, second, *_ = Stated(GIVEN).learn(SPACE, archive("3n3s33", "snnsnp")).principles
    assert first.support == 0.5
    assert first.chance(SPACE) == pytest.approx(holding(condition_of(DEEP), members_of(SPACE)).mean(), abs=1e-4)
    pooled = holding(condition_of(POOLED), Cells.of(SPACE, [cell("3n3s33"), cell("snnsnp")])).mean()
    assert second.support == 1 - pooled


def test_the_first_space_is_as_narrow_as_asked_and_adaptations_widen_it() -> None:
    reasoner = Stated(GIVEN, breadth=0.02, growth=10)
    learned = reasoner.learn(SPACE, archive(*GOOD))
    sizes = [reasoner.translate(SPACE, learned, task="t").size]
    for adapted in (
        reasoner.explore(SPACE, learned, task="t"),
        reasoner.update(SPACE, learned, evaluations(*GOOD), task="t"),
    ):
        sizes.append(reasoner.translate(SPACE, adapted, task="t").size)
        assert [p.statement for p in adapted.principles if p.patterns] == [
            p.statement for p in learned.principles if p.patterns
        ]
    assert sizes[0] <= 0.02 * SPACE.size < sizes[2] <= 0.2 * SPACE.size < sizes[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("space: nas201\nprinciples: []", "at least 1 item"),
        ("principles: [{condition: {depth: {at_least: 2}}}]", "the key space"),
        ("version: 2\nspace: nas201\nprinciples: [{condition: {depth: {at_least: 2}}}]", "got version 2"),
        ("space: nas201\nprinciples: [{condition: {depth: {}}}]", "at_least, at_most or both"),
        ("space: nas201\nprinciples: [{condition: {deep: 1}}]", "one key among"),
        ("space: nas201\nprinciples: [{condition: {depth: {at_least: 2}}, wait: 3}]", "weight"),
        ("space: nas201\nprinciples: [{condition: {depth: {at_least: 2}}, weight: .inf}]", "weight"),
        ("space: [", "line"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError) as told:
        read_principles_file(tmp_path / "mine.yaml")
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_principles_of_another_space_are_refused_by_what_it_lacks() -> None:
    with pytest.raises(ConfigError, match=r"number 2, of nas201: .*avg_pool_3x3"):
        Stated(GIVEN).learn(BUILTIN["trans101"], archive(*GOOD))


# --- in a pipeline ---------------------------------------------------------------------------------------------------
def test_a_pipeline_holds_the_content_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(FILE)
    pipeline = load_pipeline("invented", [], f"stated:{path}")
    path.unlink()
    assert isinstance(pipeline.reasoner, StatedReasoner)
    assert pipeline.reasoner.principles == GIVEN
    assert Pipeline.model_validate(json.loads(pipeline.model_dump_json())) == pipeline


def test_reasoners_are_joined_by_a_plus(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(FILE)
    joined = load_pipeline("invented", [], f"patterns+chat:openai:wise+stated:{tmp_path / 'mine.yaml'}").reasoner
    assert isinstance(joined, JoinedReasoner)
    assert joined.named == "patterns+chat:openai:wise+stated (a, b)"
    assert (asks_a_model(joined), deterministic(joined)) == (True, False)
    alone = load_pipeline("invented", [], "patterns").reasoner
    assert (asks_a_model(alone), deterministic(alone)) == (False, True)
    with pytest.raises(ConfigError, match="several with"):
        load_pipeline("invented", [], "patterns+")


# --- joined ----------------------------------------------------------------------------------------------------------
def joined() -> Joined:
    return Joined([Patterns(), Stated(GIVEN), Frequency()], breadth=0.02)


def test_every_joined_reasoner_advises_under_its_name() -> None:
    learned = joined().learn(SPACE, archive(*GOOD))
    names = [adviser.name for adviser in advisers_of(SPACE, learned, task="t")]
    assert names == ["patterns, experts", "patterns, source", "stated: a", "stated: b", "frequency"]


def test_the_joined_expectation_is_the_sum_of_equals() -> None:
    learned = joined().learn(SPACE, archive(*GOOD))
    own = [
        Patterns().learn(SPACE, archive(*GOOD)),
        *(GIVEN.model_copy(update={"principles": (one,)}) for one in GIVEN.principles),
        Frequency().learn(SPACE, archive(*GOOD)),
    ]
    values = [
        expectation_of(SPACE, one if isinstance(one, Principles) else Stated(one).learn(SPACE, archive(*GOOD)))(MEMBERS)
        for one in own
    ]
    total = np.sum(values, axis=0)
    assert expectation_of(SPACE, learned)(MEMBERS) == pytest.approx(total / total.std(), abs=1e-6)


def test_each_joined_reasoner_adapts_its_own_part() -> None:
    reasoner = joined()
    learned = reasoner.learn(SPACE, archive(*GOOD))
    updated = reasoner.update(SPACE, learned, evaluations("ssssss", "sss333"), task="t")
    assert (updated.version, updated.parent, updated.origin.reasoner) == (2, learned.id, "patterns+stated+frequency")
    tasks = {x.task for p in updated.principles if p.adviser == "patterns" for x in p.patterns}
    assert tasks == {"source", "t", "experts"}
    assert [p for p in updated.principles if p.adviser.startswith("stated")] == [
        p for p in learned.principles if p.adviser.startswith("stated")
    ]
    alone = Frequency().update(
        SPACE, Frequency().learn(SPACE, archive(*GOOD)), evaluations("ssssss", "sss333"), task="t"
    )
    counted = [p.claims for p in updated.principles if p.adviser == "frequency"]
    assert counted == [p.claims for p in alone.principles]
    assert reasoner.translate(SPACE, learned, task="t").size < reasoner.translate(SPACE, updated, task="t").size


# --- findings --------------------------------------------------------------------------------------------------------
def test_findings_hold_for_architectures_that_were_not_used_to_find_them() -> None:
    rng = np.random.default_rng(0)
    deep = [m for m, held in zip(MEMBERS, holding(condition_of(DEEP), members_of(SPACE)), strict=True) if held]
    read = [deep[int(at)] for at in rng.integers(len(deep), size=60)]
    found = findings(SPACE, read)
    assert 1 <= len(found) <= 6
    fresh = [deep[int(at)] for at in rng.integers(len(deep), size=400)]
    for one in found:
        held = holding(one.condition, Cells.of(SPACE, fresh)).mean()
        base = holding(one.condition, members_of(SPACE)).mean()
        assert one.bound > 1
        assert held > base
    assert max(one.support for one in found) > 0.6


def test_nothing_is_found_in_a_handful_and_hardly_anything_in_chance() -> None:
    rng = np.random.default_rng(1)
    assert findings(SPACE, [SPACE.sample(rng) for _ in range(ENOUGH - 1)]) == []
    counts = [len(findings(SPACE, [SPACE.sample(rng) for _ in range(50)])) for _ in range(10)]
    assert np.mean(counts) < 1


# --- export ----------------------------------------------------------------------------------------------------------
def test_exported_principles_order_a_space_as_the_run_did() -> None:
    learned = Stated(GIVEN).learn(SPACE, archive(*GOOD))
    stated, behind = exported(SPACE, learned)
    assert not behind
    assert [(s.condition, s.adviser) for s in stated.principles] == [(s.condition, s.adviser) for s in GIVEN.principles]
    again = Stated(stated).learn(SPACE, archive(*GOOD))
    assert expectation_of(SPACE, again)(MEMBERS) == pytest.approx(expectation_of(SPACE, learned)(MEMBERS), abs=1e-3)


def test_a_regression_stays_behind_and_experts_go_along() -> None:
    stated, behind = exported(SPACE, Patterns().learn(SPACE, archive(*GOOD)))
    assert behind
    assert {one.adviser for one in stated.principles} == {"experts"}


def test_claims_become_conditions_on_layers() -> None:
    stated, _ = exported(SPACE, Frequency().learn(SPACE, archive(*GOOD)))
    first = stated.principles[0].condition
    assert condition_of({"choice": {"layer": "0->1", "operators": ["nor_conv_3x3"]}}) in (
        first,
        *(one.condition for one in stated.principles),
    )


# --- recorded replies ------------------------------------------------------------------------------------------------
def line(draw: int, **changes: object) -> str:
    principle = {"statement": "Keep it.", "layers": ["0->1"], "operators": ["nor_conv_3x3"], "effect": "keep"}
    reply = {"principles": [{**principle, "effect": "avoid" if draw == 2 else "keep"}]}
    return json.dumps({"step": "learn", "draw": draw, "space": "nas201", "reply": reply, **changes})


def test_replies_are_read_as_conditions_each_draw_an_adviser(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    path.write_text("\n".join([line(1), line(2), line(3, space="other"), line(1, step="translate"), ""]))
    stated = as_statements(replies_in(path, ["space=nas201"]), SPACE)
    assert [(one.adviser, one.weight) for one in stated.principles] == [("draw 1", 1.0), ("draw 2", -1.0)]
    assert stated.principles[0].condition == condition_of({"choice": {"layer": "0->1", "operators": ["nor_conv_3x3"]}})
    assert len(replies_in(path, ["draw=1", "draw=2", "step=learn"])) == 2


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("{", [], "line 1"),
        ('{"step": "learn"}', [], "line 1 of .*reply"),
        (line(1), ["draw=7"], "none where draw=7"),
        (line(1), ["draw"], "--where key=value"),
        (line(1, step="update"), [], "a reply to the step learn"),
        (line(1, reply={"principles": []}), [], "as draw 1"),
        (line(1, reply="prose"), [], "as draw 1"),
    ],
)
def test_files_that_hold_no_such_reply_are_refused(text: str, where: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "replies.jsonl").write_text(text)
    with pytest.raises(ConfigError, match=said):
        as_statements(replies_in(tmp_path / "replies.jsonl", where), SPACE)
