"""A language model that proposes the architectures themselves, as a search method."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_model import Scripted, caller
from small_archives import LAYERS, LETTERS, SOURCED, SPACE, archive, cell, evaluations, scored

from lapt.reasoning.endpoint.answers import InvalidReply
from lapt.reasoning.endpoint.calls import ReasonerError
from lapt.reasoning.language.direct import Direct
from lapt.reasoning.language.parts import PromptParts
from lapt.reasoning.language.replies import proposals_schema, read_proposals
from lapt.reasoning.language.vocabulary import Vocabulary
from lapt.spaces import SearchSpace

WORDS = Vocabulary.plain(SPACE)


def proposed(*cells: str) -> str:
    return json.dumps(
        {
            "architectures": [
                dict(zip(LAYERS, ({"operator": LETTERS[x]} for x in letters), strict=True)) for letters in cells
            ]
        }
    )


def direct(*replies: str, space: SearchSpace = SPACE, **changed: Any) -> tuple[Direct, Scripted]:
    calls = caller(*replies, **changed.pop("calls", {}))
    model = calls.model
    assert isinstance(model, Scripted)
    settings: dict[str, Any] = {"task": "target", "seed": 3, "archive": archive("333333", "s33333"), **changed}
    return Direct(space, caller=calls, **settings), model


def test_it_asks_for_what_the_model_proposes_in_its_order() -> None:
    searcher, model = direct(proposed("3s3s3s", "131313"))
    assert searcher.ask(2) == [cell("3s3s3s"), cell("131313")]
    assert searcher.filled == 0
    assert "Propose the 2 architectures" in model.prompts[0]
    assert "[nor_conv_3x3, nor_conv_3x3" in model.prompts[0]  # the source's architectures
    assert "Evaluated so far" not in model.prompts[0]


def test_the_next_question_shows_what_was_scored_best_first() -> None:
    searcher, model = direct(proposed("3s3s3s"), proposed("131313"))
    searcher.ask(1)
    low, high = reversed(evaluations("333333", "3s3s3s"))
    searcher.tell([low, high])
    searcher.ask(1)
    shown = model.prompts[1].split("# Evaluated so far")[1]
    assert shown.index("accuracy 90%") < shown.index("accuracy 89%")


def test_what_it_repeats_is_skipped_and_what_is_missing_is_drawn() -> None:
    searcher, _ = direct(proposed("3s3s3s", "3s3s3s", "131313"))
    searcher.tell(evaluations("131313"))
    asked = searcher.ask(3)
    assert asked[0] == cell("3s3s3s")
    assert len({*asked}) == 3
    assert cell("131313") not in asked
    assert searcher.filled == 2


def test_it_asks_no_more_than_it_is_asked_for() -> None:
    searcher, _ = direct(proposed("3s3s3s", "131313", "333333"))
    assert searcher.ask(1) == [cell("3s3s3s")]


def test_a_reply_that_stays_invalid_raises_or_is_drawn_at_random() -> None:
    broken = [proposed("3s3s3s").replace("nor_conv_3x3", "nor_conv_9x9")] * 2
    searcher, model = direct(*broken, calls={"repairs": 1})
    with pytest.raises(ReasonerError, match=r"architecture 1, layer 0->1 names the operator 'nor_conv_9x9'"):
        searcher.ask(2)
    assert len(model.asked) == 2
    searcher, _ = direct(*broken, calls={"repairs": 1}, strict=False)
    assert len(searcher.ask(2)) == 2
    assert searcher.filled == 2


def test_hidden_names_are_read_back_and_show_in_no_prompt() -> None:
    words = Vocabulary.neutral(SPACE, 0)
    said = {
        words.layers[layer]: {"operator": words.operators[LETTERS[x]]}
        for layer, x in zip(LAYERS, "3s1pn3", strict=True)
    }
    searcher, model = direct(json.dumps({"architectures": [said]}), parts=PromptParts(disguise=True))
    searcher.tell(evaluations("333333"))
    assert searcher.ask(1) == [cell("3s1pn3")]
    for name in ({*LETTERS.values()} - {"none"}) | {*LAYERS}:
        assert name not in model.prompts[0], name


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda a: a.pop("0->1"), r"architecture 1 lacks the layers \['0->1'\]"),
        (lambda a: a.update({"3->4": {"operator": "none"}}), r"names the layer '3->4'"),
        (lambda a: a.update({"0->1": {"operator": "<b>none</b>"}}), r"layer 0->1 names the operator"),
        (lambda a: a.update({"0->1": {"operator": 3}}), r"operator: Input should be a valid string"),
        (lambda a: a.update({"0->1": "none"}), r"0->1"),
    ],
)
def test_a_fault_names_the_place(change: Any, fault: str) -> None:
    said = json.loads(proposed("333333"))
    change(said["architectures"][0])
    with pytest.raises(InvalidReply, match=fault):
        read_proposals(json.dumps(said), SPACE, WORDS)


def test_no_architecture_is_a_fault() -> None:
    with pytest.raises(InvalidReply, match="architectures"):
        read_proposals('{"architectures": []}', SPACE, WORDS)


def test_layers_with_sources_choose_both_and_only_what_they_have() -> None:
    words = Vocabulary.plain(SOURCED)
    schema = proposals_schema(SOURCED, words)
    choices = schema["properties"]["architectures"]["items"]["properties"]
    assert choices["0->2"]["properties"]["source"]["enum"] == ["0", "1", "2"]
    assert "source" not in choices["0->3"]["properties"]
    member = next(iter(SOURCED.members()))
    said = {
        layer.name: {"operator": operator, "source": source}
        for layer, operator, source in zip(SOURCED.layers, *member, strict=True)
    }
    assert read_proposals(json.dumps({"architectures": [said]}), SOURCED, words) == [member]
    said["0->1"]["source"] = "2"
    with pytest.raises(InvalidReply, match="architecture 1 chooses what its layers do not have"):
        read_proposals(json.dumps({"architectures": [said]}), SOURCED, words)
    del said["0->1"]["source"]
    with pytest.raises(InvalidReply, match="layer 0->1 names the source ''"):
        read_proposals(json.dumps({"architectures": [said]}), SOURCED, words)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*LAYERS, "architectures", "operator"]) | st.text(max_size=5), inner, max_size=6
            )
        ),
        max_leaves=20,
    )
)
def test_no_reply_whatever_leaves_the_space(value: Any) -> None:
    for text in (json.dumps(value), json.dumps({"architectures": value}), json.dumps({"architectures": [value]})):
        try:
            found = read_proposals(text, SPACE, WORDS)
        except InvalidReply:
            continue
        assert found
        assert all(SPACE.contains(architecture) for architecture in found)


def test_scores_without_a_search_are_not_asked_for_twice() -> None:
    searcher, _ = direct(proposed("333333"), proposed("333333"))
    searcher.tell(scored(*searcher.ask(1)))
    assert searcher.ask(1) != [cell("333333")]
