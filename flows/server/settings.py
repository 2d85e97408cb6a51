"""The Prefect settings that the project depends on. No other module touches them.

``apply_environment`` is the first ``import prefect``: logging and the first-run notice are decided then. The user's own
settings win, except in the embedded server's process, whose environment is ours alone.
"""

import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from flows.server.environment import ask_loopback_directly, at_home, mend, without_certificates, without_connections
from lapt.base.shipped import table_beside
from lapt.errors import ConfigError

_TABLE = table_beside(__name__)
DEFAULTS: dict[str, str] = _TABLE["defaults"]
SERVER_SETTINGS: dict[str, str] = _TABLE["server"]
HEARTBEAT_SECONDS = int(DEFAULTS["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"])
QUIET_CONSOLE = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"
LOUDNESS = ("PREFECT_LOGGING_LEVEL", "PREFECT_DEBUG_MODE", "PREFECT_LOGGING_CONFIG_PATH", QUIET_CONSOLE)


def apply_environment(environment: "os._Environ[str] | dict[str, str]" = os.environ) -> None:
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
