"""Replies of language models in a store: recorded and found by their question, or typed by a person."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lapt.errors import StoreError
from lapt.reasoning.endpoint.calls import AwaitingReply, Call, Completion, Message, Spent
from lapt.reasoning.prompts.templates import section
from storage.files import LocalFiles
from storage.ids import the_one
from storage.schemas import SCHEMAS, conform
from storage.store import Store

Row = dict[str, Any]


@dataclass
class StoredRecordings:
    """The calls of one run, in front of those of all runs. Implements ``lapt.reasoning.endpoint.calls.Recordings``.

    Every use of a reply is a row: ``origin`` is "model" for the first, "store" for later ones. So the rows of a run
    show its cost, even where nothing was paid this time.
    """

    store: Store
    run_id: str

    @cached_property
    def _replies(self) -> dict[str, Completion]:
        """Key -> reply: this run's own, else the latest recorded."""
        rows = self.store.read("reasoner_calls", [*_REPLY, "run_id", "created_at"]).to_pylist()
        rows.sort(key=lambda row: (row["run_id"] == self.run_id, row["created_at"]))
        return {row["call_key"]: Completion(*(row[name] for name in _SAID)) for row in rows}

    def find(self, key: str) -> Completion | None:
        return self._replies.get(key)

    def of_model(self, model: str) -> int:
        """Number of replies of that model in the store."""
        return self.store.read("reasoner_calls", ["model"], filter=pc.field("model") == model).num_rows

    def add(self, call: Call) -> None:
        self._replies[call.key] = call.completion
        self._spent = self.spent().plus(call)
        self.store.append("reasoner_calls", [self._row(call)])

    _spent: Spent | None = None

    def spent(self) -> Spent:
        """Cost of this attempt's calls. It makes the calls of an earlier attempt again, and counts them then."""
        if self._spent is None:
            rows = self.rows()
            tokens = sum((row["tokens_in"] or 0) + (row["tokens_out"] or 0) for row in rows)
            self._spent = Spent(len(rows), tokens, sum(row["cost"] or 0.0 for row in rows))
        return self._spent

    def rows(self) -> list[Row]:
        """The calls of this attempt, by any process, in order: those since the run's latest start."""
        events = self.store.read("runs", ["run_id", "event", "created_at"]).to_pylist()
        starts = [e["created_at"] for e in events if e["run_id"] == self.run_id and e["event"] == "started"]
        if not starts:
            return []
        rows = self.store.read("reasoner_calls", filter=pc.field("run_id") == self.run_id).to_pylist()
        return sorted((r for r in rows if r["created_at"] >= max(starts)), key=lambda row: row["created_at"])

    def _row(self, call: Call) -> Row:
        asked = call.question
        return {
            "call_key": call.key,
            "run_id": self.run_id,
            "reasoner": f"chat:{call.model}",
            "model": call.model,
            "step": asked.step,
            "task": asked.task,
            "iteration": None,
            "sample": call.sample,
            "prompt_hash": asked.prompt.template_hash,
            "prompt": json.dumps([[message.role, message.text] for message in call.messages]),
            "reply": call.completion.text,
            "valid": call.valid,
            "error": call.error,
            "tokens_in": call.completion.tokens_in,
            "tokens_out": call.completion.tokens_out,
            "cost": call.cost,
            "finish": call.completion.finish,
            "latency_seconds": call.latency_seconds,
            "principles_id": asked.principles_id,
            "draw": call.draw,
            "attempt": call.attempt,
            "origin": call.origin,
            "prompt_name": asked.prompt.name,
            "prompt_version": asked.prompt.version,
            "response_schema": json.dumps(asked.schema, sort_keys=True),
            "parameters": json.dumps(call.parameters, sort_keys=True),
        }


_SAID = ("reply", "tokens_in", "tokens_out", "finish")
_REPLY = ("call_key", *_SAID)


def export_recordings(store: Store, path: Path, run: str | None = None) -> int:
    """Write the replies of ``run`` (None: of all runs) as JSON lines; returns their number. Raises StoreError for
    none."""
    store.require()
    rows = [r for r in store.read("reasoner_calls").to_pylist() if run is None or r["run_id"].startswith(run)]
    unique = {(row["call_key"], row["reply"]): row for row in reversed(rows)}
    if not unique:
        raise StoreError(f"replies of a language model in {store.address}", "none", "name another run or store")
    lines = [json.dumps(row, default=_written, sort_keys=True, ensure_ascii=False) for row in unique.values()]
    LocalFiles(path.absolute().parent).write(path.name, ("\n".join(reversed(lines)) + "\n").encode())
    return len(lines)


def import_recordings(store: Store, path: Path) -> int:
    """Add the replies in a file of ``export_recordings`` that the store lacks; returns their number. Raises
    StoreError."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        found = [_read(row) for row in rows]
        conform(pa.Table.from_pylist(found), SCHEMAS["reasoner_calls"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowInvalid) as error:
        raise StoreError(
            f"recordings in {path}, as lapt reasoner export writes them", f"{error}"[:200], "export again"
        ) from None
    known = {(row["call_key"], row["reply"]) for row in store.read("reasoner_calls", ["call_key", "reply"]).to_pylist()}
    new = [row for row in found if (row["call_key"], row["reply"]) not in known]
    if new:
        store.append("reasoner_calls", new)
    return len(new)


def _written(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat()


def _read(row: Row) -> Row:
    if not isinstance(row["call_key"], str) or not isinstance(row["reply"], str):
        raise ValueError("call_key and reply are texts")
    kept = {name: row.get(name) for name in SCHEMAS["reasoner_calls"].names}
    return {**kept, "created_at": datetime.fromisoformat(row["created_at"])}


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
