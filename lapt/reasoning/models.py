"""Chat models by LangChain: any provider that ``init_chat_model`` knows, any server that speaks OpenAI's protocol."""

from __future__ import annotations

import json
import logging
import math
import os
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential, wait_random

from lapt.errors import ConfigError, LaptError
from lapt.reasoning.calls import Completion, Message, ReasonerError
from lapt.reasoning.templates import section

T = TypeVar("T")
Structured = Literal["auto", "json_schema", "text"]
_log = logging.getLogger("lapt.reasoning")
_BAD_REQUEST = (400, 422)
"""How a provider refuses a JSON Schema. A request that is bad for another reason is refused in plain text again."""
_CUT = {"TimeoutError", "ConnectionError", "TransportError", "APIConnectionError", "JSONDecodeError"}
"""Names of errors, of any client, after which the same request may succeed."""
LONGEST_WAIT = 60.0
"""Seconds between two tries, whatever a server asks for."""
NO_KEY = "none"
"""What a server of one's own is sent where there is no key: clients insist on one."""
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
_TRANSIENT = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_LOGIN = re.compile(r"""(?<=://)[^\s"'<>]*@""")


def without_login(text: str) -> str:
    """``http://user:password@host`` in a text as ``http://***@host``."""
    return _LOGIN.sub("***@", text)


@dataclass(frozen=True)
class LangChainModel:
    """``model`` is ``provider:name`` as ``init_chat_model`` takes it, such as ``openai:gpt-4o``.

    ``base_url``: a server of one's own (vLLM, Ollama, llama.cpp). ``structured``: by JSON Schema through the provider,
    or by a schema written into the prompt; auto tries the first and goes over to the second where it is refused.
    ``tries``: on rate limits, server errors, timeouts and cut connections, with growing waits between them.
    ``key``, and a password in ``base_url``: given to the client alone; they stand in no error, log or recording.
    """

    model: str
    base_url: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    timeout: float = 300.0
    tries: int = 5
    requests_per_second: float | None = None
    structured: Structured = "auto"
    key: str | None = None
    first_wait: float = 1.0

    def __repr__(self) -> str:
        return f"LangChainModel({self.model!r})"

    @property
    def name(self) -> str:
        return self.model

    @property
    def parameters(self) -> dict[str, Any]:
        return {"temperature": self.temperature, "max_tokens": self.max_tokens, "structured": self.structured}

    def ready(self) -> None:
        """Raises ConfigError for a model that cannot be asked: a package, key or provider that is not there."""
        _ = self._client

    def complete(self, messages: Sequence[Message], schema: dict[str, Any], key: str) -> Completion:
        """Raises ReasonerError: no such provider, a refused key, no answer after every try."""
        if self.structured != "text" and not self._state.refused:
            try:
                return self._tried(lambda: self._asked(messages, schema))
            except _Refused as refused:
                if self.structured == "json_schema":
                    raise self._failed(refused.error) from None
                _log.warning("%s takes no JSON Schema; the schema goes into the prompt", self.model)
                self._state.refused = True
        *before, last = messages
        asked = Message(last.role, last.text + section("schema", schema=json.dumps(schema)))
        return self._tried(lambda: self._asked([*before, asked], None))

    # --- one request -------------------------------------------------------------------------------------------------
    def _asked(self, messages: Sequence[Message], schema: dict[str, Any] | None) -> Completion:
        said = [(message.role, message.text) for message in messages]
        asks = self._client
        if schema is not None:
            try:
                # The first step alone: the parser behind it takes minutes over 100 KB of text that is no JSON.
                asks = asks.with_structured_output(schema, method="json_schema").first
            except (AttributeError, NotImplementedError, TypeError, ValueError) as error:  # a model that has none
                raise _Refused(error) from None
        try:
            reply = asks.invoke(said)
        except (AttributeError, KeyError, TypeError) as error:  # the client, over a body that is no completion
            raise _NoCompletion(f"the answer is no chat completion ({type(error).__name__}: {error})") from None
        except Exception as error:
            cut = getattr(error, "completion", None)  # openai.LengthFinishReasonError
            if cut is not None:
                return _cut_off(cut)
            if schema is not None and getattr(error, "status_code", None) in _BAD_REQUEST:
                raise _Refused(error) from None
            raise
        usage = reply.usage_metadata or {}
        return Completion(_text(reply.content), usage.get("input_tokens"), usage.get("output_tokens"))

    def _tried(self, ask: Callable[[], T]) -> T:
        retrying = Retrying(
            retry=retry_if_exception(_is_transient),
            stop=stop_after_attempt(self.tries),
            wait=self._wait,
            before_sleep=self._say,
            reraise=True,
        )
        try:
            return retrying(ask)
        except (_Refused, LaptError):
            raise
        except Exception as error:  # noqa: BLE001 - every provider's client has errors of its own
            raise self._failed(error) from None

    def _wait(self, state: RetryCallState) -> float:
        """What the server asks for by Retry-After, else exponential with jitter."""
        assert state.outcome is not None
        response = getattr(state.outcome.exception(), "response", None)
        try:
            asked = float(response.headers["retry-after"])  # type: ignore[union-attr]
        except (AttributeError, KeyError, TypeError, ValueError):
            growing = wait_exponential(self.first_wait, LONGEST_WAIT) + wait_random(0, self.first_wait)
            asked = growing(state)
        return min(max(asked, 0.0), LONGEST_WAIT) if math.isfinite(asked) else LONGEST_WAIT

    def _say(self, state: RetryCallState) -> None:
        assert state.outcome is not None
        text = self._said(state.outcome.exception())
        _log.warning("%s: %s; try %d of %d follows", self.model, text, state.attempt_number + 1, self.tries)

    def _failed(self, error: BaseException) -> ReasonerError:
        status = getattr(error, "status_code", None)
        remedy = {
            401: "check the key (reasoner.key_env names its environment variable)",
            403: "check what the key may use",
            404: "check the model's name and base_url",
        }.get(status or 0, "check the model and base_url, or run again later: what is recorded is not asked again")
        return ReasonerError(
            f"a reply of {self.model}{f' at {without_login(self.base_url)}' if self.base_url else ''}",
            self._said(error),
            remedy,
        )

    def _said(self, error: BaseException | None) -> str:
        """The error on one line, without the key and without logins."""
        text = without_login(" ".join(f"{type(error).__name__}: {error}".split()))
        for secret in {self.key, *(os.environ[name] for name in os.environ if _SECRET.search(name))}:
            if secret and len(secret) >= 8:
                text = text.replace(secret, "***")
        return text[:300]

    # --- the client --------------------------------------------------------------------------------------------------
    @cached_property
    def _state(self) -> _State:
        return _State()

    @cached_property
    def _client(self) -> Any:
        try:
            from langchain.chat_models import init_chat_model
            from langchain_core.rate_limiters import InMemoryRateLimiter
        except ImportError:
            raise ConfigError(
                "langchain, to ask a language model", "an environment without it", "pip install 'lapt[llm]'"
            ) from None
        limiter = None
        if self.requests_per_second:
            limiter = InMemoryRateLimiter(requests_per_second=self.requests_per_second, check_every_n_seconds=0.01)
        given: dict[str, Any] = {
            **self._address(),
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "api_key": self.key or (NO_KEY if self.base_url and "OPENAI_API_KEY" not in os.environ else None),
            "rate_limiter": limiter,
        }
        try:
            return init_chat_model(
                self.model, timeout=self.timeout, max_retries=0, **{k: v for k, v in given.items() if v is not None}
            )
        except ImportError as error:
            raise ConfigError(f"the package of {self.model}", self._said(error), "install it") from None
        except Exception as error:  # noqa: BLE001 - as above
            if re.search("api.?key|credential", str(error), re.IGNORECASE):
                raise ConfigError(
                    f"the key of {self.model} in its provider's environment variable",
                    self._said(error),
                    "export it, or name another variable as reasoner.key_env",
                ) from None
            raise ConfigError(
                "provider:model as LangChain's init_chat_model takes it, such as openai:gpt-4o",
                f"{self.model!r}: {self._said(error)}",
                "correct the name",
            ) from None

    def _address(self) -> dict[str, Any]:
        """``base_url`` with its login as a header: what is part of an address is written into logs."""
        address = urlsplit(self.base_url or "")
        login, at, host = address.netloc.rpartition("@")
        if not at:
            return {"base_url": self.base_url}
        basic = b64encode(unquote(login).encode()).decode()
        headers = {"Authorization": f"Basic {basic}"}
        return {"base_url": address._replace(netloc=host).geturl(), "default_headers": headers}


class _State:
    refused = False
    """Has the provider refused the JSON Schema once?"""


class _Refused(Exception):
    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__(str(error))


class _NoCompletion(Exception):
    """A server that answered something else: it may be starting, or a proxy may speak in its place."""


def _is_transient(error: BaseException) -> bool:
    """Rate limits, server errors, timeouts, cut connections: of any provider, by what their clients have in common."""
    if isinstance(error, _NoCompletion):
        return True
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return status in _TRANSIENT
    names = {base.__name__ for base in type(error).__mro__}
    return bool(names & _CUT)


def _text(content: Any) -> str:
    """The text of a message, whose content is a string or a list of blocks."""
    if isinstance(content, str):
        return content
    return "".join(block if isinstance(block, str) else str(block.get("text", "")) for block in content or ())


def _cut_off(completion: Any) -> Completion:
    """A reply that ended at the limit of tokens: its text as far as it went, which the reader will refuse."""
    text = completion.choices[0].message.content or "" if completion.choices else ""
    usage = completion.usage
    return Completion(text, getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None))
