"""A chat model that says what a test tells it to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lapt.reasoning.endpoint.calls import Caller, Completion, InMemory, Message


@dataclass
class Scripted:
    """Gives the ``replies`` in turn and raises those that are errors; remembers what it was asked."""

    replies: list[str | Completion | Exception]
    name: str = "scripted"
    parameters: dict[str, Any] = field(default_factory=dict)
    asked: list[list[Message]] = field(default_factory=list)
    schemas: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def complete(self, messages: Sequence[Message], schema: dict[str, Any], key: str) -> Completion:
        self.asked.append(list(messages))
        self.schemas.append(schema)
        self.keys.append(key)
        assert self.replies, "nobody told the model what to say to this"
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return Completion(reply) if isinstance(reply, str) else reply

    @property
    def prompts(self) -> list[str]:
        """The first thing that each question said to the model."""
        return [messages[1].text for messages in self.asked]


def caller(*replies: str | Completion | Exception, recordings: InMemory | None = None, **changed: Any) -> Caller:
    return Caller(Scripted(list(replies)), recordings or InMemory(), **changed)
