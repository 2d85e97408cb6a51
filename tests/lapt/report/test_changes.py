"""Changes of statements: none is lost, none is listed twice."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lapt.report.changes import Line, Part, changes

WORD = st.sampled_from(["keep", "skip", "conv", "pool", "on", "layer", "first", "second"])
WORDS = st.lists(WORD, min_size=1, max_size=8)
STATEMENTS = st.lists(WORDS.map(" ".join), max_size=7, unique=True)


def text(line: Line, without: str) -> str:
    return " ".join(part.text for part in line.parts if part.kind != without)


@given(STATEMENTS, STATEMENTS)
def test_the_lines_lead_from_the_one_set_to_the_other(before: list[str], after: list[str]) -> None:
    lines = changes(before, after)
    gone = Counter(text(line, "new") for line in lines if line.kind != "new")
    new = Counter(text(line, "gone") for line in lines if line.kind != "gone")
    assert Counter(before) - gone + new == Counter(after)


@given(STATEMENTS)
def test_what_stays_is_not_listed(statements: list[str]) -> None:
    assert changes(statements, statements) == []


def test_a_statement_that_was_changed_is_shown_word_by_word() -> None:
    (line,) = changes(
        ["On layer 0->1: conv (34 of 50 chose it); without none."], ["On layer 0->1: conv (4 of 5 chose it)."]
    )
    assert line.kind == "same"
    assert line.parts[0] == Part("same", "On layer 0->1: conv")
    assert Part("gone", "(34") in line.parts
    assert Part("new", "(4") in line.parts


def test_another_layer_is_another_statement() -> None:
    lines = changes(["On layer 0->1: skip is kept here."], ["On layer 2->3: skip is kept here."])
    assert [line.kind for line in lines] == ["gone", "new"]
