"""Replies that are kept: what a replay reads is what was said, in stores of every version."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from scripted_model import Scripted

from lapt.reasoning.endpoint.answers import InvalidReply
from lapt.reasoning.endpoint.calls import Caller, Completion, Limits, Question
from lapt.reasoning.language.ledger import Ledger
from lapt.reasoning.prompts.templates import Prompt
from storage.runs.replies import StoredRecordings
from storage.store import Store

QUESTION = Question("translate", "target", Prompt("translate", 1, "abc", "You count.", "How many?"), {"type": "object"})
CUT = Completion("I think that", 10, 5, "length")


def number(text: str) -> int:
    if not text.isdigit():
        raise InvalidReply("no number")
    return int(text)


def asker(store: Store, *replies: str | Completion, **changed: object) -> Caller:
    return Caller(Scripted(list(replies)), StoredRecordings(store, "r"), **changed)  # type: ignore[arg-type]


def test_how_a_reply_ended_is_kept_and_replayed(store: Store) -> None:
    assert asker(store, CUT, "7").ask(QUESTION, number) == 7
    assert [(row["finish"], row["error"]) for row in store.read("reasoner_calls").to_pylist()] == [
        ("length", "a cut at the limit of tokens (finish reason length): I think that"),
        (None, None),
    ]
    assert asker(Store(store.address), mode="replay").ask(QUESTION, number) == 7


def test_replies_of_a_store_that_says_nothing_of_their_end_are_replayed(store: Store) -> None:
    assert asker(store, "I think that", "7").ask(QUESTION, number) == 7
    for file in Path(store.address).glob("reasoner_calls/*.parquet"):
        table = pq.read_table(file)
        pq.write_table(table.select([name for name in table.column_names if name != "finish"]), file)
    assert asker(Store(store.address), mode="replay").ask(QUESTION, number) == 7


def test_a_budget_of_tokens_is_kept_by_an_estimate_where_nobody_counts_them(store: Store) -> None:
    prompt = Prompt("translate", 1, "abc", "r" * 100, "p" * 200)
    question = Question("translate", "target", prompt, {})  # {} is two bytes
    caller = asker(store, "1" * 90, limits=Limits(tokens=1000))
    with pytest.warns(UserWarning, match="scripted counts no tokens: reasoner.budget is kept by an estimate"):
        caller.ask(question, number)
    assert caller.recordings.spent().tokens == 302 // 3 + 90 // 3
    (row,) = store.read("reasoner_calls").to_pylist()
    assert (row["tokens_in"], row["tokens_out"]) == (100, 30)


@pytest.mark.filterwarnings("error")
def test_without_a_budget_nothing_is_estimated(store: Store) -> None:
    asker(store, "7").ask(QUESTION, number)
    assert asker(store, Completion("7", 10, 5), mode="record", limits=Limits(tokens=99)).ask(QUESTION, number) == 7
    assert [row["tokens_in"] for row in store.read("reasoner_calls").to_pylist()] == [None, 10]


def test_a_reply_that_an_earlier_version_read_while_it_was_thought_stops_no_page() -> None:
    read = {"step": "translate", "valid": True, "task": "t", "principles_id": "p", "model": "m", "origin": "store"}
    counts = {"cost": None, "tokens_in": 1, "tokens_out": 1, "latency_seconds": 0.0}
    texts = ['{"layers": [{"layer": "a", "operators": ["x"]}]}', '{"layers": [{"layer": "a", "operators": ["y"]}]}']
    drafted = f"<think>{texts[0]}"
    rows = [{**read, **counts, "reply": reply} for reply in (*texts, drafted)]
    ledger = Ledger.of(rows)
    assert ledger is not None
    assert ledger.spread == 1.0
