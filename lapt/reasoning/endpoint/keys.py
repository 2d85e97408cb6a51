"""Choice of the key for a server: a provider's own goes to the provider alone, others where an operator lists them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from fnmatch import fnmatchcase

from lapt.base.allowed import allowed
from lapt.errors import ConfigError
from lapt.reasoning.endpoint.addresses import Server
from lapt.reasoning.endpoint.providers import PROVIDERS, Provider, provider_of

ALLOWED = "LAPT_ALLOW_KEYS"
"""Environment variable of the machine that asks: names of variables that a pipeline may use as keys, as shell
patterns."""
ALLOWED_BLOCKS = "LAPT_ALLOW_KEY_BLOCKS"
"""The same for Secret blocks."""
NO_KEY = "none"
"""Value sent to a server that gets no key, since clients insist on one."""


def is_its_own(provider: str, base_url: str | None, environment: Mapping[str, str]) -> bool:
    """Whether the address belongs to the provider. ``None``, its client's default, does."""
    if base_url is None:
        return True
    known = PROVIDERS.get(provider, Provider(""))
    server = Server.at(base_url)
    if server.scheme == "https" and server.port == 443 and any(fnmatchcase(server.host, h) for h in known.hosts):
        return True
    return any(_same(server, environment.get(name, "")) for name in known.addresses)


def _same(server: Server, address: str) -> bool:
    try:
        return Server.at(address).place == server.place
    except ValueError:
        return False


def key_from_variable(
    model: str, base_url: str | None, named: str | None, environment: Mapping[str, str]
) -> str | None:
    """The key to send: from the variable that the pipeline names, else from the provider's own; None without one.

    Raises ConfigError for a variable that may not be named, or is not set.
    """
    provider = provider_of(model)
    if named is None:
        known = PROVIDERS.get(provider)
        own = known is not None and is_its_own(provider, base_url, environment)
        return environment.get(known.key, "").strip() or None if known and own else None
    owner = next((name for name, known in PROVIDERS.items() if known.key == named), None)
    if owner is None:
        _check_listed(named, "key_env", ALLOWED, environment)
    elif not is_its_own(owner, base_url, environment) or (base_url is None and owner != provider):
        address = shlex.quote(Server.at(base_url).url) if base_url else "..."
        trusted = "".join(f"export {name}={address} if it may have it, or " for name in PROVIDERS[owner].addresses[-1:])
        raise ConfigError(
            f"an address of {owner}'s own for its key, {named}",
            "that of another server" if base_url else f"the provider {provider}",
            f"{trusted}name another variable as reasoner.key_env, with that server's key, and list it in {ALLOWED}",
        )
    key = environment.get(named, "").strip()
    if not key:
        raise ConfigError(f"a key in the environment variable {named}", "none", f"export {named}=...")
    return key


def check_block(name: str, environment: Mapping[str, str]) -> None:
    """Raises ConfigError for a Secret block that a pipeline may not name."""
    _check_listed(name, "key_block", ALLOWED_BLOCKS, environment)


def _check_listed(name: str, key: str, variable: str, environment: Mapping[str, str]) -> None:
    if not allowed(variable, name, environment):
        listed = environment.get(variable, "").strip(" ,")
        longer = f"{listed},{name}" if listed else name
        raise ConfigError(
            f"a reasoner.{key} that {variable} lists on the machine that asks the model",
            f"{name}, and the list {listed or '(empty)'}",
            f"if pipelines may use it: export {variable}={shlex.quote(longer)}",
        )
