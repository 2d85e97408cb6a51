"""Chat models through LangChain: any provider of ``init_chat_model``, any server with OpenAI's protocol."""

from __future__ import annotations

import json
import logging
import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Any, Literal

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential, wait_random

from lapt.reasoning.endpoint.addresses import without_login
from lapt.reasoning.endpoint.calls import Completion, Message, ReasonerError
from lapt.reasoning.endpoint.clients import client_of
from lapt.reasoning.endpoint.endings import unusual
from lapt.reasoning.endpoint.failures import Failure, failure_of, shown
from lapt.reasoning.endpoint.keys import ALLOWED, is_its_own
from lapt.reasoning.endpoint.providers import provider_of
from lapt.reasoning.prompts.templates import section

Structured = Literal["auto", "json_schema", "text"]
_log = logging.getLogger("lapt.reasoning")
LONGEST_WAIT = 60.0
"""Longest wait between two tries, in seconds, even if a server asks for more."""


@dataclass(frozen=True)
class LangChainModel:
    """A chat model. ``model`` is ``provider:name`` as for ``init_chat_model``, such as ``openai:gpt-4o``.

    ``base_url``: a server of one's own (vLLM, Ollama, llama.cpp), or Azure's endpoint, with its ``api_version``.
    ``structured``: by JSON Schema through the provider, or by a schema written into the prompt; auto tries the first
    and changes to the second if it is refused. ``tries``: on rate limits, server errors, timeouts and cut connections,
    with growing waits between them. ``extra_body``: additions to a request. ``system_message``: the role as a separate
    message, or before the first prompt. ``streaming``: the reply is asked for piece by piece. ``key``, and a password
    in ``base_url``: given to the client alone; they are in no error, log or recording.
    """

    model: str
    base_url: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    timeout: float = 300.0
    tries: int = 5
    requests_per_second: float | None = None
    structured: Structured = "auto"
    extra_body: dict[str, Any] | None = None
    system_message: bool = True
    streaming: bool = False
    api_version: str | None = None
    key: str | None = None
    first_wait: float = 1.0

    def __repr__(self) -> str:
        return f"LangChainModel({self.model!r})"

    @property
    def name(self) -> str:
        return self.model

    @property
    def parameters(self) -> dict[str, Any]:
        """Settings by which recordings are found. Settings that are newer are left out at their defaults."""
        known: dict[str, Any] = {
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "structured": self.structured,
        }
        if self.extra_body:
            known["extra_body"] = self.extra_body
        if not self.system_message:
            known["system_message"] = False
        return known

    def ready(self) -> None:
        """Raises ConfigError for a model that cannot be asked: a package, key or provider that is not there."""
        _ = self._client

    def complete(self, messages: Sequence[Message], schema: dict[str, Any], key: str) -> Completion:
        """Ask the model. Raises ReasonerError: no such provider, a refused key, no answer after every try."""
        try:
            return self._complete(messages, schema)
        except Failure as failure:
            raise self._error(failure) from None

    def _complete(self, messages: Sequence[Message], schema: dict[str, Any]) -> Completion:
        *before, last = messages
        in_words = [*before, Message(last.role, last.text + section("schema", schema=json.dumps(schema)))]
        if self.structured == "text" or self._state.refused:
            return self._tried(lambda: self._asked(in_words, None), self.tries)
        forced = self.structured == "json_schema"
        try:
            return self._tried(lambda: self._asked(messages, schema), self.tries, spare_schema=not forced)
        except Failure as failure:
            if forced or not failure.may_be_the_schema:
                raise
            # A server in trouble gets no more requests than it would.
            completion = self._tried(lambda: self._asked(in_words, None), max(1, self.tries - failure.transient))
            _log.warning("%s takes no JSON Schema (%s); it goes into the prompt", self.model, self._shown(failure))
            self._state.refused = True
            return completion

    # --- one request -------------------------------------------------------------------------------------------------
    def _asked(self, messages: Sequence[Message], schema: dict[str, Any] | None) -> Completion:
        """One request. Raises Failure."""
        asks = self._client
        more = {"extra_body": self.extra_body} if self.extra_body else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # clients warn of what is handled here
            try:
                if schema is not None:
                    # The first step alone: the parser behind it takes minutes over 100 KB of text that is no JSON.
                    asks = asks.with_structured_output(schema, method="json_schema").first
            except (AttributeError, NotImplementedError, TypeError, ValueError) as error:  # a model that has none
                raise Failure(shown(error), about="schema") from None
            try:
                if self.streaming:
                    return _completion(reduce(add, asks.stream(self._said(messages), **more)))
                return _completion(asks.invoke(self._said(messages), **more))
            except Exception as error:  # noqa: BLE001 - every provider's client has errors of its own
                cut = getattr(error, "completion", None)  # OpenAI's, over a reply to a schema that ended early
                if cut is not None:
                    return _unfinished(cut)
                raise failure_of(error, self.streaming) from None

    def _said(self, messages: Sequence[Message]) -> list[tuple[str, str]]:
        if self.system_message or messages[0].role != "system":
            return [(message.role, message.text) for message in messages]
        role, first, *rest = messages
        return [(first.role, f"{role.text}\n{first.text}"), *((message.role, message.text) for message in rest)]

    def _tried(self, ask: Callable[[], Completion], tries: int, spare_schema: bool = False) -> Completion:
        """Requests until one is answered. ``spare_schema``: do not try again if the schema may be at fault."""

        def may_pass(error: BaseException) -> bool:
            return isinstance(error, Failure) and error.transient and not (spare_schema and error.may_be_the_schema)

        retrying = Retrying(
            retry=retry_if_exception(may_pass),
            stop=stop_after_attempt(tries),
            wait=self._wait,
            before_sleep=self._say,
            reraise=True,
        )
        return retrying(ask)

    def _wait(self, state: RetryCallState) -> float:
        """Wait as long as the server's Retry-After says, else exponentially with jitter."""
        assert state.outcome is not None
        asked = getattr(state.outcome.exception(), "retry_after", None)
        if asked is None:
            asked = (wait_exponential(self.first_wait, LONGEST_WAIT) + wait_random(0, self.first_wait))(state)
        return min(max(asked, 0.0), LONGEST_WAIT) if math.isfinite(asked) else LONGEST_WAIT

    def _say(self, state: RetryCallState) -> None:
        assert state.outcome is not None
        text = self._shown(state.outcome.exception())
        _log.warning("%s: %s; try %d of %d follows", self.model, text, state.attempt_number + 1, self.tries)

    def _error(self, failure: Failure) -> ReasonerError:
        address, remedy = self.base_url, failure.remedy
        if failure.status == 401 and self._without_key:
            remedy = (
                "this server is not the provider's own and was sent no key: name a variable with its key as "
                f"reasoner.key_env, and list it in {ALLOWED}"
            )
        elif failure.about == "stream":
            remedy = f"say reasoner.streaming={str(not self.streaming).lower()}"
        return ReasonerError(
            f"a reply of {self.model}{f' at {without_login(address)}' if address else ''}",
            self._shown(failure),
            remedy,
        )

    @property
    def _without_key(self) -> bool:
        address = self.base_url or ""
        return not (self.key or "@" in address or is_its_own(provider_of(self.model), self.base_url, os.environ))

    def _shown(self, error: object) -> str:
        return shown(error, self.key)

    # --- the client --------------------------------------------------------------------------------------------------
    @cached_property
    def _state(self) -> _State:
        return _State()

    @cached_property
    def _client(self) -> Any:
        limiter = None
        if self.requests_per_second:
            from langchain_core.rate_limiters import InMemoryRateLimiter

            limiter = InMemoryRateLimiter(requests_per_second=self.requests_per_second, check_every_n_seconds=0.01)
        client = client_of(
            self.model,
            self.base_url,
            self.key,
            self.api_version,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            timeout=self.timeout,
            max_retries=0,
            rate_limiter=limiter,
        )
        if self.streaming and hasattr(client, "stream_usage"):
            client.stream_usage = True  # by itself LangChain asks OpenAI's own server alone for the tokens of a stream
        return client


class _State:
    refused = False
    """Whether the provider has refused the JSON Schema once."""


def _completion(reply: Any) -> Completion:
    """The completion in a client's answer. Only text is the answer: thinking is in blocks of other types, a refusal in
    words."""
    said, meta, usage = reply.additional_kwargs, reply.response_metadata, reply.usage_metadata or {}
    finish = (meta.get("incomplete_details") or {}).get("reason")  # OpenAI's Responses
    finish = finish or next((meta[name] for name in _FINISH if meta.get(name)), None)
    text = str(reply.text)
    calls = [json.dumps(call["args"]) for call in reply.tool_calls]
    calls += [call["args"] or "" for call in reply.invalid_tool_calls]
    if not text and said.get("refusal"):
        text, finish = said["refusal"], "refusal"
    elif not text and calls:
        text, finish = "\n".join(calls), "tool_calls"
    return Completion(text, usage.get("input_tokens"), usage.get("output_tokens"), unusual(finish))


_FINISH = ("finish_reason", "stop_reason", "stopReason", "done_reason")
"""Fields in which providers give the reason for a reply's end."""


def _unfinished(completion: Any) -> Completion:
    """The part of a cut reply that OpenAI's client has received."""
    choice, usage = (completion.choices or [None])[0], completion.usage
    text, finish = (choice.message.content or "", choice.finish_reason) if choice else ("", None)
    tokens = getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)
    return Completion(text, *tokens, unusual(finish))
