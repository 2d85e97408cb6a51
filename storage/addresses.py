"""Addresses of stores, and which of them a run on a worker may use. This module opens nothing."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit
from urllib.request import url2pathname

from lapt.base.allowed import allowed, on_worker
from lapt.errors import StoreError, or_meant

DEFAULT_STORE = "./lapt-store"
"""The result store where no other one is named."""
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):(?P<slashes>/+)")
"""A word, a colon and a slash. Such a text is read as an address with a scheme, and never as the name of a folder."""
_EXAMPLES = {
    "s3": "s3://bucket/folder",
    "gs": "gs://bucket/folder",
    "gcs": "gcs://bucket/folder",
    "abfs": "abfs://container@account.dfs.core.windows.net/folder",
    "abfss": "abfss://container@account.dfs.core.windows.net/folder",
    "file": "file:///folder",
}
"""An example address for each known scheme."""
_OTHERS = {"s3a": "s3", "s3n": "s3", **dict.fromkeys(("az", "azure", "adl", "wasb", "wasbs"), "abfs")}
"""Names of schemes in other tools, with the known scheme that each means."""
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "abfs": "AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET",
}
_SECRETS = re.compile(r"key|secret|token|password|credential|^sig$", re.IGNORECASE)
"""Names of query parameters that may hold credentials."""


class Address(NamedTuple):
    """The address of a store. ``text``: as it is stored and shown. ``folder``: None in an object store."""

    text: str
    folder: Path | None


def address_of(address: str | Path) -> Address:
    """Read an address without making a folder. Raises StoreError if it is empty, unknown or holds credentials."""
    text = str(address).strip()
    if not text or not text.isprintable():
        got = repr(text) if text else "an empty one"
        raise StoreError("an address of a result store", got, "name one with --store or LAPT_STORE")
    found = _ADDRESS.match(text)
    if found is None:
        return _folder(Path(text))
    scheme = found["scheme"].lower()
    if scheme not in _EXAMPLES:
        meant = _OTHERS.get(scheme, "")
        remedy = f"write {_EXAMPLES[meant]}" if meant else or_meant(scheme, _EXAMPLES, "name a folder, or one of these")
        raise _unknown(text, remedy)
    if len(found["slashes"]) != (3 if scheme == "file" else 2):
        raise _unknown(text, f"write {_EXAMPLES[scheme]}")
    text = f"{scheme}:{text.partition(':')[2]}"
    if scheme == "file":
        return _folder(Path(url2pathname(urlsplit(text).path)))
    _check_credentials(text, scheme)
    return Address(text.rstrip("/"), None)


def _folder(path: Path) -> Address:
    path = path.expanduser()
    path = path.resolve() if ".." in path.parts else path.absolute()  # what it is, whatever it is called
    return Address(str(path), path)


def _unknown(text: str, remedy: str) -> StoreError:
    known = ", ".join(f"{scheme}://" for scheme in _EXAMPLES)
    return StoreError(f"a folder, or an address with {known}", f"{_without_login(text)!r:.200}", remedy)


def _without_login(text: str) -> str:
    return re.sub(r"(?<=/)[^/@]*@", "...@", text)


def _check_credentials(text: str, scheme: str) -> None:
    service = {"gcs": "gs", "abfss": "abfs"}.get(scheme, scheme)
    parts = urlsplit(text)
    login = parts.netloc.rpartition("@")[0]
    # abfs has its container before the @, gs may have the word anonymous there.
    harmless = (service == "abfs" and ":" not in login) or (service == "gs" and login == "anonymous")
    if (login and not harmless) or any(_SECRETS.search(name) for name, _ in parse_qsl(parts.query)):
        raise StoreError(
            f"an {scheme}:// address without credentials (addresses are stored and shown)",
            "one that holds them",
            f"set {_CREDENTIALS[service]} instead",
        )


OWN, LISTED = "LAPT_STORE", "LAPT_ALLOW_STORES"
"""Environment variables of a worker: its own store, and patterns of other addresses that its runs may name."""


def check_store(address: str, environment: Mapping[str, str] = os.environ) -> None:
    """Raises StoreError in a run on a worker, unless the worker's operator allows the store at ``address``.

    No pattern allows an address with parameters (they may name another server than the bucket's) or one with "..".
    """
    own = environment.get(OWN)
    if not on_worker(environment) or (own and address_of(own).text == address):
        return
    plain = "?" not in address and ".." not in address.split("/")
    if not (plain and allowed(LISTED, address, environment)):
        raise StoreError(
            f"the store of this worker ({OWN}), or one that its operator lists ({LISTED})",
            address,
            f"start the worker with --store {shlex.quote(address)}, or list it there",
        )
