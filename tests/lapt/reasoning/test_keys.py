"""Keys of servers: a provider's own goes to the provider alone, others where the machine's operator lists them."""

from __future__ import annotations

import pytest

from lapt.errors import ConfigError
from lapt.reasoning.config import ChatReasoner
from lapt.reasoning.endpoint.addresses import Server
from lapt.reasoning.endpoint.keys import check_block, is_its_own, key_from_variable
from lapt.reasoning.endpoint.providers import PROVIDERS

OWN = "https://api.openai.com/v1"
ELSEWHERE = "https://llm.example/v1"
SET = {
    "OPENAI_API_KEY": "sk-own\n",
    "GROQ_API_KEY": "gk",
    "TEAM_KEY": " tk ",
    "AWS_SECRET_ACCESS_KEY": "aws",
    "NO_KEY": " ",
}


def key(
    named: str | None = None, base_url: str | None = None, model: str = "openai:m", **environment: str
) -> str | None:
    return key_from_variable(model, base_url, named, SET | environment)


def refused(named: str | None, base_url: str | None = None, model: str = "openai:m", **environment: str) -> str:
    with pytest.raises(ConfigError) as caught:
        key(named, base_url, model, **environment)
    assert not any(secret.strip() in str(caught.value) for secret in ("sk-own", "aws"))
    return str(caught.value)


# --- whose server it is --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "address",
    [
        *(OWN, "https://API.OpenAI.com./v1", "https://api.openai.com:443/v1", "https://eu.api.openai.com/v1"),
        *("https://user:password@api.openai.com/v1", "https://api.openai.com"),
    ],
)
def test_an_address_is_the_providers_by_its_host(address: str) -> None:
    assert is_its_own("openai", address, {})
    assert key(base_url=address) == "sk-own"


@pytest.mark.parametrize(
    "address",
    [
        ELSEWHERE,
        "https://api.openai.com@llm.example/v1",
        "https://api.openai.com:443@llm.example/v1",
        "https://llm.example/v1#@api.openai.com",
        "https://llm.example/?api.openai.com",
        "https://llm.example/api.openai.com",
        "https://api.openai.com.llm.example/v1",
        "https://xapi.openai.com/v1",
        "https://openai.com/v1",
        "https://api.openai.com:8443/v1",
        "http://api.openai.com/v1",
        "https://api.groq.com/openai/v1",
        "https://аpi.openai.com/v1",  # Cyrillic
        "http://127.0.0.1:8000/v1",
        "http://localhost:8000/v1",
        "http://[::1]:8000/v1",
    ],
)
def test_no_other_address_is_sent_the_providers_key(address: str) -> None:
    assert not is_its_own("openai", address, {})
    assert key(base_url=address) is None
    said = refused("OPENAI_API_KEY", address, LAPT_ALLOW_KEYS="*")
    assert "an address of openai's own for its key, OPENAI_API_KEY" in said
    assert "export OPENAI_BASE_URL=" in said
    assert "password" not in refused("OPENAI_API_KEY", address.replace("://", "://user:password@"))


@pytest.mark.parametrize(
    "address",
    [
        "https://llm.example\\@api.openai.com/v1",
        "https://llm.example%2f.api.openai.com",
        "https://llm.example\n.api.openai.com",
        "https://llm.example .api.openai.com",
        *("ftp://api.openai.com", "api.openai.com/v1", "https://", "https:///v1", "//x/y", "file:///etc/passwd"),
        *("https://api.openai.com:x/v1", "https://api.openai.com:99999/v1", "https://[::1/v1", "", "\t"),
    ],
)
def test_what_is_no_address_of_http_is_refused(address: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of the standard library too
        Server.at(address)
    with pytest.raises(ValueError, match="base_url"):
        ChatReasoner(kind="chat", model="openai:m", base_url=address)


@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "OPENAI_API_BASE"])
def test_an_address_that_the_operator_says_is_the_providers_own(variable: str) -> None:
    operators = {variable: "https://llm.example:443/other"}
    assert key(base_url=ELSEWHERE, **operators) == key("OPENAI_API_KEY", ELSEWHERE, **operators) == "sk-own"
    for other in ("http://llm.example/v1", "https://llm.example:8443/v1", "https://llm2.example/v1"):
        assert key(base_url=other, **operators) is None
    assert key(base_url=ELSEWHERE, **{variable: "no address"}) is None


def test_every_known_provider_has_a_key_and_hosts_of_its_own() -> None:
    for name, provider in PROVIDERS.items():
        for host in provider.hosts:
            address = f"https://{host.replace('*', 'mine')}/v1"
            assert key_from_variable(f"{name}:m", address, None, {provider.key: "k"}) == "k"
            assert key_from_variable("openai:m", address, provider.key, {provider.key: "k"}) == "k"
        assert key_from_variable(f"{name}:m", ELSEWHERE, None, {provider.key: "k"}) is None


# --- what a pipeline may name --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "named", ["AWS_SECRET_ACCESS_KEY", "TEAM_KEY", "PATH", "HOME", "PREFECT_API_KEY", "openai_api_key"]
)
@pytest.mark.parametrize("address", [None, OWN, ELSEWHERE, "http://127.0.0.1:1/v1"])
def test_a_variable_that_is_not_listed_is_refused_with_what_to_export(named: str, address: str | None) -> None:
    assert f"export LAPT_ALLOW_KEYS={named}" in refused(named, address)
    assert f"export LAPT_ALLOW_KEYS=OTHER,{named}" in refused(named, address, LAPT_ALLOW_KEYS="OTHER")
    assert refused(named, address, LAPT_ALLOW_KEYS=f"{named}_,X{named}")


@pytest.mark.parametrize("listed", ["TEAM_KEY", "OTHER, TEAM_KEY ,", "TEAM_*", "*"])
def test_a_listed_variable_is_sent_without_the_blanks_around_it(listed: str) -> None:
    assert key("TEAM_KEY", ELSEWHERE, LAPT_ALLOW_KEYS=listed) == "tk"


def test_an_empty_variable_is_unset() -> None:
    assert "a key in the environment variable NO_KEY; got none" in refused("NO_KEY", LAPT_ALLOW_KEYS="*")
    assert key(OPENAI_API_KEY="") is None
    assert "OPENAI_API_KEY; got none" in refused("OPENAI_API_KEY", OPENAI_API_KEY=" \n")


def test_the_key_of_one_provider_does_not_go_to_another() -> None:
    assert key("OPENAI_API_KEY") == key("OPENAI_API_KEY", OWN) == "sk-own"
    assert key("GROQ_API_KEY", "https://api.groq.com/openai/v1") == "gk"
    assert "the provider anthropic" in refused("OPENAI_API_KEY", model="anthropic:m")
    assert "an address of groq's own" in refused("GROQ_API_KEY", OWN)
    assert "an address of groq's own" in refused("GROQ_API_KEY")


def test_of_a_provider_that_is_not_known_the_client_looks_for_the_key() -> None:
    assert key(model="unheard_of:m", UNHEARD_OF_API_KEY="k") is None
    assert is_its_own("unheard_of", None, {})
    assert not is_its_own("unheard_of", "https://unheard.of", {})


def test_a_secret_block_is_listed_too() -> None:
    check_block("llm-key", {"LAPT_ALLOW_KEY_BLOCKS": "llm-*"})
    for environment in ({}, {"LAPT_ALLOW_KEYS": "*"}, {"LAPT_ALLOW_KEY_BLOCKS": "other"}):
        with pytest.raises(ConfigError, match=r"export LAPT_ALLOW_KEY_BLOCKS=(other,)?llm-key"):
            check_block("llm-key", environment)


# --- this machine --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("host", "here"),
    [
        *(("localhost", True), ("LOCALHOST.", True), ("x.localhost", True), ("127.0.0.1", True), ("127.8.9.1", True)),
        *(("[::1]", True), ("[::ffff:127.0.0.1]", True), ("0.0.0.0", True), ("[::]", True)),
        *(("localhost.example", False), ("10.0.0.1", False), ("[fe80::1]", False), ("127.0.0.1.example", False)),
    ],
)
def test_this_machine_is_known_by_its_addresses(host: str, here: bool) -> None:
    assert Server.at(f"http://{host}:8000/v1").on_this_machine is here
