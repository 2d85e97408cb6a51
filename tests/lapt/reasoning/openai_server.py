"""A server on this machine that speaks OpenAI's chat completions, answering from a script."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer. ``text`` None is null content; ``body`` is sent in place of a completion; ``hang`` is in seconds.

    ``message``: what else the message holds, such as a refusal. A request to stream is answered by events.
    ``cut``: after how many bytes of the body the connection ends; 0 sends nothing at all.
    """

    text: str | None = ""
    status: int = 200
    finish: str = "stop"
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    tokens: tuple[int, int] | None = None
    message: Mapping[str, Any] = field(default_factory=dict)
    cut: int | None = None
    hang: float = 0.0

    @classmethod
    def error(
        cls, status: int, message: str, param: str | None = None, code: str | int | None = None, **headers: str
    ) -> Reply:
        body = json.dumps({"error": {"message": message, "type": "error", "param": param, "code": code}})
        return cls(status=status, body=body, headers={name.replace("_", "-"): v for name, v in headers.items()})


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: dict[str, Any]

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(message["role"], message["content"]) for message in self.body["messages"]]

    @property
    def schema(self) -> dict[str, Any]:
        """Of the response format, else the one written into the prompt."""
        if "response_format" in self.body:
            schema: dict[str, Any] = self.body["response_format"]["json_schema"]["schema"]
            return schema
        written: dict[str, Any] = json.loads(re.findall(r"```json\n(.*?)\n```", self.said[-1][1], re.DOTALL)[-1])
        return written


class OpenAIServer(ThreadingHTTPServer):
    """Gives the ``script``'s replies in turn, then answers what each request's schema asks for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[Reply] = []
        self.requests: list[Request] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def answers(self, *replies: Reply | str) -> None:
        self.script += [Reply(reply) if isinstance(reply, str) else reply for reply in replies]

    def answer_to(self, request: Request) -> Reply:
        self.requests.append(request)
        return self.script.pop(0) if self.script else Reply(json.dumps(valid(request.schema)), tokens=(1000, 100))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: OpenAIServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.server.answer_to(Request(self.path, headers, body))
        self.server.closing.wait(reply.hang)
        self.close_connection = reply.cut is not None
        if reply.cut == 0:
            return
        streamed = reply.body is None and body.get("stream")
        written = _events(reply, body) if streamed else json.dumps(_completion(reply, body["model"]))
        sent = (written if reply.body is None else reply.body).encode()
        self.send_response(reply.status)
        content_type = "text/event-stream" if streamed else "application/json"
        for name, value in {"content-type": content_type, **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent[: reply.cut])

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def _completion(reply: Reply, model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": reply.text, **reply.message}
    completion: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish}],
    }
    if reply.tokens:
        prompt, answer = reply.tokens
        completion["usage"] = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
    return completion


def _events(reply: Reply, asked: Mapping[str, Any]) -> str:
    """The completion in three pieces, and the tokens where they were asked for."""
    whole = _completion(reply, asked["model"])
    message, text = whole["choices"][0]["message"], reply.text or ""
    calls = [{"index": at, **call} for at, call in enumerate(message.get("tool_calls", ()))]
    first = {**message, "content": text[:9], **({"tool_calls": calls} if calls else {})}
    deltas: list[dict[str, Any]] = [first, {"content": text[9:]}, {}]
    chunks = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else reply.finish}]}
        for delta in deltas
    ]
    if "usage" in whole and (asked.get("stream_options") or {}).get("include_usage"):
        chunks.append({"choices": [], "usage": whole["usage"]})
    named = {**whole, "object": "chat.completion.chunk", "usage": None}
    return "".join(f"data: {json.dumps({**named, **chunk})}\n\n" for chunk in chunks) + "data: [DONE]\n\n"


def valid(schema: Mapping[str, Any]) -> Any:
    """An instance of a schema: of a list of names all of them, of a list of objects one for each name of its enum."""
    if "$defs" in schema:
        schema = _resolved(schema, schema["$defs"])
    if "anyOf" in schema:
        return valid(schema["anyOf"][0])
    kind = schema["type"]
    if kind in ("integer", "boolean", "number"):
        return schema["enum"][0]
    if kind == "object":
        return {name: valid(part) for name, part in schema["properties"].items()}
    if kind == "string":
        return schema["enum"][0] if "enum" in schema else "Convolutions of 3x3 do most of the work."
    items = schema["items"]
    if "enum" in items:
        return list(items["enum"])[: schema.get("maxItems")]
    if "minItems" in schema:
        return [valid(items)] * max(1, schema["minItems"])
    return [valid(item) for item in _one_each(items)] or [valid(items)]


def _resolved(part: Any, definitions: Mapping[str, Any]) -> Any:
    """A schema with its definitions in place of references."""
    if isinstance(part, list):
        return [_resolved(one, definitions) for one in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _resolved(definitions[part["$ref"].removeprefix("#/$defs/")], definitions)
    return {name: _resolved(one, definitions) for name, one in part.items() if name != "$defs"}


def _one_each(item: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for name, part in item["properties"].items():
        for value in part.get("enum", ()):
            yield {**item, "properties": {**item["properties"], name: {"type": "string", "enum": [value]}}}


@contextmanager
def serving() -> Iterator[OpenAIServer]:
    server = OpenAIServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
