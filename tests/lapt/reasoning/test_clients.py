"""A client takes from the environment only the variables of its server, and no secret of another."""

from __future__ import annotations

import os
from typing import Any

import pytest
from openai_server import OpenAIServer
from small_archives import SPACE

from lapt.errors import ConfigError
from lapt.reasoning.endpoint.calls import Message
from lapt.reasoning.endpoint.clients import client_of
from lapt.reasoning.endpoint.models import LangChainModel
from lapt.reasoning.language.replies import LEARN, principles_schema
from lapt.reasoning.language.vocabulary import Vocabulary

pytest.importorskip("langchain_openai")

SCHEMA = principles_schema(SPACE, Vocabulary.plain(SPACE), LEARN)
NOWHERE = "http://127.0.0.1:9"
SECRETS = {
    name: f"secret-of-{name}"
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN", "TEAM_SECRET")
}


@pytest.fixture(autouse=True)
def _no_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_VERSION", "AZURE_OPENAI_ENDPOINT", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", *SECRETS):
        monkeypatch.delenv(name, raising=False)


def asked(base_url: str | None, model: str = "openai:test-model", **more: Any) -> None:
    chat = LangChainModel(model, base_url, tries=1, timeout=5, **more)
    chat.complete([Message("system", "You count."), Message("user", "How many?")], SCHEMA, "key")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
@pytest.mark.parametrize(
    "environment",
    [
        {"HTTP_PROXY": NOWHERE},
        {"http_proxy": NOWHERE, "https_proxy": NOWHERE, "NO_PROXY": "example.com"},
        {"ALL_PROXY": "socks5://127.0.0.1:9"},
        {"all_proxy": "socks5h://127.0.0.1:9", "HTTPS_PROXY": "no address"},
        {"HTTP_PROXY": NOWHERE, "NO_PROXY": "[::1],fe80::/10,::1,*.x"},
        {"SSL_CERT_FILE": "/no/such/file"},
        {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": "", "HTTP_PROXY": "", "OPENAI_ORG_ID": ""},
    ],
    ids=lambda environment: " ".join(environment),
)
def test_a_server_on_this_machine_is_reached_whatever_the_environment_says(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, host: str, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    asked(server.url.replace("127.0.0.1", host))
    assert server.requests[0].headers["authorization"] == "Bearer none"
    assert dict(os.environ) == before


def test_an_operators_address_on_this_machine_is_behind_no_proxy(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", NOWHERE)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-operator")
    asked(None)
    assert server.requests[0].headers["authorization"] == "Bearer sk-of-the-operator"


@pytest.mark.parametrize("no_proxy", [None, "[::1],fe80::/10,::1"])
def test_any_other_server_is_asked_by_the_proxy(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, no_proxy: str | None
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
    if no_proxy:
        monkeypatch.setenv("NO_PROXY", no_proxy)
    host = f"{server.server_port}.llm.example"  # LangChain keeps a connection for each address
    asked(f"http://{host}/v1")
    assert server.requests[0].path == f"http://{host}/v1/chat/completions"


@pytest.mark.parametrize("model", ["openai:m", "azure_openai:m"])
@pytest.mark.parametrize("key", [None, "the-key-of-that-server"])
@pytest.mark.parametrize("at", ["another machine", "this machine"])
def test_a_server_that_is_not_the_providers_own_is_sent_no_secret_of_the_environment(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, model: str, key: str | None, at: str
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
    address = f"http://{server.server_port}.llm.example/v1" if at == "another machine" else server.url
    asked(address, model, key=key, api_version="2024-10-21" if model.startswith("azure") else None)
    (request,) = server.requests
    sent = {request.headers.get("authorization"), request.headers.get("api-key")} - {None}
    assert sent == ({key or "none"} if model.startswith("azure") else {f"Bearer {key or 'none'}"})
    assert "secret-of" not in f"{request.path} {request.headers} {request.body}"


def test_an_empty_variable_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_ORG_ID", "OPENAI_PROXY", "HTTPS_PROXY", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "")
    client = client_of("openai:m", None, "k", None).root_client
    assert str(client.base_url) == "https://api.openai.com/v1/"
    assert client.organization is None


# --- what is missing -----------------------------------------------------------------------------------------------
def test_an_empty_key_of_the_provider_is_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(ConfigError, match=r"expected the key of openai:m .* export OPENAI_API_KEY="):
        LangChainModel("openai:m").ready()


def test_certificates_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    with pytest.raises(ConfigError, match=r"No such file.*mend or unset SSL_CERT_FILE=/no/such/file"):
        LangChainModel("openai:m", "https://llm.example/v1").ready()


def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "nonsense://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"expected a proxy .* mend ALL_PROXY"):
        LangChainModel("openai:m", "https://llm.example/v1").ready()


def test_an_operators_address_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "llm.example")
    with pytest.raises(ConfigError, match=r"'llm\.example': an address begins with http"):
        LangChainModel("openai:m", key="k").ready()


def test_azure_without_its_version_or_endpoint_says_which_key_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"say reasoner\.api_version, or export OPENAI_API_VERSION"):
        LangChainModel("azure_openai:m", "https://mine.openai.azure.com", key="k").ready()
    with pytest.raises(ConfigError, match=r"say reasoner\.base_url, or export AZURE_OPENAI_ENDPOINT"):
        LangChainModel("azure_openai:m", key="k", api_version="1").ready()
