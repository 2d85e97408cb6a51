"""What the environment says of connections, and what of it our own server on the loopback interface may not see.

Proxies and certificates are for servers elsewhere. A library that makes a client reads all of them, and fails over one
that it cannot use even where the client is for 127.0.0.1: a socks proxy without its package, an IPv6 range in NO_PROXY,
a file of certificates that is gone.
"""

from __future__ import annotations

import atexit
import ipaddress
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import partialmethod
from pathlib import Path
from urllib.parse import urlsplit

OF_CONNECTIONS = (
    *(f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "ALL", "NO", "WS", "WSS", "SOCKS")),
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSLKEYLOGFILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
"""Variables, in either case, that clients take proxies and certificates from."""


def mend(environment: MutableMapping[str, str] = os.environ) -> None:
    """A setting of Prefect that is empty is unset, and NO_PROXY is as httpx reads it."""
    for name in [name for name, value in environment.items() if name.upper().startswith("PREFECT_")]:
        if not environment[name].strip():
            del environment[name]
    for name in ("no_proxy", "NO_PROXY"):
        if name in environment:
            environment[name] = ",".join(_exempt(environment[name]))


def somewhere() -> None:
    """Another working folder where ours was deleted: no process can be started from one that is not there."""
    try:
        os.getcwd()
    except FileNotFoundError:
        os.chdir("/")
        warnings.warn(
            "expected a working folder; got one that was deleted; relative paths begin at / now", stacklevel=2
        )


def at_home(environment: MutableMapping[str, str]) -> None:
    """A temporary home for whoever has none, as in a container under any user id: Prefect does not start without."""
    try:
        Path.home()
    except RuntimeError:
        environment["HOME"] = tempfile.mkdtemp(prefix="lapt-home-")
        atexit.register(shutil.rmtree, environment["HOME"], ignore_errors=True)


def _exempt(no_proxy: str) -> Iterator[str]:
    """IPv6 addresses without brackets, and no ranges of them, over which httpx raises: they are asked by the proxy."""
    for entry in filter(None, map(str.strip, no_proxy.split(","))):
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
    """For a process that serves on loopback and asks nobody."""
    return {name: value for name, value in environment.items() if name.upper() not in OF_CONNECTIONS}


def connections_said(environment: Mapping[str, str] = os.environ) -> str:
    """Which of them are set, for a message, without their values: the address of a proxy may hold a password."""
    names = (*OF_CONNECTIONS, "PREFECT_API_SSL_CERT_FILE")
    return ", ".join(name for name, value in environment.items() if name.upper() in names and value)


def is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def past_proxies() -> Iterator[None]:
    """Prefect's clients that are made inside ask a server on loopback itself; all others see the environment as it is.

    Its events go through a websocket, which asks NO_PROXY.
    """
    from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient

    names = ("no_proxy", "NO_PROXY")  # the readers prefer the first
    before = {name: os.environ.get(name) for name in names}
    exempt = next((value for value in before.values() if value), "")
    clients = {client: client.__init__ for client in (PrefectHttpxAsyncClient, PrefectHttpxSyncClient)}
    os.environ.update(dict.fromkeys(names, ",".join(filter(None, [exempt, "127.0.0.1,::1,localhost"]))))
    for client, made in clients.items():
        client.__init__ = partialmethod(made, trust_env=False)
    try:
        yield
    finally:
        for client, made in clients.items():
            client.__init__ = made
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
