"""The key that a pipeline's model is asked with: by the declaration, and by the machine that asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from openai_server import OpenAIServer, serving

from flows.build import caller_of
from lapt.errors import ConfigError
from lapt.pipeline.config import Execution
from lapt.reasoning.config import ChatReasoner
from lapt.reasoning.endpoint.calls import Message

pytest.importorskip("langchain_openai")

SCHEMA = {"title": "T", "description": "t", "type": "object", "properties": {}, "required": []}
ENVIRONMENT = {"OPENAI_API_KEY": "sk-own-123456\n", "AWS_SECRET_ACCESS_KEY": "aws-123456", "TEAM_KEY": " team-123456\n"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "LAPT_ALLOW_KEYS", "LAPT_ALLOW_KEY_BLOCKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with serving() as running:
        yield running


def sent(server: OpenAIServer, store: Path, **declared: object) -> str:
    """The Authorization header of a request."""
    config = ChatReasoner.model_validate({"kind": "chat", "model": "openai:m", **declared})
    caller = caller_of(config, Execution(store=str(store)), "run", sample=0)
    caller.model.complete([Message("user", "How many?")], SCHEMA, "key")
    request = server.requests[-1]
    assert "aws-123456" not in f"{request.headers} {request.body}"
    return request.headers["authorization"]


def test_the_providers_own_key_goes_where_the_operator_says_and_nowhere_else(
    server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sent(server, tmp_path, base_url=server.url) == "Bearer none"
    with pytest.raises(ConfigError, match="export OPENAI_BASE_URL="):
        sent(server, tmp_path, base_url=server.url, key_env="OPENAI_API_KEY")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    assert sent(server, tmp_path) == "Bearer sk-own-123456"
    assert sent(server, tmp_path, base_url=server.url) == "Bearer sk-own-123456"
    assert sent(server, tmp_path, base_url=server.url.replace("127.0.0.1", "localhost")) == "Bearer none"


def test_what_the_operator_does_not_list_is_not_read(
    server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for listed in ("", "OTHER_*"):
        monkeypatch.setenv("LAPT_ALLOW_KEYS", listed)
        with pytest.raises(ConfigError, match=r"export LAPT_ALLOW_KEYS=.*AWS_SECRET_ACCESS_KEY"):
            sent(server, tmp_path, base_url=server.url, key_env="AWS_SECRET_ACCESS_KEY")
        with pytest.raises(ConfigError, match="export LAPT_ALLOW_KEY_BLOCKS=llm-key"):
            sent(server, tmp_path, base_url=server.url, key_block="llm-key")
    assert not server.requests
    monkeypatch.setenv("LAPT_ALLOW_KEYS", "OTHER_*,TEAM_KEY")
    assert sent(server, tmp_path, base_url=server.url, key_env="TEAM_KEY") == "Bearer team-123456"


def test_a_replay_needs_no_key(server: OpenAIServer, tmp_path: Path) -> None:
    config = ChatReasoner(kind="chat", model="openai:m", key_env="AWS_SECRET_ACCESS_KEY")
    caller_of(config, Execution(store=str(tmp_path), replies="replay"), "run", sample=0)
