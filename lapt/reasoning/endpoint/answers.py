"""Parser of a model's answer: after its thinking, the last JSON object that fits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
LONGEST = 200_000
"""Longest reply, in characters; a longer one is a fault."""

_THOUGHT = r"(?:[\w-]+:)?(?:ant)?(?:think|thinking|thoughts?|reasoning|reflection)"
_CLOSES = re.compile(
    rf"</\s*{_THOUGHT}\s*>"  # DeepSeek, Qwen and most others; <seed:think> too
    r"|\[/\s*think(?:ing)?\s*\]"  # Mistral
    r"|◁/think▷"  # Kimi
    r"|<\|(?:end_thinking|end_of_thought|inner_suffix)\|>"  # Cohere, OpenThinker, Apertus
    r"|<\|channel\|>\s*final\b[^<{]*(?:<\|constrain\|>[^<{]*)?<\|message\|>"  # gpt-oss
    r"|assistantfinal",  # gpt-oss, where the server leaves its special tokens out
    re.IGNORECASE,
)
"""Mark of the end of thinking. Some templates open the thinking themselves: then a reply has only the closing mark."""
_OPENS = re.compile(
    rf"<\s*{_THOUGHT}(?:\s[^<>]*)?>"
    r"|\[\s*think(?:ing)?\s*\]"
    r"|◁think▷"
    r"|<\|(?:start_thinking|begin_of_thought|inner_prefix)\|>"
    r"|<\|channel\|>\s*(?:analysis|commentary)",
    re.IGNORECASE,
)
_BEGINS = re.compile(r"""\{\s*(?:\}|["'“”]|[\w$.-]+\s*:)""")
"""Beginning of an object. Other braces are prose: sets, as in {skip, conv}."""
_MARKS = re.compile(r'"(?:[^"\\\n]|\\.)*"?|[{}]')
"""Braces, and strings: a brace inside a string does not count."""


class InvalidReply(Exception):
    """The fault of a reply, in words that the model can act on. ``remedy``: advice for a person."""

    def __init__(self, fault: str, remedy: str | None = None) -> None:
        super().__init__(fault)
        self.remedy = remedy


UNTHINK = "switch thinking off in reasoner.extra_body, such as {enable_thinking: false}, or raise reasoner.max_tokens"


def last_valid(text: str, field: str, validated: Callable[[Any], T]) -> T:
    """``validated`` of the last JSON object with that field that it accepts.

    An object stands alone, in a code fence, among other words, or in another object. Text before the end of the model's
    thinking is not read, nor are objects inside a broken or unfinished one. Reading stops at such a broken object with
    that field: the answer comes last, so earlier objects do not count. Raises InvalidReply with the fault of the last
    object that has the field.
    """
    if len(text) > LONGEST:
        raise InvalidReply(f"{len(text):,} characters; at most {LONGEST:,} are read")
    if not text.strip():
        raise InvalidReply("the reply is empty", f"if it is all thinking, {UNTHINK}")
    start = max((closed.end() for closed in _CLOSES.finditer(text)), default=0)
    opened = _OPENS.search(text, start)
    answer = text[: opened.start()] if opened else text
    candidates: list[tuple[int, Any]] = []  # objects with the field: where it begins, its value or _BROKEN
    lacking: int | None = None  # the first of those without it
    for at, end in _objects(answer, start):
        try:
            value = _DECODER.decode(answer[at:end])
        except (ValueError, RecursionError):
            having = [_BROKEN] if f'"{field}"' in answer[at:end] else []
        else:
            having = list(_having(value, field))
        candidates += [(at, one) for one in having]
        lacking = at if lacking is None and not having else lacking
    told: InvalidReply | None = None
    for at, value in reversed(candidates):
        if value is _BROKEN:
            told = told or InvalidReply(_fault(answer, at, field))
            break
        try:
            return validated(value)
        except InvalidReply as invalid:
            told = told or invalid
    if told is not None:
        raise told
    if opened:
        raise InvalidReply(f"the reply ended while it was thinking: {opened[0]} is never closed", UNTHINK)
    brace = answer.find("{", start) if lacking is None else lacking
    raise InvalidReply("there is no JSON object in it" if brace < 0 else _fault(answer, brace, field))


def _objects(text: str, start: int) -> Iterator[tuple[int, int]]:
    """(begin, end) of every outermost object, whole or broken. One that is not closed ends with the text.

    Every character is read a fixed number of times, even in a reply of nothing but braces.
    """
    while begins := _BEGINS.search(text, start):
        depth, start = 0, len(text)
        for mark in _MARKS.finditer(text, begins.start()):
            depth += {"{": 1, "}": -1}.get(mark[0], 0)
            if depth == 0:
                start = mark.end()
                break
        yield begins.start(), start


def _fault(text: str, at: int, field: str) -> str:
    """The fault of the object that begins there. Lines and columns are those of the whole text."""
    try:
        _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError) as error:
        return f"its JSON is broken: {str(error)[:120]}"
    return f"{field}: Field required"


def _having(value: Any, field: str) -> Iterator[dict[str, Any]]:
    """The outermost objects with that field in a JSON value, in its order."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict) and field in one:
            yield one
        elif isinstance(one, dict | list):
            waiting += reversed(list(one.values()) if isinstance(one, dict) else one)


def plain(text: str) -> str:
    """One line without control characters, since a reply is text from outside."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


_BROKEN = object()


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
