"""URLs of this transport."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from swergio.errors import ConfigurationError

IPC: Final = "zmq+ipc"
SCHEMES: Final = ("zmq", "zmq+tcp", IPC)
EXPECTED: Final = "zmq+tcp://host:port or zmq+ipc:///path"

MAX_PATH: Final = 107 if sys.platform == "linux" else 103
"""Bytes that the address of a Unix socket has room for."""


class Address(NamedTuple):
    """
    What a URL of this transport says: ``host`` and ``port`` (0 where any free one will do), or ``path``.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def local(self) -> bool:
        """
        Whether it is a file of this host.
        """
        return self.scheme == IPC

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path if self.local else authority(self.host, self.port)}"

    async def numeric(self) -> str:
        """
        Return the numeric form of ``host``, IPv4 before IPv6: libzmq would hold the loop while it asks for it.

        Raises:
            OSError: The name is not known.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        found.sort(key=lambda info: info[0] != socket.AF_INET)
        return str(found[0][4][0])


def parse(url: str) -> Address:
    """
    Read ``zmq+tcp://host:port``, ``zmq://host:port`` or ``zmq+ipc:///path``.

    Raises:
        ConfigurationError: It is no such URL, its path is too long, or it holds a secret that belongs into ``token``.
    """
    scheme, _, rest = url.partition("://")
    if scheme == IPC:
        return _parse_path(url, rest)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:  # a port that is no port, brackets that do not close, a label that is too long
        host, port = "", None
    written_well = url.isascii() and url.isprintable() and " " not in url
    if not host or port is None or scheme not in SCHEMES or not written_well:
        raise ConfigurationError(f"{url!r} is not a ZeroMQ URL", EXPECTED)
    if parts.username is not None or parts.query or parts.fragment or parts.path not in {"", "/"}:
        # Not shown: URLs end up in logs, so that nothing secret may be in one.
        raise ConfigurationError("a ZeroMQ URL with more than host and port", "secrets in 'token'")
    return Address(scheme, host, port, "")


def _parse_path(url: str, path: str) -> Address:
    if not path.startswith("/") or path.endswith("/") or not path.isprintable():
        raise ConfigurationError(f"{url!r} is not a ZeroMQ URL", "zmq+ipc:// and the absolute path of a socket")
    size = len(os.fsencode(path))
    if size > MAX_PATH:
        raise ConfigurationError(
            f"the path of {url!r} takes {size} bytes", f"at most {MAX_PATH}", "Use a folder nearer to the root."
        )
    return Address(IPC, "", 0, path)


def authority(host: str, port: int) -> str:
    """
    Return ``host:port`` as a URL has it: IPv6 addresses in brackets.
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
