"""Overhead of a question to a language model, beside the model itself: milliseconds a call, and their causes.

Usage: python benchmarks/reasoner_overhead.py [CALLS]. Aim: under 20 ms. The whole path is real, from prompt to store,
but the model is a server in this process that answers at once. Its share is that of the same bytes posted bare.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "tests" / "lapt" / "reasoning"))

from openai_server import OpenAIServer, serving

from lapt.archive import best_of_all
from lapt.evaluators import TableEvaluator
from lapt.reasoning import Chat
from lapt.reasoning.endpoint.calls import Call, Caller, Completion, Message
from lapt.reasoning.endpoint.models import LangChainModel
from lapt.spaces import BUILTIN
from lapt.testing import invented_table
from storage.runs.replies import StoredRecordings
from storage.store import Store

WIDTHS = (8, 8, 8, 28, 11, 16)


@dataclass
class Timed:
    """Adds up what actions take; ``taken`` gives the sum and begins anew."""

    seconds: float = 0.0

    def __call__(self, action: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        try:
            return action()
        finally:
            self.seconds += time.perf_counter() - began

    def taken(self) -> float:
        seconds, self.seconds = self.seconds, 0.0
        return seconds


@dataclass(frozen=True)
class TimedModel:
    inner: LangChainModel
    clock: Timed = field(default_factory=Timed)

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def parameters(self) -> dict[str, Any]:
        return self.inner.parameters

    def complete(self, messages: Sequence[Message], schema: dict[str, Any], key: str) -> Completion:
        return self.clock(lambda: self.inner.complete(messages, schema, key))  # type: ignore[no-any-return]


class TimedRecordings(StoredRecordings):
    clock = Timed()

    def add(self, call: Call) -> None:
        self.clock(lambda: super(TimedRecordings, self).add(call))


def posted(server: OpenAIServer, calls: int) -> float:
    """Median seconds of the latest request, posted by a client that does nothing else."""
    body = json.dumps(server.requests[-1].body).encode()
    connection = HTTPConnection("127.0.0.1", server.server_port)
    seconds = []
    for _ in range(calls):
        began = time.perf_counter()
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        json.loads(connection.getresponse().read())
        seconds.append(time.perf_counter() - began)
    connection.close()
    return statistics.median(seconds)


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    logging.disable()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        os.environ.pop(name, None), os.environ.pop(name.lower(), None)
    space = BUILTIN["nas201"]
    archive = best_of_all(space, TableEvaluator(invented_table(), space, "invented_source"), 50)
    with tempfile.TemporaryDirectory() as folder, serving() as server:
        server.RequestHandlerClass.disable_nagle_algorithm = True  # or bare posts wait 40 ms for an acknowledgement
        recordings = TimedRecordings(Store(folder), "run")
        model = TimedModel(LangChainModel("openai:test", base_url=server.url, key="none"))
        chat = Chat(Caller(model, recordings, mode="record"), max_operators=5)
        began = time.perf_counter()
        principles = chat.learn(space, archive)
        print(f"first call, with imports: {time.perf_counter() - began:.2f} s; then the median of {calls} calls, in ms")
        heads = ("whole", "model", "beyond", "of which prompt and checks", "recording", "client library")
        print(" " * 10 + "".join(f"{head:>{width}}" for head, width in zip(heads, WIDTHS, strict=True)))
        steps: dict[str, Callable[[], Any]] = {
            "learn": lambda: chat.learn(space, archive),
            "translate": lambda: chat.translate(space, principles, task="invented_a"),
            "update": lambda: chat.update(space, principles, archive.entries[:5], task="invented_a"),
        }
        whole = Timed()
        for step, ask in steps.items():
            model.clock.taken(), recordings.clock.taken()
            seconds = []
            for _ in range(calls):
                whole(ask)
                seconds.append((whole.taken(), model.clock.taken(), recordings.clock.taken()))
            total, complete, record = (1000 * statistics.median(column) for column in zip(*seconds, strict=True))
            bare = 1000 * posted(server, calls)
            row = (total, bare, total - bare, total - complete - record, record, complete - bare)
            print(f"{step:10}" + "".join(f"{ms:{width}.1f}" for ms, width in zip(row, WIDTHS, strict=True)), flush=True)


if __name__ == "__main__":
    main()
