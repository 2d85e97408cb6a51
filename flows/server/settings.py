"""The Prefect settings that the project depends on, and variables about connections. No other module touches them.

``apply_environment`` is the first ``import prefect``: logging and the first-run notice are decided then. The user's own
settings win, except in the embedded server's process, whose environment is ours alone.

Proxies and certificates are for servers elsewhere. A client library reads all of them, and fails over an unusable one
even if the client is for 127.0.0.1: a socks proxy without its package, an IPv6 range in NO_PROXY, a missing file of
certificates.
"""

from __future__ import annotations

import atexit
import ipaddress
import os
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import cache, partialmethod
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lapt.base.shipped import table_beside
from lapt.errors import ConfigError

_TABLE = table_beside(__name__)
DEFAULTS: dict[str, str] = _TABLE["defaults"]
SERVER_SETTINGS: dict[str, str] = _TABLE["server"]
HEARTBEAT_SECONDS = int(DEFAULTS["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])

PROXIES = tuple(f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "ALL", "NO", "WS", "WSS", "SOCKS"))
"""Variables, in either case, from which clients take proxies."""
LOOPBACK = "localhost,127.0.0.1,::1"
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
KEY_LOG = "SSLKEYLOGFILE"
"""Variable of a TLS key log, for debugging. If the log cannot be written, no client can be made."""


def mend(environment: MutableMapping[str, str] = os.environ) -> None:
    """Unset empty settings of Prefect, exclude loopback from proxies, write NO_PROXY as httpx reads it, and drop a key
    log that cannot be written."""
    for name in [name for name, value in environment.items() if name.upper().startswith("PREFECT_")]:
        if not environment[name].strip():
            del environment[name]
    exempt = environment.get("no_proxy") or environment.get("NO_PROXY", "")  # the readers prefer the first
    environment.update(dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(_exempt(f"{exempt},{LOOPBACK}"))))
    try:
        with open(environment.get(KEY_LOG) or os.devnull, "ab"):
            pass
    except OSError as error:
        log = environment.pop(KEY_LOG)
        warnings.warn(f"expected a file in {KEY_LOG}; got {log}: {error.strerror}; it is left out", stacklevel=2)


def somewhere() -> None:
    """Change to another working folder if ours was deleted: no process can be started from a missing folder."""
    try:
        os.getcwd()
    except FileNotFoundError:
        os.chdir("/")
        warnings.warn(
            "expected a working folder; got one that was deleted; relative paths begin at / now", stacklevel=2
        )


def at_home(environment: MutableMapping[str, str]) -> None:
    """Set a temporary home if there is none, as in a container under any user id: Prefect does not start without."""
    try:
        Path.home()
    except RuntimeError:
        environment["HOME"] = tempfile.mkdtemp(prefix="lapt-home-")
        atexit.register(shutil.rmtree, environment["HOME"], ignore_errors=True)


def _exempt(no_proxy: str) -> Iterator[str]:
    """NO_PROXY with IPv6 addresses without brackets, and without IPv6 ranges, over which httpx raises.

    Hosts in such a range are then reached through the proxy.
    """
    for entry in dict.fromkeys(filter(None, map(str.strip, no_proxy.split(",")))):
        try:
            network = ipaddress.ip_network(re.sub(r"^\[(.*)\](:\d+)?$", r"\1", entry).split("%")[0], strict=False)
        except ValueError:
            if "[" not in entry:
                yield entry
            continue
        if network.version == 4:
            yield entry
        elif network.num_addresses == 1:
            yield str(network.network_address)


def without_connections(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a process that serves on loopback and asks nobody."""
    names = (*PROXIES, *CERTIFICATES, KEY_LOG)
    return {name: value for name, value in environment.items() if name.upper() not in names}


def connections_said(environment: Mapping[str, str] = os.environ) -> str:
    """The variables that may explain a failure to make a client: proxies, and certificates that are not there.

    Proxies are named without their addresses, which may hold passwords.
    """
    names = (*CERTIFICATES, "PREFECT_API_SSL_CERT_FILE")
    missing = [f"{name}={environment[name]}" for name in names if environment.get(name)]
    missing = [said for said in missing if not Path(said.partition("=")[2]).exists()]
    return ", ".join(missing or [name for name, value in environment.items() if value and name.upper() in PROXIES])


@contextmanager
def without_certificates() -> Iterator[None]:
    """Hide settings of certificates during an import that makes a client at once, whether it is used or not."""
    hidden = {name: os.environ.pop(name) for name in CERTIFICATES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


def is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@cache
def ask_loopback_directly() -> None:
    """From now on Prefect's clients of a server on loopback use no proxy. All other clients, such as a language
    model's, still do."""
    from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient

    for client in (PrefectHttpxAsyncClient, PrefectHttpxSyncClient):
        client.__init__ = partialmethod(_made, client.__init__)  # type: ignore[method-assign, assignment]


def _made(client: Any, init: Callable[..., None], *given: Any, **settings: Any) -> None:
    init(client, *given, **settings, trust_env=not is_loopback(str(settings.get("base_url", ""))))


QUIET_CONSOLE = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"
LOUDNESS = ("PREFECT_LOGGING_LEVEL", "PREFECT_DEBUG_MODE", "PREFECT_LOGGING_CONFIG_PATH", QUIET_CONSOLE)


def apply_environment(environment: os._Environ[str] | dict[str, str] = os.environ) -> None:
    """Set defaults for unset variables: no telemetry, no persisted results, no INFO lines of Prefect in the terminal.

    Only the console is quiet; the run's own log, which the UI shows, keeps its INFO lines. The console stays as it is
    if the user has chosen a log level. Raises ConfigError for settings that Prefect does not accept.
    """
    mend(environment)
    at_home(environment)
    # A home that cannot be written: nothing of ours is kept there.
    warnings.filterwarnings("ignore", "Failed to create the Prefect home directory")
    for name, value in DEFAULTS.items():
        environment.setdefault(name, value)
    if not any(name in environment for name in LOUDNESS):
        environment[QUIET_CONSOLE] = "WARNING"
    if "SSL_CERT_FILE" in environment:  # as Prefect has it, which reads it once, at import
        environment.setdefault("PREFECT_API_SSL_CERT_FILE", environment["SSL_CERT_FILE"])
    if environment is not os.environ:
        return
    known = "prefect.context" in sys.modules
    try:
        with without_certificates():
            from prefect.context import refresh_global_settings_context
        if known:
            refresh_global_settings_context()
        ask_loopback_directly()
    except ValueError as error:  # of pydantic: an hour that is no number, TOML that is none
        raise ConfigError(
            "settings that Prefect takes",
            " ".join(str(error).split()).partition(" For further information")[0][:200],
            "correct them: variables that begin with PREFECT_, .env or prefect.toml here, or the active profile",
        ) from error


def api_named_in() -> str:
    """The source of the server's address in Prefect's settings, in Prefect's own order."""
    from prefect.settings.models.api import APISettings
    from prefect.settings.sources import (
        FilteredDotEnvSettingsSource,
        PrefectTomlConfigSettingsSource,
        PyprojectTomlConfigSettingsSource,
    )

    if "PREFECT_API_URL" in map(str.upper, os.environ):
        return "the variable PREFECT_API_URL"
    files = {
        ".env": FilteredDotEnvSettingsSource,
        "prefect.toml": PrefectTomlConfigSettingsSource,
        "pyproject.toml": PyprojectTomlConfigSettingsSource,
    }
    said = [name for name, source in files.items() if source(APISettings)().get("url")]
    return f"the file {Path(said[0]).absolute()}" if said else "the active Prefect profile"


def server_environment(
    home: Path, shared: Path, *, migrate: bool, inherited: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The environment of the embedded server's process, without the user's Prefect settings, which are for other
    servers.

    A database address, a base path or a password in the environment or the active profile would make this server serve
    something else than the history in ``home``; with ``PREFECT_HOME`` there, no profile is read either. It gets no
    proxies and certificates, since it asks nobody. ``shared``: folder of files that all homes share, the pages of the
    UI (17 MB).
    """
    kept = {k: v for k, v in without_connections(inherited).items() if not k.upper().startswith("PREFECT_")}
    if kept.pop("PYTHONDONTWRITEBYTECODE", ""):
        # Compiling the server's 3,000 modules takes longer than running them: 9.5 s to import, 5.0 s from bytecode.
        kept["PYTHONPYCACHEPREFIX"] = str(shared / "bytecode")
    return {
        **kept,
        **DEFAULTS,
        **SERVER_SETTINGS,
        "PREFECT_HOME": str(home),
        # Relative to the process's working directory, which is ``home``: no character of a path can break the address.
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": "sqlite+aiosqlite:///prefect.db",
        "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": str(migrate).lower(),
        "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": str(migrate).lower(),
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(shared / "ui"),
    }


@contextmanager
def embedded_settings(api_url: str) -> Iterator[None]:
    """Let flows inside the block, and the threads that Prefect starts for them, use the embedded server ``api_url``.

    A thread that you start has Prefect's settings and tags only if it runs in ``contextvars.copy_context()``.
    Heartbeats are off: else every synchronous flow's exit waits about a second for the heartbeat's thread, and the
    environment variable cannot say "none". The owner's lock shows whether a run is alive.
    """
    from prefect.settings import (
        PREFECT_API_AUTH_STRING,
        PREFECT_API_KEY,
        PREFECT_API_SSL_CERT_FILE,
        PREFECT_API_URL,
        PREFECT_CLIENT_CSRF_SUPPORT_ENABLED,
        PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    updates = {
        PREFECT_API_URL: api_url,
        PREFECT_API_KEY: None,
        PREFECT_API_AUTH_STRING: None,
        PREFECT_API_SSL_CERT_FILE: None,  # SSL_CERT_FILE too, and it is read for an http:// address as well
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        # Client and server are one installation with one set of settings: two questions less from every new client.
        PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,
        PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: False,
    }
    with temporary_settings(updates=updates):
        yield
