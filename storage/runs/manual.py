"""Prompts for a person to carry to any chat: written to files, with the replies in files beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lapt.reasoning.endpoint.calls import AwaitingReply, Completion, Message
from lapt.reasoning.prompts.templates import section
from storage.ids import the_one
from storage.store import Store

FOLDER = "manual"
PROMPT, REPLY = ".prompt.md", ".reply.txt"


@dataclass(frozen=True)
class ManualModel:
    """A chat model that is answered by hand: ``<store>/manual/<id>.prompt.md`` by ``<id>.reply.txt`` beside it.

    ``id``: the first digits of the call's key, so the same question always has the same files.
    """

    store: Store

    @property
    def name(self) -> str:
        return "manual"

    @property
    def parameters(self) -> dict[str, Any]:
        return {}

    def complete(self, messages: Sequence[Message], schema: dict[str, Any], key: str) -> Completion:
        """The reply in the file. Raises AwaitingReply, with instructions, where there is none yet."""
        waiting, files = key[:12], self.store.files
        try:
            return Completion(files.read(f"{FOLDER}/{waiting}{REPLY}").decode(errors="replace"))
        except FileNotFoundError:
            pass
        files.write(f"{FOLDER}/{waiting}{PROMPT}", _page(messages, schema).encode())
        raise AwaitingReply(
            f"a reply to {self.store.address}/{FOLDER}/{waiting}{PROMPT}",
            "none yet",
            f"give that prompt to any chat, save its reply with lapt reasoner reply {waiting} FILE (or - for standard "
            "input), and type the same command again",
        )


def waiting(store: Store) -> list[str]:
    """Ids of prompts without a reply, in the order of their file names."""
    names = store.files.names(FOLDER)
    answered = {name.removesuffix(REPLY) for name in names if name.endswith(REPLY)}
    return [n.removesuffix(PROMPT) for n in names if n.endswith(PROMPT) and n.removesuffix(PROMPT) not in answered]


def reply(store: Store, prompt: str, text: str) -> None:
    """Save the reply to a prompt. ``prompt``: its id, or the start of one. Raises StoreError."""
    found = the_one(waiting(store), prompt, "waiting prompt", "lapt reasoner waiting lists them")
    store.files.write(f"{FOLDER}/{found}{REPLY}", text.encode())


def _page(messages: Sequence[Message], schema: dict[str, Any]) -> str:
    """The conversation so far and the schema, as one text to paste."""
    said = [
        message.text if message.role != "assistant" else f"Your reply was:\n\n{message.text}" for message in messages
    ]
    return "\n\n".join([*said, section("schema", schema=json.dumps(schema, indent=1))])
