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
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import cache, partialmethod
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PROXIES = tuple(f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "ALL", "NO", "WS", "WSS", "SOCKS"))
"""Variables, in either case, that clients take proxies from."""
LOOPBACK = "localhost,127.0.0.1,::1"
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
KEY_LOG = "SSLKEYLOGFILE"
"""Of whoever looks into their own connections: what cannot write it makes no client at all."""


def mend(environment: MutableMapping[str, str] = os.environ) -> None:
    """A setting of Prefect that is empty is unset, no proxy is asked for loopback, NO_PROXY is as httpx reads it, and
    no log of keys goes nowhere."""
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
    """For a process that serves on loopback and asks nobody."""
    names = (*PROXIES, *CERTIFICATES, KEY_LOG)
    return {name: value for name, value in environment.items() if name.upper() not in names}


def connections_said(environment: Mapping[str, str] = os.environ) -> str:
    """Those that a failure to make a client may come from: proxies, without their addresses, which may hold passwords,
    and certificates that are not there."""
    names = (*CERTIFICATES, "PREFECT_API_SSL_CERT_FILE")
    missing = [f"{name}={environment[name]}" for name in names if environment.get(name)]
    missing = [said for said in missing if not Path(said.partition("=")[2]).exists()]
    return ", ".join(missing or [name for name, value in environment.items() if value and name.upper() in PROXIES])


@contextmanager
def without_certificates() -> Iterator[None]:
    """For the import of what makes a client then, which nobody may ever use."""
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
    """From now on Prefect's clients of a server on loopback read no proxy, whatever the environment says; all other
    clients, a language model's among them, read them as before."""
    from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient

    for client in (PrefectHttpxAsyncClient, PrefectHttpxSyncClient):
        client.__init__ = partialmethod(_made, client.__init__)  # type: ignore[method-assign, assignment]


def _made(client: Any, init: Callable[..., None], *given: Any, **settings: Any) -> None:
    init(client, *given, **settings, trust_env=not is_loopback(str(settings.get("base_url", ""))))
