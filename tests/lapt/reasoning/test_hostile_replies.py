"""Whatever a model replies: something inside the space, or a fault. Never anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hostile import FIELDS, VALID, anything, mutated, principles_like, stated_well, written
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_model import caller
from small_archives import SOURCED, SPACE, archive_of, members, scored

from lapt.principles import Origin, Principle, Principles
from lapt.reasoning import Chat
from lapt.reasoning.endpoint.answers import InvalidReply
from lapt.reasoning.evidence import candidates_of, counted, successor
from lapt.reasoning.language.chat import merged
from lapt.reasoning.language.parts import PromptParts
from lapt.reasoning.language.replies import LEARN, read_principles, read_space
from lapt.reasoning.language.vocabulary import Vocabulary
from lapt.spaces import SearchSpace

COUNTS = {space.name: tuple(counted(space, [next(space.members())], "source")) for space in (SPACE, SOURCED)}
ORIGIN = Origin(reasoner="chat", step="learn", task="source", archive="0")


def words_of(space: SearchSpace, seed: int) -> Vocabulary:
    return Vocabulary.neutral(space, seed) if seed else Vocabulary.plain(space)


def is_harmless(text: str, space: SearchSpace, words: Vocabulary) -> bool:
    """Read ``text`` as principles and as a space; returns whether one of them is valid."""
    found = read_or_fault(
        lambda: read_principles(text, space, words, LEARN, COUNTS[space.name], draw=0),
    )
    if found is not None:
        principles_are_inside(found, space)
    refined = read_or_fault(lambda: read_space(text, space, words, max_operators=3, max_sources=2))
    if refined is not None:
        space_is_inside(refined, space)
    return found is not None or refined is not None


def read_or_fault(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except InvalidReply as error:
        fault = str(error)
    assert fault.isprintable()  # it goes back to the model, and into a log
    assert 0 < len(fault) < 1000
    return None


def principles_are_inside(found: tuple[Principle, ...], space: SearchSpace) -> None:
    assert found
    for stated in found:
        assert stated.statement.isprintable()
        assert 0 < len(stated.statement) <= 2000
        assert stated.rationale == "" or stated.rationale.isprintable()
        assert stated.claims
        assert 0 <= stated.support <= 1
        for claim in stated.claims:
            assert claim.layer in space.layer_names
            layer = space.layer(claim.layer)
            assert claim.candidate in (layer.operators if claim.kind == "operator" else layer.sources)
            assert claim.effect in LEARN
    kept = successor(space, merged([found]), COUNTS[space.name], ORIGIN, None)
    assert kept.model_validate_json(kept.model_dump_json()).id == kept.id


def space_is_inside(refined: SearchSpace, space: SearchSpace) -> None:
    assert refined.layer_names == space.layer_names
    for mine, whole in zip(refined.layers, space.layers, strict=True):
        assert 0 < len(mine.operators) <= 3
        assert set(mine.operators) <= set(whole.operators)
        assert set(mine.sources) <= set(whole.sources)
        assert len(whole.sources) == 1 or len(mine.sources) <= 2
    assert refined.size > 0
    assert space.contains(next(refined.members()))


spaces = st.sampled_from([SPACE, SOURCED])
seeds = st.integers(0, 2)


@given(st.one_of(st.text(max_size=300), st.text(alphabet='{}[]":,\\ntrue0', max_size=80)), spaces, seeds)
@settings(max_examples=500, deadline=None)
def test_any_text(text: str, space: SearchSpace, seed: int) -> None:
    is_harmless(text, space, words_of(space, seed))


@given(written(st.one_of(anything, st.dictionaries(st.sampled_from(FIELDS), anything, max_size=3))), spaces, seeds)
@settings(max_examples=500, deadline=None)
def test_json_of_any_shape(text: str, space: SearchSpace, seed: int) -> None:
    is_harmless(text, space, words_of(space, seed))


@given(written(mutated()), spaces)
@settings(max_examples=1000, deadline=None)
def test_valid_replies_that_were_changed(text: str, space: SearchSpace) -> None:
    is_harmless(text, space, Vocabulary.plain(space))


@given(written(st.lists(st.one_of(principles_like, stated_well), max_size=5).map(lambda p: {"principles": p})))
@settings(max_examples=500, deadline=None)
def test_principles_of_any_names(text: str) -> None:
    is_harmless(text, SPACE, Vocabulary.plain(SPACE))


@given(written(st.lists(stated_well, min_size=1, max_size=5).map(lambda p: {"principles": p})))
@settings(max_examples=200, deadline=None)
def test_principles_in_any_words(text: str) -> None:
    is_harmless(text, SPACE, Vocabulary.plain(SPACE))


tries = json.dumps(VALID[0]).replace('"keep"', '"try"')
replies = st.one_of(
    written(mutated()), st.sampled_from([tries, *map(json.dumps, VALID)]), st.text(max_size=50), written(anything)
)


@given(st.lists(replies, min_size=8, max_size=8), spaces, st.booleans())
@settings(max_examples=120, deadline=None)
def test_a_run_on_any_replies_ends_with_principles_and_spaces_inside(
    texts: list[str], space: SearchSpace, disguise: bool
) -> None:
    def reasoner(*said: str) -> Chat:
        asker = caller(*said, repairs=0, mode="off")
        return Chat(asker, draws=2, on_invalid="frequency", parts=PromptParts(disguise=disguise))

    entries = scored(*members(space, 3))
    learnt = reasoner(*texts[:2]).learn(space, archive_of(entries, space))
    explored = reasoner(*texts[2:4]).explore(space, learnt, task="target")
    updated = reasoner(*texts[4:6]).update(space, explored, entries, task="target")
    for found in (learnt, explored, updated):
        assert Principles.model_validate_json(found.model_dump_json()).id == found.id
        assert all(claim.candidate in candidates_of(space, claim.kind, claim.layer) for claim in found.claims)
    refined = reasoner(*texts[6:]).translate(space, updated, task="target")
    assert space.contains(next(refined.members()))
    assert space.restrict(*candidates(refined)) == refined


def candidates(space: SearchSpace) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    return {lay.name: lay.operators for lay in space.layers}, {lay.name: lay.sources for lay in space.layers}


def test_the_replies_that_are_changed_are_valid() -> None:
    for reply, space in zip(VALID, (SPACE, SPACE, SOURCED), strict=True):
        assert is_harmless(json.dumps(reply), space, Vocabulary.plain(space))
