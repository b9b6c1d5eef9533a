"""URLs of this transport."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from swergio.errors import ConfigurationError

DEFAULT_PORTS = {"ws": 80, "wss": 443}


class Address(NamedTuple):
    """
    What a URL of this transport says. ``port`` is 0 where any free one will do; ``path`` has no query.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def secure(self) -> bool:
        """
        Whether TLS is asked for.
        """
        return self.scheme == "wss"

    def __str__(self) -> str:
        return f"{self.scheme}://{authority(self.host, self.port)}{'' if self.path == '/' else self.path}"


def parse(url: str) -> Address:
    """
    Read ``ws://host:port/path`` or ``wss://host:port/path``; port and path may be missing.

    Raises:
        ConfigurationError: It is no such URL, or it holds a secret that belongs into ``token``.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:  # a port that is no port, brackets that do not close, a label that is too long
        host = ""
    if not host or parts.scheme not in DEFAULT_PORTS or not (url.isascii() and url.isprintable() and " " not in url):
        raise ConfigurationError(f"{url!r} is not a WebSocket URL", "ws://host:port or wss://host:port")
    if parts.username is not None or parts.query or parts.fragment:
        # Not shown: URLs end up in logs, so that nothing secret may be in one.
        raise ConfigurationError("a WebSocket URL with more than host, port and path", "secrets in 'token'")
    return Address(parts.scheme, host, DEFAULT_PORTS[parts.scheme] if port is None else port, parts.path or "/")


def authority(host: str, port: int) -> str:
    """
    Return ``host:port`` as a URL has it: IPv6 addresses in brackets.
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
