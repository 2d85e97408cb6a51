"""Environment variables about connections, and those that our own server on the loopback interface must not see.

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
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import cache, partialmethod
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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
