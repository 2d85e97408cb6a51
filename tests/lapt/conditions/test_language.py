"""Conditions as data: read back as they were written, refused with a reason, said in English."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lapt.conditions.language import DEEPEST, condition_of, declared, leaves, schema
from lapt.conditions.sentences import sentence

NAME = st.sampled_from(["0->1", "normal.2a", "a"])
OPERATORS = st.lists(st.sampled_from(["conv", "skip", "pool"]), min_size=1, max_size=3, unique=True)
BOUND = st.fixed_dictionaries({"at_least": st.integers(0, 5)}, optional={"at_most": st.integers(5, 6)})
LEAF = st.one_of(
    st.fixed_dictionaries({"choice": st.fixed_dictionaries({"layer": NAME, "operators": OPERATORS})}),
    st.fixed_dictionaries({"count": st.builds(lambda b, o: {**b, "operators": o}, BOUND, OPERATORS)}),
    st.fixed_dictionaries({"path": st.builds(lambda b, o: {**b, "operators": o, "from": "input"}, BOUND, OPERATORS)}),
    st.fixed_dictionaries({"depth": BOUND}),
    st.fixed_dictionaries({"source": st.builds(lambda b: {**b, "node": "1"}, BOUND)}),
    st.fixed_dictionaries({"size": st.just({"of": "parameters", "at_least": 0.5})}),
)


def joined(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.fixed_dictionaries({"all": several}),
        st.fixed_dictionaries({"any": several}),
        st.fixed_dictionaries({"not": inner}),
        st.fixed_dictionaries({"if": inner, "then": inner}),
        st.fixed_dictionaries({"at_least": st.just(1), "of": several}),
    )


CONDITION = LEAF | joined(LEAF) | joined(joined(LEAF))


@given(CONDITION)
def test_a_condition_is_read_back_as_it_was_written(written: dict[str, Any]) -> None:
    condition = condition_of(written)
    again = condition_of(json.loads(json.dumps(declared(condition))))
    assert again == condition
    assert hash(again) == hash(condition)
    assert all(not leaf.parts for leaf in leaves(condition))
    said = sentence(condition)
    assert said[-1] == "."
    assert said[0] == said[0].upper()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"choice": {"layer": "0->3", "operators": ["skip"]}}, "0->3 is skip."),
        ({"choice": {"layer": "a", "operators": ["x", "y"], "sources": ["1"]}}, "A is x or y and reads 1."),
        ({"count": {"operators": ["conv"], "at_least": 2}}, "Two or more layers that reach the output choose conv."),
        ({"count": {"operators": ["pool"], "at_most": 0}}, "No layer that reaches the output chooses pool."),
        ({"count": {"at_least": 5}}, "Five or more layers reach the output."),
        (
            {"count": {"operators": ["conv"], "layers": ["a", "b"], "at_least": 1, "live": False}},
            "A layer among a and b chooses conv.",
        ),
        (
            {"path": {"operators": ["conv"], "at_least": 2}},
            "A path leads from the input to the output through two or more conv.",
        ),
        ({"path": {"only": ["skip"], "from": "1"}}, "A path leads from node 1 to the output, all of it skip."),
        (
            {"path": {"operators": ["conv"], "at_most": 0, "length": {"at_most": 1}}},
            "A path of at most one layer leads from the input to the output through no conv.",
        ),
        ({"depth": {"at_most": 2}}, "The cell is at most two operators deep."),
        ({"width": {"at_least": 1, "cell": "normal"}}, "A layer of the normal cell reads an input."),
        ({"size": {"of": "multiply_adds", "at_most": 0.3}}, "The cell has fewer multiply-adds than 70% of the space."),
        (
            {"if": {"reaches": {"layers": ["a"]}}, "then": {"not": {"reaches": {"layers": ["b"]}}}},
            "If a reaches the output, then (it is not so that b reaches the output).",
        ),
    ],
)  # fmt: skip
def test_sentences(written: dict[str, Any], said: str) -> None:
    assert sentence(condition_of(written)) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"like": "this"}, "one key among choice, count"),
        ([], "one key among"),
        ({"choice": {"layer": "a"}}, "operators, sources or both"),
        ({"count": {"operators": ["conv"]}}, "at_least, at_most or both"),
        ({"count": {"at_least": 3, "at_most": 2}}, "larger than at_most"),
        ({"path": {"at_least": 1}}, "name them"),
        ({"path": {"operators": ["conv"]}}, "need at_least"),
        ({"size": {"of": "parameters"}}, "leave all or nothing"),
        ({"at_least": 3, "of": [{"depth": {"at_least": 1}}]}, "larger than the number of conditions"),
        ({"all": []}, "at least 1 item"),
        ({"choice": {"layer": "a", "operators": ["b"], "when": 1}}, "Extra inputs"),
    ],
)
def test_a_fault_is_said(written: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        condition_of(written)


def test_a_condition_nests_only_so_deep() -> None:
    written: dict[str, Any] = {"depth": {"at_least": 1}}
    for _ in range(DEEPEST - 1):
        written = {"not": written}
    assert condition_of(written)
    with pytest.raises(ValueError, match="nests"):
        condition_of({"not": written})


def test_the_schema_names_every_kind() -> None:
    text = json.dumps(schema())
    assert all(f'"{kind}"' in text for kind in ("choice", "count", "path", "reaches", "not", "if", "then", "of"))
