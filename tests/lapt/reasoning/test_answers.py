"""The answer in a model's text: the part after its thinking, and of several objects the last that fits."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapt.reasoning.endpoint.answers import LONGEST, InvalidReply, last_valid

DRAFT, ANSWER = '{"layers": ["draft"]}', '{"layers": ["answer"]}'
SETS = " ".join(f"{{skip, conv{number}}}" for number in range(300))


def names(value: Any) -> list[str]:
    layers: list[str] = value["layers"]
    if not isinstance(layers, list) or not layers:
        raise InvalidReply(f"layers: {layers!r:.40} is no list of names")
    return layers


def read(text: str) -> list[str]:
    return last_valid(text, "layers", names)


def fault(text: str) -> str:
    with pytest.raises(InvalidReply) as caught:
        read(text)
    return str(caught.value)


# --- thinking ------------------------------------------------------------------------------------------------------
THINKING = {
    "DeepSeek and Qwen": ("<think>", "</think>"),
    "in capitals": ("<THINK>", "</THINK >"),
    "Claude": ("<antThinking>", "</antThinking>"),
    "written out": ("<thinking>", "</thinking>"),
    "EXAONE": ("<thought>", "</thought>"),
    "thoughts": ("<thoughts>", "</thoughts>"),
    "reasoning": ('<reasoning depth="2">', "</reasoning>"),
    "reflection": ("<reflection>", "</reflection>"),
    "Seed": ("<seed:think>", "</seed:think>"),
    "Mistral": ("[THINK]", "[/THINK]"),
    "Kimi": ("◁think▷", "◁/think▷"),
    "Cohere": ("<|START_THINKING|>", "<|END_THINKING|>"),
    "OpenThinker": ("<|begin_of_thought|>", "<|end_of_thought|>"),
    "Apertus": ("<|inner_prefix|>", "<|inner_suffix|>"),
    "gpt-oss": ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    "gpt-oss with a format": ("<|channel|>analysis<|message|>", "<|channel|>final <|constrain|>json<|message|>"),
    "gpt-oss without its tokens": ("analysis", "assistantfinal"),
}


@pytest.mark.parametrize(("opens", "closes"), THINKING.values(), ids=THINKING)
@pytest.mark.parametrize("draft", [DRAFT, f"{DRAFT} and {DRAFT}", SETS, '{"layers": [', "{", '```json\n{"lay', "no"])
def test_thinking_is_not_read(opens: str, closes: str, draft: str) -> None:
    assert read(f"{opens}{draft}{closes}\n{ANSWER}") == ["answer"]
    assert read(f"{draft}\n{closes}{ANSWER}") == ["answer"], "the template opened it"
    assert read(f"{opens}{draft}{closes} so {opens}{draft}{closes}```json\n{ANSWER}\n```") == ["answer"]


@pytest.mark.parametrize("opens", [opens for opens, _ in THINKING.values() if opens != "analysis"])
def test_thinking_that_never_ends_is_no_answer(opens: str) -> None:
    assert "ended while it was thinking" in fault(f"{opens}A draft: {DRAFT}. Or rather {ANSWER}")
    assert "ended while it was thinking" in fault(f"</think>Once more. {opens}{DRAFT}")


def test_thinking_without_an_answer_after_it_is_none() -> None:
    assert fault(f"<think>{DRAFT}</think>") == "there is no JSON object in it"
    assert fault(f"<think>{DRAFT}</think> That is all.") == "there is no JSON object in it"


# --- several objects -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "before",
    [
        'For example {"layers": []} would be empty. Answer: ',
        'The schema is {"title": "x", "properties": {"layers": {"type": "array"}}}. My answer:\n',
        f"First {DRAFT}, but no:\n",
        f"[{DRAFT},",
        'A sketch: {"layers": [...]}. Filled in: ',
        "{'layers': ['as Python writes it']} is ",
        "Sets: {a, b}, {1, 2}, {{x}}, \\left\\{ y \\right\\}, { : ",
        "{a: 1, b: {c: 2}} -> ",
        f"{SETS} ",
        '{"answer": ',
    ],
)
@pytest.mark.parametrize("after", ["", "\nI hope {this} helps.", '\n{"note": "none"}', '\nNot {"layers": []}.', "}"])
def test_the_last_object_that_fits_is_the_answer(before: str, after: str) -> None:
    closing = "}" if before == '{"answer": ' else ""
    assert read(f"{before}{ANSWER}{closing}{after}") == ["answer"]


def test_the_fault_is_that_of_the_last_object_with_the_field() -> None:
    assert fault('{"layers": 1} {"layers": 2} {"other": 3}') == "layers: 2 is no list of names"
    assert fault('{"other": 3} {"more": 4}') == "layers: Field required"
    assert fault('{a, b} {"layers": 1}') == "layers: 1 is no list of names"


@pytest.mark.parametrize(
    "outer",
    [
        '{"draft": DRAFT, oops}',
        '{"draft": DRAFT,}',
        '{"draft": DRAFT',
        '{"layers": [DRAFT, oops]}',
        '{"layers": [1, DRAFT',
        '{"a": {"b": DRAFT, "c": NaN}}',
        "{'draft': DRAFT}",
        "{draft: DRAFT}",
        '{"a": "{", "draft": DRAFT, oops}',
    ],
)
def test_what_stands_in_a_broken_or_unfinished_object_is_no_answer(outer: str) -> None:
    assert "its JSON is broken" in fault(outer.replace("DRAFT", DRAFT))


@pytest.mark.parametrize("cut", range(1, len(ANSWER) - 1))
def test_an_answer_that_was_cut_is_not_replaced_by_a_draft(cut: int) -> None:
    text = f"A draft: {DRAFT}. The answer: {ANSWER[:cut]}"
    if '"layers"' in ANSWER[:cut]:
        assert "its JSON is broken" in fault(text)
    else:  # nothing tells yet that this is one
        assert read(text) == ["draft"]


# --- any text ------------------------------------------------------------------------------------------------------
PIECES = [
    "{",
    "}",
    '"',
    ":",
    ",",
    "[",
    "]",
    "\\",
    "\n",
    " ",
    "a",
    "1",
    '"layers"',
    "{}",
    "{a}",
    "</",
    "<think",
    "[/",
    "<|",
]
pieces = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
values = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(max_size=8), st.sampled_from(["{", "}", '"', "\\", "</b>"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


@given(pieces, st.sampled_from(["</think>", "[/THINK]", "<|channel|>final<|message|>"]), values)
@settings(max_examples=300, deadline=None)
def test_after_thinking_a_whole_object_is_read_whatever_was_thought(thought: str, closes: str, more: Any) -> None:
    answer = json.dumps({"more": more, "layers": ["answer"]})
    assert read(f"{thought}{closes}{answer}") == ["answer"]


@given(
    st.lists(st.sampled_from(["{a, b}", '{"b": {"c": 1}}', DRAFT, '{"layers": []}', "{c: {d}}", "{}", "so"])), values
)
@settings(max_examples=300, deadline=None)
def test_no_number_of_closed_braces_hides_the_answer(before: list[str], more: Any) -> None:
    answer = json.dumps({"layers": ["answer"], "more": more})
    assert read(" ".join([*before, answer])) == ["answer"]


@given(pieces)
@settings(max_examples=300, deadline=None)
def test_any_text_is_an_answer_or_a_fault(text: str) -> None:
    with contextlib.suppress(InvalidReply):
        assert read(text)


@pytest.mark.parametrize(
    "unit",
    [
        *("{", '{"', '{"a":', "{a:", "{a:}", '{"}', "{ ", "{}", "{\n", DRAFT, '{"layers": [1},', '{"layers": '),
        *('{"\\', '\\"', '"', "</", "</ ", "<think ", "[/think", "<|channel|>final"),
    ],
)
def test_the_longest_replies_are_read_at_once(unit: str) -> None:
    """Tries from every brace would take minutes."""
    text = (unit * LONGEST)[: LONGEST - len(ANSWER)] + ANSWER
    began = time.perf_counter()
    with contextlib.suppress(InvalidReply):
        read(text)
    assert time.perf_counter() - began < 3
    assert "at most 200,000 are read" in fault(text + " ")
