"""A provider's client, built by LangChain, with the server, the key and the environment variables that belong to it."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lapt.errors import ConfigError
from lapt.reasoning.endpoint.addresses import Server, without_login
from lapt.reasoning.endpoint.failures import SECRET, shown
from lapt.reasoning.endpoint.keys import NO_KEY, is_its_own
from lapt.reasoning.endpoint.providers import PROVIDERS, provider_of

_PROXY = re.compile(r"(https?|all)_proxy", re.IGNORECASE)
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def client_of(model: str, base_url: str | None, key: str | None, api_version: str | None, **settings: Any) -> Any:
    """LangChain's chat model. ``settings``: as for ``init_chat_model``; those that are None are left out.

    Without a ``key``, the provider's own server gets the key of the provider's variable, any other server none. Raises
    ConfigError for a package, key or provider that is not there.
    """
    try:
        from langchain.chat_models import init_chat_model
    except ImportError:
        raise ConfigError(
            "langchain, to ask a language model", "an environment without it", "pip install 'lapt[llm]'"
        ) from None
    own = is_its_own(provider_of(model), base_url, os.environ)
    given = {
        **settings,
        **_place(model, base_url, api_version),
        "api_key": key or (None if own else NO_KEY),
    }
    with _environment(_server(model, base_url), own):
        try:
            return init_chat_model(model, **{name: value for name, value in given.items() if value is not None})
        except Exception as error:  # noqa: BLE001 - every provider's client has errors of its own
            raise _unbuilt(model, key, error) from None


def _server(model: str, base_url: str | None) -> Server | None:
    """The server of requests: ``base_url``, else the one in the operator's variable; None for the client's default."""
    known = PROVIDERS.get(provider_of(model))
    for address in (base_url, *(os.environ.get(name) for name in (known.addresses if known else ()))):
        if address:
            try:
                return Server.at(address)
            except ValueError as error:
                raise ConfigError(
                    "the address of a model server", f"{without_login(address)!r}: {error}", "mend it"
                ) from None
    return None


def _place(model: str, base_url: str | None, api_version: str | None) -> dict[str, Any]:
    """``base_url``, with its login moved into a header, since addresses are written into logs."""
    azure = provider_of(model) == "azure_openai"
    if azure and not (api_version or os.environ.get("OPENAI_API_VERSION")):
        raise ConfigError(
            "the version of Azure's API", "none", "say reasoner.api_version, or export OPENAI_API_VERSION"
        )
    if azure and not (base_url or os.environ.get("AZURE_OPENAI_ENDPOINT")):
        raise ConfigError(
            "Azure's endpoint, such as https://NAME.openai.azure.com",
            "none",
            "say reasoner.base_url, or export AZURE_OPENAI_ENDPOINT",
        )
    place: dict[str, Any] = {"api_version": api_version} if azure else {}
    if base_url is None:
        return place
    server = Server.at(base_url)
    place["azure_endpoint" if azure else "base_url"] = server.url
    if server.login:
        place["default_headers"] = {"Authorization": f"Basic {b64encode(server.login.encode()).decode()}"}
    return place


@contextmanager
def _environment(server: Server | None, own: bool) -> Iterator[None]:
    """Hide environment variables that do not concern the server while its client is built.

    An empty variable is unset. A server on this machine is behind no proxy, and plain HTTP needs no certificates. A
    server that is not the provider's own gets no secret that was not meant for it: clients look for keys by themselves.
    """
    hidden = [name for name, value in os.environ.items() if not value]
    if server is not None and server.on_this_machine:
        hidden += [name for name in os.environ if _PROXY.fullmatch(name)]
    if server is not None and server.scheme == "http":
        hidden += _CERTIFICATES
    if not own:
        hidden += [name for name in os.environ if SECRET.search(name)]
    before = {name: os.environ.pop(name) for name in dict.fromkeys(hidden) if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)


def _unbuilt(model: str, key: str | None, error: Exception) -> ConfigError:
    said = shown(f"{type(error).__name__}: {error}", key)
    if "proxy" in said.lower():
        return ConfigError(
            f"a proxy that the client of {model} can use", said, "mend ALL_PROXY, HTTP_PROXY, HTTPS_PROXY"
        )
    if isinstance(error, ImportError):
        return ConfigError(f"the package of {model}", said, "install it")
    if isinstance(error, OSError):
        named = ", ".join(f"{name}={os.environ[name]}" for name in _CERTIFICATES if os.environ.get(name))
        return ConfigError(
            f"files that the client of {model} reads", said, f"mend or unset {named}" if named else "mend it"
        )
    if re.search("api.?key|credential", str(error), re.IGNORECASE):
        known = PROVIDERS.get(provider_of(model))
        variable = known.key if known else "the variable of that provider"
        return ConfigError(
            f"the key of {model} in its provider's environment variable",
            said,
            f"export {variable}=..., or name another variable as reasoner.key_env",
        )
    return ConfigError(
        "provider:model as LangChain's init_chat_model takes it, such as openai:gpt-4o",
        f"{model!r}: {said}",
        "correct the name",
    )
