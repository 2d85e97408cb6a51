"""Addresses of model servers: their owner, and the part that may be written down."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

_LOGIN = re.compile(r"""(?<=://)[^\s"'<>]*@""")
_PORTS = {"http": 80, "https": 443}


def without_login(text: str) -> str:
    """A text with ``http://***@host`` in place of ``http://user:password@host``."""
    return _LOGIN.sub("***@", text)


@dataclass(frozen=True)
class Server:
    """A server, read from its address by one parser, so that the server compared is the server asked.

    ``url``: without the login. ``login``: ``user:password``, or nothing.
    """

    scheme: str
    host: str
    port: int
    url: str
    login: str = ""

    @classmethod
    def at(cls, address: str) -> Server:
        """The server at an address. Raises ValueError for anything but an http or https address."""
        if not re.fullmatch(r"[^\s\\\x00-\x1f\x7f]+", address):  # parsers differ on these
            raise ValueError("an address holds no space, backslash or control character")
        parts = urlsplit(address)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("an address begins with http:// or https:// and a host")
        if not re.fullmatch(r"[\w.-]+|[0-9a-f:.]+(%\w+)?", parts.hostname):
            raise ValueError(f"no host is called {parts.hostname}")
        login, _, place = parts.netloc.rpartition("@")
        return cls(
            scheme=parts.scheme,
            host=parts.hostname.removesuffix("."),
            port=parts.port or _PORTS[parts.scheme],
            url=parts._replace(netloc=place).geturl(),
            login=unquote(login),
        )

    @property
    def place(self) -> tuple[str, str, int]:
        """Identity of the server: two addresses with the same value are one server."""
        return self.scheme, self.host, self.port

    @property
    def on_this_machine(self) -> bool:
        """Whether it is a loopback address, to which no proxy leads."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            address = ip_address(self.host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback or address.is_unspecified
