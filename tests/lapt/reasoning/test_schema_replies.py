"""Every reply that satisfies a schema of the form ``conditions`` can be used, in all spaces."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schema_replies import depth_of, instances, written

from lapt.conditions.judging import fits
from lapt.reasoning.language.conditional.grammar import Grammar
from lapt.reasoning.language.conditional.stating import (
    architectures_schema,
    asked_of,
    principles_schema,
    read_architectures,
    read_principles,
    read_space,
    space_schema,
)
from lapt.reasoning.language.conditional.wording import Wording
from lapt.reasoning.language.vocabulary import Vocabulary
from lapt.spaces import BUILTIN
from lapt.spaces.builtin import space_named

MACRO = space_named(
    {
        "name": "macro",
        "encoding": "{1}{2}{3}{4}",
        "codes": {"ID": "0", "E3": "1", "E6": "2"},
        "layers": [{"name": str(at), "operators": ["ID", "E3", "E6"]} for at in (1, 2, 3, 4)],
    }
)
"""As NAS-Bench-Macro: blocks in a row."""
FIXED = space_named(
    {
        "name": "fixed",
        "encoding": "{stem}-{body}",
        "layers": [{"name": "stem", "operators": ["conv"]}, {"name": "body", "operators": ["conv", "pool"]}],
    }
)
"""One layer without a choice."""
SOURCED = space_named(
    {
        "name": "sourced",
        "encoding": "{a}{a:source} {b}{b:source} {c}{c:source}",
        "layers": [
            {"name": "a", "operators": ["conv", "pool"], "sources": ["input"]},
            {"name": "b", "operators": ["conv"], "sources": ["input", "a"]},
            {"name": "c", "operators": ["conv", "skip"], "sources": ["input", "a", "b"]},
        ],
    }
)
"""Layers that differ in operators and sources."""
MANY = space_named(
    {
        "name": "many",
        "encoding": "{a}-{b}-{c}",
        "layers": [{"name": name, "operators": [f"o{n}" for n in range(60)]} for name in "abc"],
    }
)
"""More operators than a list of names in a condition may have."""
SPACES = {space.name: space for space in (*BUILTIN.values(), MACRO, FIXED, SOURCED, MANY)}
few_examples = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def grammar(space: str, seed: int) -> Grammar:
    found = SPACES[space]
    return Grammar(found, Vocabulary.neutral(found, seed) if seed else Vocabulary.plain(found))


@cache
def replies(space: str, seed: int, step: str) -> st.SearchStrategy[Any]:
    said = grammar(space, seed)
    schemas: Mapping[str, Any] = {
        "principles": principles_schema(said),
        "space": space_schema(said.space, said.words),
        "architectures": architectures_schema(said.space, said.words, 4),
    }
    return instances(schemas[step])


in_every_space = pytest.mark.parametrize("space", SPACES)


@in_every_space
@given(data=st.data(), seed=st.integers(0, 1))
@few_examples
def test_principles_are_read(space: str, seed: int, data: st.DataObject) -> None:
    """Learning, updating and exploring have one schema."""
    said, whole = grammar(space, seed), SPACES[space]
    reply = data.draw(replies(space, seed, "principles"))
    read = [whole.sample(np.random.default_rng(at)) for at in range(5)]
    found = read_principles(written(reply), Wording(said), read, "source", draw=0)
    assert 1 <= len(found) <= len(reply["principles"])
    for principle in found:
        (pattern,) = principle.patterns
        assert principle.statement.isprintable()
        assert pattern.condition is not None
        assert fits(pattern.condition, whole) is None
        assert 0 <= pattern.support <= 1
        assert 0 <= pattern.chance <= 1
        assert abs(pattern.weight) <= 3 / 2  # a strength of 3, times the largest deviation of what holds or not
        assert Wording(said).sentence(pattern.condition)


@in_every_space
@given(data=st.data(), seed=st.integers(0, 1), most=st.sampled_from([None, 1, 2]))
@few_examples
def test_refined_spaces_are_read(space: str, seed: int, most: int | None, data: st.DataObject) -> None:
    said, whole = grammar(space, seed), SPACES[space]
    reply = data.draw(replies(space, seed, "space"))
    found = read_space(written(reply), whole, said.words, max_operators=most, max_sources=most)
    assert found.layer_names == whole.layer_names
    assert whole.contains(found.sample(np.random.default_rng(0)))
    for name, shown in said.words.layers.items():
        if "operators" in asked_of(whole, name):
            wanted = [said.words.real("operator", word) for word in dict.fromkeys(reply["layers"][shown]["operators"])]
            assert set(found.layer(name).operators) == set(wanted[:most])


@in_every_space
@given(data=st.data(), seed=st.integers(0, 1))
@few_examples
def test_architectures_are_read(space: str, seed: int, data: st.DataObject) -> None:
    said, whole = grammar(space, seed), SPACES[space]
    reply = data.draw(replies(space, seed, "architectures"))
    found = read_architectures(written(reply), whole, said.words)
    assert found
    assert all(whole.contains(architecture) for architecture in found)
    assert len(found) == len({*found})


@in_every_space
@pytest.mark.parametrize("seed", [0, 1])
def test_no_schema_recurses_and_all_are_shallow(space: str, seed: int) -> None:
    said = grammar(space, seed)
    schema = principles_schema(said)
    assert depth_of(schema, schema["$defs"]) <= 9  # OpenAI's strict mode allows ten
    assert depth_of(space_schema(said.space, said.words), {}) <= 4
    jsonschema = pytest.importorskip("jsonschema")
    for one in (
        schema,
        space_schema(said.space, said.words),
        architectures_schema(said.space, said.words, 4),
    ):
        jsonschema.Draft202012Validator.check_schema(one)
