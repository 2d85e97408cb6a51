"""Principles that are learned in one space and order another."""

from __future__ import annotations

import pickle
from itertools import product

import numpy as np
import pytest
from small_archives import SPACE, archive, archive_of, cell, scored

from lapt.archive import Archive
from lapt.conditions.cells import Cells
from lapt.conditions.judging import holding
from lapt.conditions.language import condition_of
from lapt.errors import ConfigError
from lapt.principles import Principles
from lapt.reasoning import Patterns
from lapt.reasoning.across import learned_across
from lapt.reasoning.expectation import Expectation, advisers_of, expectation_of
from lapt.reasoning.exported import exported
from lapt.roles import features as by_role
from lapt.roles.operators import roles_in
from lapt.spaces import BUILTIN, DeclaredSpace, SearchSpace, whole_of

TRANS101, DARTS = BUILTIN["trans101"], BUILTIN["darts"]
BLOCKS = whole_of(
    DeclaredSpace.model_validate(
        {
            "name": "blocks",
            "encoding": "{s1}-{s2}-{s3}-{s4}",
            "layers": [{"name": f"s{at}", "operators": ["mb3", "mb5", "pool", "skip"]} for at in range(1, 5)],
        }
    )
)
DEEP = tuple(f"3{a}3{b}{c}3" for a, b, c in product("n13", "s31", "n13"))
"""Cells with three 3x3 convolutions one after the other."""
NAME = "table source"


def learned(target: SearchSpace, knowledge: float = 1.0) -> Principles:
    return learned_across(SPACE, archive(*DEEP), target, name=NAME, knowledge=knowledge)


@pytest.mark.parametrize("target", [TRANS101, DARTS, BLOCKS], ids=lambda space: space.name)
def test_the_source_advises_under_its_name_beside_the_experts_of_the_target(target: SearchSpace) -> None:
    stated = learned(target)
    assert stated.space == target.name
    assert stated.onto(target) is stated
    assert stated.origin.step == "transfer"
    advisers = [adviser.name for adviser in advisers_of(target, stated, task="target")]
    assert advisers == ([NAME] if target is BLOCKS else ["experts", NAME])
    assert [adviser.name for adviser in advisers_of(target, learned(target, 0.0), task="target")] == [NAME]
    assert Principles.model_validate_json(stated.model_dump_json()) == stated


@pytest.mark.parametrize("target", [TRANS101, DARTS, BLOCKS], ids=lambda space: space.name)
def test_deep_cells_teach_that_deep_cells_are_good(target: SearchSpace) -> None:
    rng = np.random.default_rng(1)
    architectures = [target.sample(rng) for _ in range(2000)]
    expected = expectation_of(target, learned(target, 0.0))(architectures)
    assert abs(expected.mean()) < 0.1
    assert abs(expected.std() - 1) < 0.1
    known = roles_in(target)
    wide = [name for name, role in known.items() if role.kind == "convolution" and (role.kernel or 0) > 1]
    path = {"operators": wide, "at_least": 3, **({"cell": "normal"} if target is DARTS else {})}
    deep = holding(condition_of({"path": path}), Cells.of(target, architectures))
    assert expected[deep].mean() > 0.5 > 0 > expected[~deep].mean()


def test_an_expectation_by_role_is_the_same_alone_and_among_others_and_survives_pickling() -> None:
    expects = expectation_of(DARTS, learned(DARTS))
    rng = np.random.default_rng(2)
    architectures = [DARTS.sample(rng) for _ in range(20)]
    together = expects(architectures)
    alone = np.array([float(expects([one])[0]) for one in architectures])
    assert together == pytest.approx(alone)
    assert pickle.loads(pickle.dumps(expects))(architectures) == pytest.approx(together)


def test_other_expectations_are_not_described_by_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("described by roles")

    monkeypatch.setattr(by_role, "described", never)
    stated = Patterns().learn(SPACE, archive(*DEEP))
    expects = expectation_of(SPACE, stated)
    assert expects.of_space
    assert not expects.of_roles
    assert np.isfinite(expects([cell("333333")])).all()
    assert not Expectation(SPACE).of_space


def test_findings_are_said_of_the_target_and_weigh_nothing() -> None:
    stated = learned(DARTS)
    found = [pattern for one in stated.principles for pattern in one.patterns if pattern.condition is not None]
    assert found
    assert all(pattern.weight == 0 and pattern.task == NAME for pattern in found)
    for pattern in found:
        assert pattern.condition is not None
        assert holding(pattern.condition, Cells.of(DARTS, [DARTS.sample(np.random.default_rng(0))])).shape == (1,)


def test_what_the_target_cannot_tell_apart_is_dropped_and_said() -> None:
    dropped = learned(TRANS101).dropped
    assert "by role: poolings (the same in all of trans101)" in dropped
    assert not any(
        "pooling" in pattern.feature for one in learned(TRANS101, 0.0).principles for pattern in one.patterns
    )


def test_the_refined_space_says_no_counts_of_a_target_that_was_not_read() -> None:
    stated = learned(TRANS101)
    (leaves,) = (one.statement for one in stated.principles if one.claims)
    assert leaves.startswith("That leaves: 0->1: nor_conv_3x3")
    assert "0 of 0" not in leaves
    assert Patterns().translate(TRANS101, stated, task="target").size < 0.02 * TRANS101.size


def test_patterns_adapts_what_another_space_taught() -> None:
    stated = learned(TRANS101)
    reasoner = Patterns()
    wider = reasoner.explore(TRANS101, stated, task="target")
    assert [one.statement for one in wider.principles if one.patterns] == [
        one.statement for one in stated.principles if one.patterns
    ]
    assert reasoner.translate(TRANS101, wider, task="target").size > 0.02 * TRANS101.size


@pytest.mark.parametrize("source", [DARTS, BLOCKS], ids=lambda space: space.name)
def test_any_space_teaches_any_other(source: SearchSpace) -> None:
    rng = np.random.default_rng(3)
    drawn = [source.sample(rng) for _ in range(500)]
    skips = [name for name, role in roles_in(source).items() if role.kind == "identity"]
    drawn.sort(key=lambda one: sum(one.operators.count(name) for name in skips))
    stated = learned_across(source, archive_of(scored(*drawn[:20]), source, "source"), SPACE, knowledge=0.0)
    (adviser,) = advisers_of(SPACE, stated, task="target")
    assert adviser.name == "source"
    some, none = adviser.expects([cell("ssssss"), cell("333333")])
    assert some < none, "few identities there are few identities here"


def test_a_regression_by_roles_is_no_condition() -> None:
    with pytest.raises(ConfigError, match="principles that are conditions"):
        exported(BLOCKS, learned_across(SPACE, _few(), BLOCKS))


def _few() -> Archive:
    return archive(*DEEP[:3])
