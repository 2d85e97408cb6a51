"""Chat models by LangChain, against a server on this machine that speaks OpenAI's protocol."""

from __future__ import annotations

import json
import logging
import time
from base64 import b64encode
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest
from openai_server import OpenAIServer, Reply
from small_archives import SPACE, counts_of

from lapt.errors import ConfigError
from lapt.reasoning.config import ChatReasoner
from lapt.reasoning.endpoint.addresses import without_login
from lapt.reasoning.endpoint.calls import Completion, Message, ReasonerError
from lapt.reasoning.endpoint.models import LangChainModel
from lapt.reasoning.language.replies import LEARN, principles_schema, read_principles
from lapt.reasoning.language.vocabulary import Vocabulary

pytest.importorskip("langchain_openai")

KEY = "sk-secret-123456"
SCHEMA = principles_schema(SPACE, Vocabulary.plain(SPACE), LEARN)
MESSAGES = [Message("system", "You design networks."), Message("user", "What do these cells share?")]
TRANSIENT = {
    "429": Reply.error(429, "slow down"),
    "500": Reply.error(500, "oops"),
    "503": Reply.error(503, "overloaded"),
    "a cut connection": Reply("never sent", cut=0),
    "a body cut in the middle": Reply("sent in part", cut=20),
    "a timeout": Reply("too late", hang=20),
    "a body that is no JSON": Reply(body='{"choices": [{"mess'),
}


def model(server: OpenAIServer, **changed: Any) -> LangChainModel:
    given = {"key": KEY, "base_url": server.url, "first_wait": 0.01, "tries": 3, "timeout": 0.3} | changed
    return LangChainModel("openai:test-model", **given)


def asked(server: OpenAIServer, **changed: Any) -> Completion:
    return model(server, **changed).complete(MESSAGES, SCHEMA, "key")


def failure(server: OpenAIServer, **changed: Any) -> ReasonerError:
    with pytest.raises(ReasonerError) as caught:
        asked(server, **changed)
    return caught.value


# --- the request ---------------------------------------------------------------------------------------------------
def test_a_request_carries_the_messages_the_schema_and_the_key_and_is_not_streamed(server: OpenAIServer) -> None:
    asked(server)
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.said == [("system", "You design networks."), ("user", "What do these cells share?")]
    assert request.body["model"] == "test-model"
    assert not request.body.get("stream")
    assert request.body["response_format"]["type"] == "json_schema"
    assert request.schema["properties"] == SCHEMA["properties"]
    assert request.schema["additionalProperties"] is False


def test_temperature_and_the_limit_of_tokens_are_sent_only_when_given(server: OpenAIServer) -> None:
    asked(server)
    asked(server, temperature=0.0, max_tokens=77)
    bare, given = (request.body for request in server.requests)
    assert {name for name in bare if "temperature" in name or "max" in name or "top" in name} == set()
    assert given["temperature"] == 0.0
    assert [given[name] for name in given if "max" in name] == [77]


def test_an_answer_to_the_schema_can_be_read(server: OpenAIServer) -> None:
    read = read_principles(asked(server).text, SPACE, Vocabulary.plain(SPACE), LEARN, counts_of("s33333"), draw=0)
    assert [(len(principle.claims), principle.claims[0].effect) for principle in read] == [(30, "keep"), (30, "avoid")]


def test_usage_becomes_tokens_and_its_absence_none(server: OpenAIServer) -> None:
    server.answers(Reply("{}", tokens=(1234, 56)), "{}")
    assert asked(server) == Completion("{}", 1234, 56)
    assert asked(server) == Completion("{}", None, None)


def test_a_server_of_ones_own_needs_no_key(server: OpenAIServer) -> None:
    asked(server, key=None)
    assert server.requests[0].headers["authorization"] == "Bearer none"


# --- trying again --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fault", TRANSIENT)
@pytest.mark.parametrize("structured", ["auto", "text"])
def test_what_may_pass_is_tried_again(server: OpenAIServer, fault: str, structured: str) -> None:
    server.answers(TRANSIENT[fault], "at last")
    assert asked(server, structured=structured).text == "at last"
    assert len(server.requests) == 2


def test_two_faults_pass_in_three_tries_and_three_do_not(server: OpenAIServer) -> None:
    server.answers(TRANSIENT["500"], TRANSIENT["a cut connection"], "at last")
    assert asked(server).text == "at last"
    server.answers(*[TRANSIENT["500"]] * 3, "never asked for")
    error = failure(server)
    assert len(server.requests) == 6
    assert "500" in error.got
    assert "oops" in error.got
    assert "run again later" in error.remedy


def test_a_wait_is_as_long_as_the_server_asks(server: OpenAIServer) -> None:
    server.answers(Reply.error(429, "slow down", retry_after="0.4"), "at last")
    began = time.perf_counter()
    assert asked(server, timeout=5).text == "at last"
    assert time.perf_counter() - began > 0.4
    server.answers(Reply.error(429, "slow down", retry_after="0"), "at last")
    began = time.perf_counter()
    assert asked(server, timeout=5, first_wait=30).text == "at last"
    assert time.perf_counter() - began < 10


def test_a_wait_asked_for_as_a_date_is_not_followed(server: OpenAIServer) -> None:
    server.answers(Reply.error(429, "slow down", retry_after="Wed, 21 Oct 2099 07:28:00 GMT"), "at last")
    assert asked(server).text == "at last"


@pytest.mark.parametrize(
    ("status", "remedy"), [(401, "check the key"), (403, "check what the key may use"), (404, "check the model's name")]
)
def test_what_will_not_pass_is_asked_once(server: OpenAIServer, status: int, remedy: str) -> None:
    server.answers(Reply.error(status, "no such thing"))
    error = failure(server, structured="text")
    assert len(server.requests) == 1
    assert error.expected == f"a reply of openai:test-model at {server.url}"
    assert f"{status} - no such thing" in error.got
    assert remedy in error.remedy


# --- the key -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_the_key_stands_in_no_error_no_log_and_no_name(
    server: OpenAIServer, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.answers(*[Reply.error(status, f"the key {KEY} is not good enough")] * 3)
    chat = model(server)
    with pytest.raises(ReasonerError) as caught:
        chat.complete(MESSAGES, SCHEMA, "key")
    error = caught.value
    assert "the key *** is not good enough" in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__
    said = f"{error!r} {error.expected} {error.got} {error.remedy} {chat!r} {chat} {chat.name} {chat.parameters}"
    ours = " ".join(record.getMessage() for record in caplog.records if record.name.startswith("lapt"))
    assert KEY not in said
    assert KEY not in ours


def test_the_key_stands_in_no_log_of_the_client(server: OpenAIServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    asked(server)
    assert len(caplog.records) > 0
    assert KEY not in caplog.text


def test_a_key_of_the_environment_is_hidden_too(server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "abcdefgh-ijkl")
    server.answers(Reply.error(404, "abcdefgh-ijkl knows no such model"))
    assert "*** knows no such model" in failure(server).got


@pytest.mark.parametrize("password", ["hunter2-hunter2", "p@ss/%40:"])
def test_a_login_in_base_url_is_used_and_stands_nowhere(
    server: OpenAIServer, password: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    address = server.url.replace("//", f"//anna:{quote(password, safe='')}@")
    chat = model(server, base_url=address)
    chat.complete(MESSAGES, SCHEMA, "key")
    sent = server.requests[0].headers["authorization"]
    assert sent == f"Basic {b64encode(f'anna:{password}'.encode()).decode()}"
    server.answers(Reply.error(403, f"nothing at {address}"))
    with pytest.raises(ReasonerError) as caught:
        chat.complete(MESSAGES, SCHEMA, "key")
    assert f"at http://***@127.0.0.1:{server.server_port}/v1" in caught.value.expected
    assert "nothing at http://***@127.0.0.1" in caught.value.got
    assert f"{server.url}/chat/completions" in caplog.text
    said = f"{caught.value!s} {caught.value!r} {chat!r} {chat.parameters} {caplog.text}"
    assert "anna" not in said
    assert sent not in said


def test_a_login_in_base_url_is_not_written_down() -> None:
    reasoner = ChatReasoner(kind="chat", model="openai:test-model", base_url="http://anna:secret@host:8000/v1")
    assert "anna" not in repr(reasoner)
    assert json.loads(reasoner.model_dump_json())["base_url"] == "http://***@host:8000/v1"
    assert reasoner.model_dump()["base_url"] == "http://anna:secret@host:8000/v1"
    assert without_login("http://host/v1 of a@b.c") == "http://host/v1 of a@b.c"


# --- the schema ----------------------------------------------------------------------------------------------------
def test_a_refused_schema_goes_into_the_prompt_and_is_not_tried_again(server: OpenAIServer) -> None:
    server.answers(Reply.error(400, "response_format is not supported"))
    chat = model(server)
    for _ in range(2):
        assert "principles" in json.loads(chat.complete(MESSAGES, SCHEMA, "key").text)
    assert ["response_format" in request.body for request in server.requests] == [True, False, False]
    assert server.requests[1].said[1][1].startswith("What do these cells share?")
    assert server.requests[1].schema == SCHEMA
    assert server.requests[1].said[0] == ("system", "You design networks.")


def test_a_schema_that_must_be_taken_and_is_refused_is_an_error(server: OpenAIServer) -> None:
    server.answers(Reply.error(400, "response_format is not supported"))
    assert "response_format is not supported" in failure(server, structured="json_schema").got
    assert len(server.requests) == 1


def test_in_text_no_response_format_is_sent(server: OpenAIServer) -> None:
    asked(server, structured="text")
    assert "response_format" not in server.requests[0].body
    assert server.requests[0].schema == SCHEMA


# --- the reply -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("structured", ["auto", "text"])
def test_a_reply_cut_at_the_limit_of_tokens_comes_as_far_as_it_went(server: OpenAIServer, structured: str) -> None:
    server.answers(Reply('{"principles": [', finish="length", tokens=(900, 5)))
    assert asked(server, structured=structured) == Completion('{"principles": [', 900, 5, "length")
    assert len(server.requests) == 1


@pytest.mark.parametrize("structured", ["auto", "text"])
@pytest.mark.parametrize("content", ["", None])
def test_no_content_is_no_text(server: OpenAIServer, structured: str, content: str | None) -> None:
    server.answers(Reply(content))
    assert asked(server, structured=structured).text == ""


@pytest.mark.parametrize("text", ['x"', '{"a": [', "é\U0001f600"], ids=["prose", "open brackets", "not ASCII"])
def test_a_reply_of_20_MB_arrives_at_once(server: OpenAIServer, text: str) -> None:
    whole = text * (20_000_000 // len(text.encode()))
    server.answers(whole)
    began = time.perf_counter()
    assert asked(server, timeout=60).text == whole
    assert time.perf_counter() - began < 20


@pytest.mark.parametrize(
    "body", ["", "<html>proxy</html>", "[]", "null", "{}", '{"choices": null}', '{"choices": []}', '{"choices": [{}]}']
)
@pytest.mark.parametrize("structured", ["auto", "json_schema", "text"])
def test_a_body_that_is_no_completion_is_an_error_at_most(server: OpenAIServer, body: str, structured: str) -> None:
    for content_type in ("application/json", "text/html"):
        server.script = [Reply(body=body, headers={"content-type": content_type})] * 3
        with suppress(ReasonerError):
            assert isinstance(asked(server, structured=structured).text, str)


# --- what cannot be asked ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["nonsense:some-model", "some-model-of-nobody", ":"])
def test_an_unknown_provider_is_a_wrong_configuration(name: str) -> None:
    with pytest.raises(ConfigError, match=r"expected .*; got .*; ") as caught:
        LangChainModel(name, key=KEY).complete(MESSAGES, SCHEMA, "key")
    assert KEY not in str(caught.value)


def test_a_provider_without_its_key_is_a_wrong_configuration() -> None:
    with pytest.raises(ConfigError, match="key"):
        LangChainModel("openai:test-model").complete(MESSAGES, SCHEMA, "key")


def test_a_server_that_is_not_there_is_an_error_after_every_try(caplog: pytest.LogCaptureFixture) -> None:
    chat = LangChainModel("openai:test-model", base_url="http://127.0.0.1:9/v1", first_wait=0.01, tries=2, timeout=1)
    with pytest.raises(ReasonerError, match=r"127\.0\.0\.1:9/v1"):
        chat.complete(MESSAGES, SCHEMA, "key")
    assert "try 2 of 2 follows" in caplog.text


def test_requests_keep_to_their_rate(server: OpenAIServer) -> None:
    chat = model(server, requests_per_second=5)
    began = time.perf_counter()
    for _ in range(4):
        chat.complete(MESSAGES, SCHEMA, "key")
    assert time.perf_counter() - began > 0.5  # three intervals of 0.2 s, less the first token
