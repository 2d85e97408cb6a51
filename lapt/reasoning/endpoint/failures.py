"""Providers' errors in place of an answer: their words, whether to ask again, and advice for a person."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Any

from lapt.base.shipped import table_beside
from lapt.reasoning.endpoint.addresses import without_login

SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
"""Names of environment variables whose values are never shown."""
_TRANSIENT = {408, 409, 425, 429, 500, 502, 503, 504, *range(520, 531)}
_CUT = {"TimeoutError", "ConnectionError", "TransportError", "APIConnectionError", "JSONDecodeError"}
"""Names of errors, of any client, after which the same request may succeed."""
_MAY_BE_THE_SCHEMA = (400, 404, 422, 500, 501)
"""Status codes with which servers refuse a JSON Schema, among other things."""

_TABLE = table_beside(__name__)
_SUBJECTS: dict[str, str] = {
    name: "|".join(one["patterns"]) for name, one in _TABLE["subjects"].items() if "patterns" in one
}
_OF_A_SERVER_ERROR = ("quota", "schema", "context")
"""Subjects that a server error may have. Other words in it give no reason."""
_REMEDIES = {name: one["remedy"] for name, one in _TABLE["subjects"].items()}
_OF_STATUS = _TABLE["statuses"]
_RUN_AGAIN = "check the model and base_url, or run again later: what is recorded is not asked again"

_PAGE = re.compile(r"<(!doctype|html|head|body)\b.*", re.IGNORECASE | re.DOTALL)
_QUOTES = " '\"."
"""Quotes around a page in LangChain's messages, as in Python texts."""
_EVENTS = re.compile(r"(^|')(data|event): ?")


class Failure(Exception):
    """A request without an answer. ``about``: a key of ``_REMEDIES``, if the subject is known."""

    def __init__(
        self,
        words: str,
        *,
        status: int | None = None,
        about: str | None = None,
        transient: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(words if status is None else f"{status} - {words}")
        self.status, self.about, self.transient, self.retry_after = status, about, transient, retry_after

    @property
    def may_be_the_schema(self) -> bool:
        """Whether the same request might be answered without a JSON Schema."""
        return self.about == "schema" or (self.about is None and self.status in _MAY_BE_THE_SCHEMA)

    @property
    def remedy(self) -> str:
        return str(_REMEDIES[self.about] if self.about else _OF_STATUS.get(self.status, _RUN_AGAIN))


def failure_of(error: Exception, streaming: bool) -> Failure:
    """The failure behind any client's error: a refusal, a cut connection, or an answer that is no chat completion.

    ``streaming``: whether the reply was asked for piece by piece.
    """
    response = getattr(error, "response", None)
    told = _told(_document(error, response))
    status = _status(error, response, told)
    if told is None:
        sent = _sent(error, response)
        if status is None or _PAGE.search(sent):
            return _untold(error, sent, status, streaming)
        told = {"message": _line(sent) or "no more is said"}
    words, names = told["message"], " ".join(str(told.get(name)) for name in ("param", "code", "type"))
    about, retry_after = _about(names, words, status), _retry_after(response)
    if about == "quota" and not re.search(_SUBJECTS["quota"], names, re.IGNORECASE):
        soon = retry_after is not None or re.search(r"retry.{0,10}\d|per (minute|second)", words, re.IGNORECASE)
        about = None if soon else about  # a quota of the minute is no spent account
    transient = about is None and (status is None or status in _TRANSIENT)
    return Failure(words, status=status, about=about, transient=transient, retry_after=retry_after)


def _document(error: Exception, response: Any) -> Any:
    """The server's answer, decoded if it is JSON."""
    body = getattr(error, "body", None)
    if body is None and error.args and isinstance(error.args[0], dict):  # LangChain, over an error in an answer
        body = error.args[0]
    if body is None and hasattr(response, "json"):
        with suppress(ValueError, RuntimeError):  # no JSON; a stream that was not read
            body = response.json()
    return body


def _told(document: Any) -> dict[str, Any] | None:
    """message, code, type and param of an error in servers' usual form; None for anything else."""
    if isinstance(document, list) and document:
        document = document[0]
    if not isinstance(document, dict):
        return None
    told = document.get("error") or document
    if not isinstance(told, dict):
        return {"message": _line(told)}
    message = told.get("message") or document.get("message") or document.get("detail")
    return {**told, "message": _line(message)} if message else None


def _status(error: Exception, response: Any, told: dict[str, Any] | None) -> int | None:
    """The HTTP status. For an error inside of an answer, the code that takes its place."""
    said = (getattr(error, "status_code", None), getattr(response, "status_code", None), (told or {}).get("code"))
    numbers = [int(one) for one in said if isinstance(one, int) or (isinstance(one, str) and one.isdecimal())]
    return next((number for number in numbers if 400 <= number < 600), None)


def _about(names: str, words: str, status: int | None) -> str | None:
    subjects = _SUBJECTS
    if status == 429:
        subjects = {"quota": _SUBJECTS["quota"]}
    elif status is not None and status >= 500:
        subjects = {name: _SUBJECTS[name] for name in _OF_A_SERVER_ERROR}
    for text in (names, words):
        for name, pattern in subjects.items():
            if re.search(pattern, text, re.IGNORECASE):
                return name
    named = not names.startswith("None") and status is not None and status < 429
    return "parameter" if named else None


def _untold(error: Exception, sent: str, status: int | None, streaming: bool) -> Failure:
    """The failure for an error without a message of the server: a page, a stream, or an empty answer."""
    if page := _PAGE.search(sent):
        words = _line(f"an HTML page: {re.sub('<[^>]*>', ' ', page[0]).rstrip(_QUOTES)}")
        about = "page" if status in (None, 404) else None
        return Failure(words, status=status, about=about, transient=status in _TRANSIENT)
    if _EVENTS.search(sent) and not streaming:
        return Failure("the answer is streamed, which was not asked for", about="stream")
    names = {base.__name__ for base in type(error).__mro__}
    if "unexpected keyword argument" in str(error):
        return Failure(_line(error), about="parameter")
    if names & _CUT:
        return Failure(f"{type(error).__name__}: {_line(error)}{_cause(error)}", transient=True)
    if isinstance(error, AssertionError | AttributeError | LookupError | TypeError | ValueError):  # over what was sent
        if streaming:
            return Failure("nothing is streamed", about="stream")
        return Failure(f"the answer is no chat completion ({type(error).__name__}: {_line(error)})", transient=True)
    return Failure(f"{type(error).__name__}: {_line(error)}{_cause(error)}")


def _sent(error: Exception, response: Any) -> str:
    for text in (getattr(error, "body", None), getattr(error, "message", None)):
        if isinstance(text, str) and (_PAGE.search(text) or _EVENTS.search(text)):
            return text
    try:
        return str(response.text)
    except (AttributeError, RuntimeError, ValueError):
        return str(error)


def _cause(error: BaseException) -> str:
    """The cause behind a client's own words, such as a refused connection."""
    behind = error
    while behind.__cause__ is not None:
        behind = behind.__cause__
    return f" ({_line(behind)})" if behind is not error and str(behind) not in str(error) else ""


def _retry_after(response: Any) -> float | None:
    """Seconds to wait, as the server asks."""
    try:
        return float(response.headers["retry-after"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _line(text: object) -> str:
    return " ".join(str(text).split())


def shown(text: object, key: str | None = None) -> str:
    """A text on one line, without ``key``, the secrets of the environment and logins."""
    line = without_login(_line(text))
    secrets = {key or "", *(value.strip() for name, value in os.environ.items() if SECRET.search(name))}
    for secret in sorted(secrets, key=len, reverse=True):  # one may begin as another does
        if len(secret) >= 8:
            line = line.replace(secret, "***")
    return line[:300]
