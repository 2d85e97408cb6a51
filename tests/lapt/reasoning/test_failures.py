"""Servers' errors in place of an answer: their words are shown, with advice for a person."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from openai_server import OpenAIServer, Reply
from small_archives import SPACE

from lapt.reasoning.config import ChatReasoner
from lapt.reasoning.endpoint.calls import Caller, Completion, InMemory, Message, Question, ReasonerError, Unusable
from lapt.reasoning.endpoint.models import LangChainModel
from lapt.reasoning.language.replies import LEARN, principles_schema, read_principles
from lapt.reasoning.language.vocabulary import Vocabulary
from lapt.reasoning.prompts.templates import Prompt

pytest.importorskip("langchain_openai")

WORDS = Vocabulary.plain(SPACE)
SCHEMA = principles_schema(SPACE, WORDS, LEARN)
MESSAGES = [Message("system", "You design networks."), Message("user", "What do these cells share?")]
QUESTION = Question("learn", "source", Prompt("learn", 1, "abc", "You count.", "What do they share?"), SCHEMA)


def model(server: OpenAIServer, **changed: Any) -> LangChainModel:
    return LangChainModel("openai:test-model", server.url, **({"first_wait": 0.01, "tries": 4, "timeout": 5} | changed))


def asked(server: OpenAIServer, **changed: Any) -> Completion:
    return model(server, **changed).complete(MESSAGES, SCHEMA, "key")


def failure(server: OpenAIServer, **changed: Any) -> ReasonerError:
    with pytest.raises(ReasonerError) as caught:
        asked(server, **changed)
    return caught.value


# --- requests that are refused -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Refusal:
    """``words`` are the server's; ``body`` is what they stand in, where that is no error of OpenAI's.

    ``remedy``: a part of what is said.
    """

    status: int
    words: str
    remedy: str
    param: str | None = None
    code: str | None = None
    body: str | dict[str, Any] | list[Any] | None = None

    @property
    def reply(self) -> Reply:
        if self.body is None:
            return Reply.error(self.status, self.words, self.param, self.code)
        return Reply(status=self.status, body=self.body if isinstance(self.body, str) else json.dumps(self.body))


MORE, PAY, NAME = "name a model that takes more", "pay for more", "check the model's name"
FINAL = [
    Refusal(400, "temperature cannot be chosen for this model", "leave reasoner.temperature out", "temperature"),
    Refusal(400, "`temperature` is deprecated for this model.", "leave reasoner.temperature out"),
    Refusal(400, "unknown field max_completion_tokens", "reasoner.extra_body={max_tokens: 4000}"),
    Refusal(400, "Unsupported parameter: 'max_tokens'", "leave reasoner.max_tokens out", "max_tokens", "unsupported"),
    Refusal(400, "max_tokens is too large: 99999. At most 4096 tokens fit.", "lower reasoner.max_tokens"),
    Refusal(400, "no system messages here", "reasoner.system_message=false"),
    Refusal(400, "'messages[0].role' does not support 'system'", "reasoner.system_message=false", "messages[0].role"),
    Refusal(400, "Developer instruction is not enabled for gemma", "reasoner.system_message=false"),
    Refusal(400, "Conversation roles must alternate user/assistant", "reasoner.system_message=false"),
    Refusal(400, "thinking has to be off unless the reply is streamed", "extra_body, such as {enable_thinking: false}"),
    Refusal(400, "replies are streamed only", "say reasoner.streaming=true"),
    Refusal(400, "3691 tokens are more than the 2048 that fit", MORE, None, "context_length_exceeded"),
    Refusal(400, "This model's maximum context length is 8192 tokens.", MORE, "messages"),
    Refusal(422, "Input is too long", MORE, body={"detail": [{"msg": "Input is too long"}]}),
    Refusal(413, "no", MORE, body={"message": "no"}),
    Refusal(500, "the request exceeds the available context size", MORE),
    Refusal(400, "Unknown parameter: 'store'", "leave that key out", "store"),
    Refusal(400, "temperature: no", "leave reasoner.temperature out", body="temperature: no"),
    Refusal(400, "Temperature is high", "leave reasoner.temp", body=[{"error": {"message": "Temperature is high"}}]),
    Refusal(400, "Your credit balance is too low to access the API.", PAY),
    Refusal(402, "Insufficient Balance", PAY),
    Refusal(429, "the account is empty", PAY, None, "insufficient_quota"),
    Refusal(429, "You exceeded your current quota, check your billing details.", PAY),
    Refusal(200, "the account is empty", PAY, None, "insufficient_quota"),
    Refusal(401, "Incorrect API key provided", "was sent no key"),
    Refusal(403, "This region is not served", "check what the key may use"),
    Refusal(404, "The model `test-model` does not exist", NAME, None, "model_not_found"),
    Refusal(404, "model 'm' not found, pull it", NAME, body={"error": "model 'm' not found, pull it"}),
    Refusal(404, "nginx Not Found", "check base_url", body="<html><h1>nginx</h1> Not Found</html>"),
    Refusal(200, "Please log in", "check base_url", body="<!doctype html><html><body>Please log in</body></html>"),
]


@pytest.mark.parametrize("refusal", FINAL, ids=lambda refusal: f"{refusal.status} {refusal.words}")
def test_a_refusal_that_says_why_is_one_request_and_shown_with_a_remedy(
    server: OpenAIServer, refusal: Refusal, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers(refusal.reply)
    error = failure(server)
    assert len(server.requests) == 1
    assert refusal.remedy in error.remedy
    assert refusal.words in error.got
    assert "chema" not in f"{error} {caplog.text}"


SCHEMA_AT_FAULT = [
    Reply.error(400, "no schemas here"),
    Reply.error(400, "no", "response_format"),
    Reply.error(400, "bad request"),
    Reply.error(404, "nobody here takes these parameters"),
    Reply.error(422, "Extra inputs are not permitted: response_format"),
    Reply(status=422, body="Unprocessable Entity", headers={"content-type": "text/plain"}),
    Reply.error(500, "the grammar cannot be made"),
    Reply.error(500, "Internal Server Error"),
    Reply(status=500, body="<html><h1>500 Internal Server Error</h1></html>", headers={"content-type": "text/html"}),
    Reply.error(501, "not implemented"),
    Reply.error(503, "xgrammar failed to compile the schema"),
    Reply.error(200, "json_schema is not supported", None, 400),
]


@pytest.mark.parametrize("refused", SCHEMA_AT_FAULT, ids=lambda refused: f"{refused.status} {refused.body}"[:60])
def test_what_may_be_the_schemas_fault_is_asked_in_plain_text_once(
    server: OpenAIServer, refused: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers(refused)
    chat = model(server)
    for _ in range(2):
        assert "principles" in json.loads(chat.complete(MESSAGES, SCHEMA, "key").text)
    assert ["response_format" in request.body for request in server.requests] == [True, False, False]
    assert "takes no JSON Schema" in caplog.text


def test_where_plain_text_fails_as_well_its_refusal_is_shown_and_nothing_is_said_of_the_schema(
    server: OpenAIServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers(Reply.error(400, "bad request"), Reply.error(400, "the payload is odd"))
    error = failure(server)
    assert "the payload is odd" in error.got
    assert len(server.requests) == 2
    assert "chema" not in f"{error} {caplog.text}"


def test_a_server_in_trouble_gets_as_many_requests_as_there_are_tries(server: OpenAIServer) -> None:
    server.answers(*[Reply.error(500, "oops")] * 9)
    assert "500 - oops" in failure(server, tries=3).got
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "passing",
    [
        Reply.error(429, "slow down"),
        Reply.error(429, "You exceeded your current quota. Please retry in 0.01s."),
        Reply.error(429, "quota exceeded", None, None, retry_after="0"),
        Reply.error(503, "the model is overloaded"),
        Reply.error(502, "the one behind took too long"),
        Reply.error(529, "overloaded"),
        Reply(status=502, body="<html><h1>502 Bad Gateway</h1></html>", headers={"content-type": "text/html"}),
        Reply(body=json.dumps({"id": None, "choices": None, "error": {"message": "failed behind", "code": 429}})),
        Reply(body=json.dumps({"error": {"message": "took too long", "code": 502}})),
        Reply(body=json.dumps({"error": {"message": "overloaded", "code": "502"}})),
        Reply(body=json.dumps({"error": "overloaded"})),
        Reply(body=json.dumps({"choices": None})),
    ],
    ids=lambda passing: f"{passing.status} {passing.body}"[:60],
)
@pytest.mark.parametrize("structured", ["auto", "text"])
def test_what_may_pass_is_tried_again_as_what_it_is(
    server: OpenAIServer, passing: Reply, structured: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers(passing, passing, "at last")
    assert asked(server, structured=structured).text == "at last"
    assert len(server.requests) == 3
    assert caplog.text.count("follows") == 2
    error = json.loads(passing.body or "{}").get("error") if passing.body and passing.body.startswith("{") else None
    message = error.get("message") if isinstance(error, dict) else error
    assert message is None or caplog.text.count(message) == 2


def test_an_error_without_end_is_shown_in_the_servers_words(server: OpenAIServer) -> None:
    server.answers(*[Reply(body=json.dumps({"error": {"message": "failed behind", "code": 502}}))] * 4)
    assert failure(server).got == "502 - failed behind"


def test_a_connection_that_is_refused_says_so() -> None:
    chat = LangChainModel("openai:test-model", "http://127.0.0.1:9/v1", first_wait=0.01, tries=1, timeout=2)
    with pytest.raises(ReasonerError, match="Connection refused"):
        chat.complete(MESSAGES, SCHEMA, "key")


# --- replies that end otherwise than by themselves -----------------------------------------------------------------
def read(text: str) -> object:
    return read_principles(text, SPACE, WORDS, LEARN, (), draw=0)


ENDINGS = {
    "thinking up to the limit": (
        Reply(None, finish="length", message={"reasoning_content": "First, ..."}),
        "a cut at the limit of tokens (finish reason length): the reply is empty",
        "raise reasoner.max_tokens",
    ),
    "a cut": (
        Reply('{"principles": [', finish="length"),
        "a cut at the limit of tokens (finish reason length): its JSON is broken",
        "raise reasoner.max_tokens",
    ),
    "a refusal": (
        Reply(None, message={"refusal": "This I will not do."}),
        "a refusal (finish reason refusal): This I will not do.",
        "name another model",
    ),
    "a filter": (
        Reply("", finish="content_filter"),
        "nothing that passes the provider's filter (finish reason content_filter)",
        "name another model",
    ),
    "a filter in the middle": (
        Reply("I would", finish="content_filter"),
        "nothing that passes the provider's filter (finish reason content_filter): I would",
        "name another model",
    ),
    "a call of a tool": (
        Reply(
            None,
            finish="tool_calls",
            message={"tool_calls": [{"id": "1", "type": "function", "function": {"name": "P", "arguments": "{}"}}]},
        ),
        "a call of a tool (finish reason tool_calls)",
        "reasoner.structured=text",
    ),
    "an unknown reason": (
        Reply("I", finish="insufficient_system_resource"),
        "insufficient_system_resource",
        "stronger",
    ),
    "a refusal in prose": (Reply("I'd rather not."), "there is no JSON object in it: I'd rather not.", "stronger"),
    "all in its thinking": (
        Reply("", message={"reasoning_content": '{"principles": []}'}),
        "the reply is empty",
        "reasoner.extra_body, such as {enable_thinking: false}",
    ),
    "thinking without end": (Reply("<think>Well, "), "ended while it was thinking", "raise reasoner.max_tokens"),
}


@pytest.mark.parametrize(("reply", "said", "remedy"), ENDINGS.values(), ids=ENDINGS)
@pytest.mark.parametrize("how", [{}, {"structured": "text"}, {"streaming": True}])
def test_how_a_reply_ended_is_said_with_a_remedy(
    server: OpenAIServer, reply: Reply, said: str, remedy: str, how: dict[str, Any]
) -> None:
    server.answers(reply)
    with pytest.raises(Unusable) as caught:
        Caller(model(server, **how), InMemory(), repairs=0).ask(QUESTION, read)
    assert said in str(caught.value)
    assert remedy in (caught.value.remedy or "name a stronger model")


def test_a_replay_tells_the_model_the_same_of_how_a_reply_ended(server: OpenAIServer) -> None:
    server.answers(Reply("I", finish="length"), "7")
    recordings = InMemory()

    def number(text: str) -> int:
        return int(json.dumps(read(text))) if text != "7" else 7

    assert Caller(model(server), recordings).ask(QUESTION, number) == 7
    assert "a cut at the limit of tokens" in server.requests[1].said[-1][1]
    assert Caller(model(server), recordings, mode="replay").ask(QUESTION, number) == 7
    assert len(server.requests) == 2


@pytest.mark.parametrize("structured", ["auto", "text"])
def test_the_arguments_of_a_tool_are_read_where_there_is_no_text(server: OpenAIServer, structured: str) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "Principles", "arguments": '{"principles": [1]}'}}
    server.answers(Reply(None, finish="tool_calls", message={"tool_calls": [call]}))
    assert json.loads(asked(server, structured=structured).text) == {"principles": [1]}


@pytest.mark.parametrize("structured", ["auto", "text"])
def test_thinking_in_a_block_or_field_of_its_own_is_not_read(
    server: OpenAIServer, structured: str, recwarn: pytest.WarningsRecorder
) -> None:
    thought = [
        {"type": "thinking", "thinking": "{}", "text": "{}"},
        {"type": "reasoning", "text": '{"principles": []}'},
    ]
    content: Any = [*thought, {"type": "text", "text": "the answer"}]
    server.answers(Reply(message={"content": content}), Reply("the answer", message={"reasoning_content": "{}"}))
    assert [asked(server, structured=structured).text for _ in range(2)] == ["the answer"] * 2
    assert not recwarn.list


# --- what a provider needs besides ---------------------------------------------------------------------------------
@pytest.mark.parametrize("structured", ["auto", "text"])
def test_a_reply_may_be_streamed_and_is_the_same(server: OpenAIServer, structured: str) -> None:
    server.answers(*[Reply('{"principles": []}', tokens=(900, 5))] * 2)
    assert asked(server, structured=structured, streaming=True) == asked(server, structured=structured)
    assert [bool(request.body.get("stream")) for request in server.requests] == [True, False]


def test_a_server_that_streams_unasked_or_not_at_all_is_named_with_its_remedy(server: OpenAIServer) -> None:
    events = 'data: {"choices": []}\n\ndata: [DONE]\n\n'
    for structured in ("auto", "text"):
        server.answers(Reply(body=events, headers={"content-type": "text/event-stream"}))
        assert failure(server, structured=structured).remedy == "say reasoner.streaming=true"
        server.answers(Reply(body=json.dumps({"choices": []})))
        assert failure(server, structured=structured, streaming=True).remedy == "say reasoner.streaming=false"


def test_what_else_a_request_carries(server: OpenAIServer) -> None:
    asked(server, extra_body={"enable_thinking": False, "max_tokens": 70}, system_message=False)
    (request,) = server.requests
    assert (request.body["enable_thinking"], request.body["max_tokens"]) == (False, 70)
    assert request.said == [("user", "You design networks.\nWhat do these cells share?")]


def test_new_keys_are_part_of_what_a_reply_is_found_by_only_where_they_say_something() -> None:
    assert set(LangChainModel("openai:m").parameters) == {"temperature", "max_tokens", "structured"}
    assert LangChainModel("openai:m", extra_body={"a": 1}, streaming=True).parameters["extra_body"] == {"a": 1}
    assert LangChainModel("openai:m", system_message=False).parameters["system_message"] is False
    plain = ChatReasoner(kind="chat", model="openai:m").model_dump(mode="json")
    assert not {"extra_body", "system_message", "streaming", "api_version"} & set(plain)


@pytest.mark.parametrize("said", ["messages", "model", "response_format", "stream"])
def test_what_lapt_says_itself_is_not_said_in_extra_body(said: str) -> None:
    with pytest.raises(ValueError, match=f"{said} is said by other keys"):
        ChatReasoner(kind="chat", model="openai:m", extra_body={said: "x"})
    with pytest.raises(ValueError, match="JSON"):
        ChatReasoner(kind="chat", model="openai:m", extra_body={"top_p": float("nan")})


# --- Azure ---------------------------------------------------------------------------------------------------------
def test_azure_is_asked_at_its_endpoint_with_its_version(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_VERSION", raising=False)
    endpoint = server.url.removesuffix("/v1")

    def at(**more: Any) -> None:
        LangChainModel("azure_openai:gpt-4o", endpoint, key="k-123", **more).complete(MESSAGES, SCHEMA, "key")

    at(api_version="2024-10-21")
    monkeypatch.setenv("OPENAI_API_VERSION", "2025-01-01")
    at()
    assert [request.path for request in server.requests] == [
        f"/openai/deployments/gpt-4o/chat/completions?api-version={version}" for version in ("2024-10-21", "2025-01-01")
    ]
    assert server.requests[0].headers["api-key"] == "k-123"
    reasoner = ChatReasoner.model_validate({"kind": "chat", "model": "azure_openai:m", "api_version": "2024-10-21"})
    assert reasoner.api_version == "2024-10-21"
