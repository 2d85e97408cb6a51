"""Calls to a model: asking, checking, repairs after a fault, recording, replay and costs."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeVar
from uuid import uuid4

from lapt.base.digests import digest
from lapt.errors import BudgetSpent, LaptError
from lapt.reasoning.endpoint.answers import InvalidReply, plain
from lapt.reasoning.endpoint.endings import ending
from lapt.reasoning.prompts.templates import Prompt, section

T = TypeVar("T")
Mode = Literal["auto", "record", "replay", "off"]
"""auto: a recorded reply is used again; record: every reply is asked for again and recorded; replay: only recorded
replies, a missing one is an error; off: no prompt or reply is kept or used again, only the cost of a call."""


class ReasonerError(LaptError):
    """A model that cannot be reached, does not answer, or gives no usable answer."""


class AwaitingReply(ReasonerError):
    """A prompt that a person is to answer, and that has no reply yet."""


@dataclass(frozen=True)
class Message:
    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True)
class Completion:
    """A model's answer. Tokens are None if the provider does not count them.

    ``finish``: the provider's reason for an unusual end, such as length.
    """

    text: str
    tokens_in: int | None = None
    tokens_out: int | None = None
    finish: str | None = None


class ChatModel(Protocol):
    """Any model that answers messages. It may wait and try again; it keeps no memory of calls."""

    @property
    def name(self) -> str: ...

    @property
    def parameters(self) -> dict[str, Any]:
        """Other settings that the reply depends on: temperature, limits."""
        ...

    def complete(self, messages: Sequence[Message], schema: dict[str, Any], key: str) -> Completion:
        """Ask the model. Raises ReasonerError without a reply. ``key``: of the question (for replies given by hand)."""
        ...


@dataclass(frozen=True)
class Question:
    """The subject of a call, for the record: the step of the algorithm, the task, the principles that were read."""

    step: str
    task: str
    prompt: Prompt
    schema: dict[str, Any]
    principles_id: str | None = None


@dataclass(frozen=True)
class Call:
    """One question and its reply, as it is recorded. ``cost`` is in the currency of the prices."""

    key: str
    model: str
    parameters: dict[str, Any]
    question: Question
    sample: int
    draw: int
    attempt: int
    messages: tuple[Message, ...]
    completion: Completion
    valid: bool
    error: str | None
    cost: float | None
    latency_seconds: float
    origin: Literal["model", "store"]

    @property
    def bare(self) -> Call:
        """The call's cost without its texts. Its key matches no question."""
        said_nothing = replace(self.completion, text="")
        return replace(self, key=uuid4().hex, messages=(), completion=said_nothing, error=None)


@dataclass(frozen=True)
class Spent:
    calls: int = 0
    tokens: int = 0
    cost: float = 0.0

    def plus(self, call: Call) -> Spent:
        tokens = (call.completion.tokens_in or 0) + (call.completion.tokens_out or 0)
        return Spent(self.calls + 1, self.tokens + tokens, self.cost + (call.cost or 0.0))


@dataclass(frozen=True)
class Limits:
    """Limits of a language model's costs. A run stops, with its best so far, before the call after a limit is
    reached."""

    calls: int | None = None
    tokens: int | None = None
    cost: float | None = None

    def check(self, spent: Spent) -> None:
        """Raises BudgetSpent if a limit is reached."""
        for name in ("calls", "tokens", "cost"):
            limit, used = getattr(self, name), getattr(spent, name)
            if limit is not None and used >= limit:
                raise BudgetSpent(
                    f"at most {limit:g} {name} of the language model", f"{used:g}", f"raise reasoner.budget.{name}"
                )


@dataclass(frozen=True)
class Prices:
    """Money a million tokens."""

    tokens_in: float
    tokens_out: float

    def of(self, completion: Completion) -> float:
        return ((completion.tokens_in or 0) * self.tokens_in + (completion.tokens_out or 0) * self.tokens_out) / 1e6


class Recordings(Protocol):
    """Store of recorded replies."""

    def find(self, key: str) -> Completion | None: ...

    def add(self, call: Call) -> None: ...

    def spent(self) -> Spent:
        """Costs of this attempt of the run. A reply used again costs as much as when it was recorded."""
        ...


@dataclass
class InMemory:
    """Recordings of one process: for tests, and for a user without a store."""

    calls: list[Call] = field(default_factory=list)

    def find(self, key: str) -> Completion | None:
        return next((call.completion for call in reversed(self.calls) if call.key == key), None)

    def add(self, call: Call) -> None:
        self.calls.append(call)

    def spent(self) -> Spent:
        spent = Spent()
        for call in self.calls:
            spent = spent.plus(call)
        return spent


class Unusable(Exception):
    """The last fault of a reply that stayed invalid after every repair. ``remedy``: advice for a person."""

    def __init__(self, fault: str, remedy: str | None = None) -> None:
        super().__init__(fault)
        self.remedy = remedy


@dataclass(frozen=True)
class Caller:
    """Asks ``model`` until a reply can be read, at most ``1 + repairs`` times.

    ``sample``: the run's seed, so that each seed has its own replies and a replay the same ones.
    """

    model: ChatModel
    recordings: Recordings
    sample: int = 0
    mode: Mode = "auto"
    repairs: int = 2
    limits: Limits = Limits()
    prices: Prices | None = None

    def ask(self, question: Question, read: Callable[[str], T], *, draw: int = 0) -> T:
        """The value of ``read`` for the reply; ``read`` raises InvalidReply with the fault.

        Raises Unusable after the last repair, ReasonerError without a reply, BudgetSpent before a call over the limit.
        """
        messages = [Message("system", question.prompt.role), Message("user", question.prompt.text)]
        for attempt in range(self.repairs + 1):
            completion, origin, key, seconds = self._completion(messages, question.schema, draw)
            fault = remedy = None
            try:
                value = read(completion.text)
            except InvalidReply as error:
                fault, remedy = _told(completion, error)
            call = Call(
                key=key,
                model=self.model.name,
                parameters=self.model.parameters,
                question=question,
                sample=self.sample,
                draw=draw,
                attempt=attempt,
                messages=tuple(messages),
                completion=completion,
                valid=fault is None,
                error=fault,
                cost=self.prices.of(completion) if self.prices else None,
                latency_seconds=seconds,
                origin=origin,
            )
            self.recordings.add(call.bare if self.mode == "off" else call)
            if fault is None:
                return value
            messages += [Message("assistant", completion.text[:SHOWN]), Message("user", section("repair", fault=fault))]
        words = "" if "{" in completion.text or completion.finish else plain(completion.text)[:200]
        raise Unusable(f"{fault}: {words}" if words else f"{fault}", remedy)

    def _completion(
        self, messages: Sequence[Message], schema: dict[str, Any], draw: int
    ) -> tuple[Completion, Literal["model", "store"], str, float]:
        key = digest(
            {
                "model": self.model.name,
                "parameters": self.model.parameters,
                "messages": [[message.role, message.text] for message in messages],
                "schema": json.dumps(schema, sort_keys=True),
                "sample": [self.sample, draw],
            }
        )
        self.limits.check(self.recordings.spent())
        recorded = self.recordings.find(key) if self.mode in ("auto", "replay") else None
        if recorded is not None:
            return self._counted(recorded, messages, schema), "store", key, 0.0
        if self.mode == "replay":
            raise ReasonerError(
                f"a recorded reply of {self.model.name} to this prompt",
                "none",
                "run once without --replay, or fetch the recordings with lapt reasoner import",
            )
        began = time.perf_counter()
        completion = self._counted(self.model.complete(messages, schema, key), messages, schema)
        seconds = time.perf_counter() - began
        # What is read is what is recorded, or a replay would find another fault; half a surrogate pair has no UTF-8.
        text = completion.text[:KEPT].encode("utf-8", "replace").decode()
        return replace(completion, text=text), "model", key, seconds

    def _counted(self, completion: Completion, messages: Sequence[Message], schema: dict[str, Any]) -> Completion:
        """The completion, with an estimate of missing token counts if there is a budget to keep."""
        counted = completion.tokens_in is not None and completion.tokens_out is not None
        if counted or (self.limits.tokens is None and self.limits.cost is None):
            return completion
        warnings.warn(
            f"{self.model.name} counts no tokens: reasoner.budget is kept by an estimate, a token for "
            f"{BYTES_A_TOKEN} bytes of text",
            stacklevel=2,
        )
        asked = [json.dumps(schema), *(message.text for message in messages)]
        return replace(
            completion,
            tokens_in=_estimate(*asked) if completion.tokens_in is None else completion.tokens_in,
            tokens_out=_estimate(completion.text) if completion.tokens_out is None else completion.tokens_out,
        )


def _estimate(*texts: str) -> int:
    return sum(len(text.encode("utf-8", "replace")) for text in texts) // BYTES_A_TOKEN


def _told(completion: Completion, invalid: InvalidReply) -> tuple[str, str | None]:
    """(fault for the model and the record, advice for a person)."""
    ended, remedy = ending(completion.finish)
    if not ended:
        return str(invalid), invalid.remedy
    said = plain(completion.text)[:300] if "{" not in completion.text else ""
    return f"{ended}: {said or invalid}", remedy or invalid.remedy


BYTES_A_TOKEN = 3
"""Bytes per token, for estimates. English has about four, names of operators and JSON fewer; a high estimate keeps a
budget."""
KEPT = 1_000_000
"""Characters of a reply that are read and recorded."""
SHOWN = 4_000
"""Characters of an invalid reply that the model is shown again."""
