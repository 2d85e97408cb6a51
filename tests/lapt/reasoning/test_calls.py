"""One question to a model: repairs, recordings, replays, budgets."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from scripted_model import Scripted, caller

from lapt.errors import BudgetSpent
from lapt.reasoning.endpoint.answers import InvalidReply
from lapt.reasoning.endpoint.calls import (
    Caller,
    Completion,
    InMemory,
    Limits,
    Prices,
    Question,
    ReasonerError,
    Spent,
    Unusable,
)
from lapt.reasoning.prompts.templates import Prompt

QUESTION = Question("learn", "source", Prompt("learn", 1, "abc", "You count.", "How many?"), {"type": "object"})


def number(text: str) -> int:
    if not text.isdigit():
        raise InvalidReply(f"{len(text):,} characters, {text[:5]!r}, are no number")
    return int(text)


def conversation(model: Scripted) -> list[list[tuple[str, str]]]:
    return [[(message.role, message.text) for message in messages] for messages in model.asked]


def model_of(asker: Caller) -> Scripted:
    assert isinstance(asker.model, Scripted)
    return asker.model


def calls_of(asker: Caller) -> list[tuple[int, str, bool, str]]:
    assert isinstance(asker.recordings, InMemory)
    return [(call.attempt, call.completion.text, call.valid, call.origin) for call in asker.recordings.calls]


# --- repairs -------------------------------------------------------------------------------------------------------
def test_a_valid_reply_is_asked_for_once() -> None:
    asker = caller("7")
    assert asker.ask(QUESTION, number) == 7
    assert conversation(model_of(asker)) == [[("system", "You count."), ("user", "How many?")]]
    assert model_of(asker).schemas == [{"type": "object"}]
    assert calls_of(asker) == [(0, "7", True, "model")]


def test_an_invalid_reply_is_sent_back_with_its_fault() -> None:
    asker = caller("seven", "7")
    assert asker.ask(QUESTION, number) == 7
    first, second = conversation(model_of(asker))
    assert second[:3] == [*first, ("assistant", "seven")]
    assert second[3][0] == "user"
    assert "5 characters, 'seven', are no number" in second[3][1]
    assert calls_of(asker) == [(0, "seven", False, "model"), (1, "7", True, "model")]
    assert isinstance(asker.recordings, InMemory)
    assert [call.error for call in asker.recordings.calls] == ["5 characters, 'seven', are no number", None]


@pytest.mark.parametrize("repairs", [0, 1, 2])
def test_after_the_last_repair_a_reply_is_unusable(repairs: int) -> None:
    asker = caller("one", "two", "three", repairs=repairs)
    with pytest.raises(Unusable, match=["'one'", "'two'", "'three'"][repairs]):
        asker.ask(QUESTION, number)
    assert len(model_of(asker).asked) == repairs + 1


def test_a_long_invalid_reply_is_shown_again_in_part() -> None:
    asker = caller("x" * 100_000, "7")
    assert asker.ask(QUESTION, number) == 7
    assert len(conversation(model_of(asker))[1][2][1]) == 4_000
    assert len(calls_of(asker)[0][1]) == 100_000


def test_half_a_surrogate_pair_does_not_stop_a_call() -> None:
    asker = caller("\ud800", "7")
    assert asker.ask(QUESTION, number) == 7
    assert json.dumps(calls_of(asker), ensure_ascii=False).encode()


# --- recordings ----------------------------------------------------------------------------------------------------
def test_a_recorded_reply_is_used_again_and_says_so() -> None:
    first = caller("seven", "7")
    again = replace(first, model=Scripted([]))
    assert first.ask(QUESTION, number) == again.ask(QUESTION, number) == 7
    assert calls_of(again) == [
        (0, "seven", False, "model"),
        (1, "7", True, "model"),
        (0, "seven", False, "store"),
        (1, "7", True, "store"),
    ]


def test_a_replay_repeats_repairs_too_and_asks_nobody() -> None:
    first = caller("seven", "7")
    first.ask(QUESTION, number)
    assert replace(first, model=Scripted([]), mode="replay").ask(QUESTION, number) == 7


def test_a_replay_repeats_replies_that_are_too_long_to_keep() -> None:
    first = caller("x" * 2_000_000, "7")
    first.ask(QUESTION, number)
    assert len(calls_of(first)[0][1]) == 1_000_000
    assert replace(first, model=Scripted([]), mode="replay").ask(QUESTION, number) == 7


def test_a_replay_without_its_recording_is_an_error() -> None:
    asker = caller("7", mode="replay")
    with pytest.raises(ReasonerError, match="expected a recorded reply of scripted to this prompt; got none; run once"):
        asker.ask(QUESTION, number)
    assert model_of(asker).asked == []
    assert calls_of(asker) == []


def test_recording_asks_anew_and_the_latest_reply_is_found() -> None:
    first = caller("7")
    first.ask(QUESTION, number)
    assert replace(first, model=Scripted(["8"]), mode="record").ask(QUESTION, number) == 8
    assert replace(first, model=Scripted([])).ask(QUESTION, number) == 8


def test_off_keeps_no_prompt_and_no_reply_and_finds_none() -> None:
    first = caller("7")
    first.ask(QUESTION, number)
    off = replace(first, model=Scripted(["eight", "8"]), mode="off")
    assert off.ask(QUESTION, number) == 8
    assert calls_of(off) == [(0, "7", True, "model"), (0, "", False, "model"), (1, "", True, "model")]
    assert isinstance(off.recordings, InMemory)
    known, *bare = off.recordings.calls
    assert [(call.messages, call.error) for call in bare] == [((), None)] * 2
    assert len({known.key, *(call.key for call in bare)}) == 3
    assert replace(first, model=Scripted([])).ask(QUESTION, number) == 7


def key_of(asker: Caller, question: Question = QUESTION, draw: int = 0) -> str:
    asker.ask(question, number, draw=draw)
    return model_of(asker).keys[0]


def test_a_key_is_that_of_all_that_a_reply_depends_on() -> None:
    prompt = QUESTION.prompt
    keys = [
        key_of(caller("7")),
        key_of(caller("7", sample=1)),
        key_of(caller("7"), draw=1),
        key_of(Caller(Scripted(["7"], name="another"), InMemory())),
        key_of(Caller(Scripted(["7"], parameters={"temperature": 1.0}), InMemory())),
        key_of(caller("7"), replace(QUESTION, schema={"type": "array"})),
        key_of(caller("7"), replace(QUESTION, prompt=replace(prompt, text="How many now?"))),
        key_of(caller("7"), replace(QUESTION, prompt=replace(prompt, role="You guess."))),
    ]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 64 and int(key, 16) > 0 for key in keys)


def test_a_key_is_not_that_of_what_a_reply_does_not_depend_on() -> None:
    of_another_task = replace(QUESTION, task="target", step="update", principles_id="0123")
    assert key_of(caller("7")) == key_of(caller("7", repairs=0, prices=Prices(1, 1)), of_another_task)


def test_what_a_call_is_recorded_with() -> None:
    model = Scripted([Completion("7", 1000, 20)], parameters={"temperature": 0.5})
    asker = Caller(model, recordings := InMemory(), sample=3, prices=Prices(2.0, 10.0))
    asker.ask(QUESTION, number, draw=2)
    (call,) = recordings.calls
    assert (call.model, call.sample, call.draw, call.attempt) == ("scripted", 3, 2, 0)
    assert (call.question, call.key) == (QUESTION, model.keys[0])
    assert [message.text for message in call.messages] == ["You count.", "How many?"]
    assert call.cost == pytest.approx((1000 * 2 + 20 * 10) / 1e6)
    assert call.latency_seconds >= 0


# --- budgets -------------------------------------------------------------------------------------------------------
def test_prices_are_for_a_million_tokens() -> None:
    prices = Prices(tokens_in=2.5, tokens_out=10.0)
    assert prices.of(Completion("", 1_000_000, 100_000)) == pytest.approx(2.5 + 1.0)
    assert prices.of(Completion("", None, None)) == 0.0


def asked_until_spent(limits: Limits, **more: Any) -> tuple[int, str]:
    """Number of calls to a model that takes 100 tokens and gives 20, and the message at the end."""
    asker = caller(*[Completion("7", 100, 20)] * 10, limits=limits, **more)
    with pytest.raises(BudgetSpent) as caught:
        [asker.ask(QUESTION, number, draw=draw) for draw in range(10)]
    return len(model_of(asker).asked), str(caught.value)


def test_no_call_is_made_after_a_limit_is_reached() -> None:
    asked, said = asked_until_spent(Limits(calls=3))
    assert (asked, said.split(";")[:2]) == (3, ["expected at most 3 calls of the language model", " got 3"])
    assert "reasoner.budget.calls" in said
    asked, said = asked_until_spent(Limits(tokens=240))  # 120 a call
    assert (asked, "got 240" in said) == (2, True)
    asked, said = asked_until_spent(Limits(tokens=241))
    assert (asked, "got 360" in said) == (3, True)
    asked, said = asked_until_spent(Limits(cost=0.001), prices=Prices(2.0, 10.0))  # 0.0004 a call
    assert (asked, "got 0.0012" in said) == (3, True)


@pytest.mark.parametrize("mode", ["record", "off"])
def test_calls_count_whether_or_not_replies_are_kept(mode: Any) -> None:
    prices = Prices(2.0, 10.0)
    for limits, calls in ((Limits(calls=3), 3), (Limits(tokens=240), 2), (Limits(cost=0.001), 3)):
        assert asked_until_spent(limits, mode=mode, prices=prices)[0] == calls


def test_a_repair_is_a_call() -> None:
    asker = caller("one", "two", "7", limits=Limits(calls=2))
    with pytest.raises(BudgetSpent):
        asker.ask(QUESTION, number)
    assert len(model_of(asker).asked) == 2


def test_a_replay_spends_what_the_run_spent() -> None:
    first = caller(*[Completion("7", 100, 20)] * 3, prices=Prices(2.0, 10.0))
    for draw in range(3):
        first.ask(QUESTION, number, draw=draw)
    assert isinstance(first.recordings, InMemory)
    paid = first.recordings.spent()
    assert (paid.calls, paid.tokens, paid.cost) == (3, 360, pytest.approx(0.0012))
    again = replace(first, model=Scripted([]), mode="replay")
    for draw in range(3):
        again.ask(QUESTION, number, draw=draw)
    doubled = first.recordings.spent()
    assert (doubled.calls, doubled.tokens, doubled.cost) == (6, 720, pytest.approx(0.0024))


def test_nothing_is_limited_where_nothing_is_said() -> None:
    Limits().check(Spent(10**9, 10**12, 1e9))


def test_tokens_that_nobody_counts_cost_nothing() -> None:
    asker = caller("7", prices=Prices(1.0, 1.0))
    asker.ask(QUESTION, number)
    assert asker.recordings.spent() == Spent(1, 0, 0.0)
