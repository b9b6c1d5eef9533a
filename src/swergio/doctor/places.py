"""
The way to a deployment below swergio: a name, a port, TLS; or a file.

The core knows no transport, so this knows of schemes what anybody knows of them: a usual port, and whether there is
TLS. For any other scheme it looks at what its URL has of a host and a port.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from time import perf_counter
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from swergio.doctor.findings import Finding, bad, good
from swergio.settings import Settings

PORTS = {"ws": 80, "wss": 443, "redis": 6379, "rediss": 6379, "redis+cluster": 6379, "rediss+cluster": 6379}
PORTS |= {"redis+sentinel": 26379, "rediss+sentinel": 26379}
FILES = {"zmq+ipc", "unix"}
PATIENCE = 5.0


class Place(NamedTuple):
    """
    A host and a port of a URL, or the path of a file.
    """

    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        return self.path or (f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}")


def places(url: str) -> list[Place]:
    """
    Return where a URL leads: several places for sentinels and clusters, none where that is within this process.
    """
    parts = urlsplit(url)
    if parts.scheme in FILES:
        return [Place("", 0, unquote(parts.path))]
    found = []
    for host in parts.netloc.split(","):
        try:
            one = urlsplit(f"//{host}")
            name, port = one.hostname, one.port or PORTS.get(parts.scheme)
        except ValueError:  # what is wrong with it, the transport says better
            continue
        if name and port:
            found.append(Place(name, port))
    return [] if parts.scheme == "memory" else found


def is_secure(url: str) -> bool:
    """
    Whether a URL asks for TLS.
    """
    return url.partition("://")[0].partition("+")[0] in {"wss", "rediss"}


async def look(place: Place, settings: Settings, *, secure: bool) -> AsyncIterator[Finding]:
    """
    Go step by step, as far as the way leads.
    """
    if place.path:
        yield await _file(place)
        return
    yield (resolved := await _resolve(place))
    if resolved.remedy:
        return
    yield (connected := await _connect(place))
    if secure and not connected.remedy:
        yield await _secure(place, settings)


async def _resolve(place: Place) -> Finding:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PATIENCE):
            found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError) as exc:
        reason = "no answer" if isinstance(exc, TimeoutError) else getattr(exc, "strerror", None) or str(exc)
        remedy = "Look whether the name is written well, and whether this host's DNS or /etc/hosts knows it"
        return bad("name", f"{place.host} is not known: {reason}", remedy)
    addresses = dict.fromkeys(str(info[4][0]) for info in found)
    return good("name", f"{place.host} is {' and '.join(addresses)}")


async def _connect(place: Place) -> Finding:
    began = perf_counter()
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(place.host, place.port)
    except TimeoutError:
        remedy = "The host is down, or a firewall drops what comes from here"
        return bad("TCP", f"{place}: no answer within {PATIENCE:g} s", remedy)
    except OSError as exc:
        if isinstance(exc, ConnectionRefusedError) or "refused" in str(exc):
            remedy = "Nothing listens there: start the hub (swergio hub --listen URL) or the Redis, or correct the port"
            return bad("TCP", f"{place}: connection refused", remedy)
        return bad("TCP", f"{place}: {exc.strerror or exc}", "Look whether this host has a way to that one")
    took = perf_counter() - began
    writer.transport.abort()
    return good("TCP", f"{place} answers, in {1e3 * took:.1f} ms")


async def _secure(place: Place, settings: Settings) -> Finding:
    try:
        context = ssl.create_default_context(cafile=str(settings.tls_ca) if settings.tls_ca else None)
        if settings.tls_cert is not None:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(place.host, place.port, ssl=context)
    except ssl.SSLCertVerificationError as exc:
        if "hostname" in exc.verify_message.lower() or "ip address" in exc.verify_message.lower():
            return bad("TLS", f"the certificate is another host's: {exc.verify_message}", "Use a name that it has")
        remedy = "Name the certificate of its authority with tls_ca, if you trust it"
        return bad("TLS", f"the certificate is not trusted: {exc.verify_message}", remedy)
    except OSError as exc:  # SSLError and TimeoutError are two
        reason = getattr(exc, "reason", None) or str(exc) or "no answer"
        remedy = "Perhaps it speaks no TLS (ws:// or redis://), or wants a certificate of yours (tls_cert)"
        return bad("TLS", f"no TLS at {place}: {reason}", remedy)
    said = writer.get_extra_info("ssl_object").version()
    writer.transport.abort()
    return good("TLS", f"{said}, the certificate is trusted")


async def _file(place: Place) -> Finding:
    path = Path(place.path)
    try:
        if not stat.S_ISSOCK((await asyncio.to_thread(path.stat)).st_mode):
            return bad("socket", f"{path} is no socket", "Correct the path in the URL")
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_unix_connection(str(path))
    except FileNotFoundError:
        remedy = "Start the hub (swergio hub --listen URL) or the Redis, or correct the path in the URL"
        return bad("socket", f"there is no {path}", remedy)
    except PermissionError:
        return bad("socket", f"{path} may not be used by you", "Run both as one user, or change the rights of the file")
    except OSError as exc:  # TimeoutError is one
        remedy = "Who had made it is gone: start the hub or the Redis again"
        return bad("socket", f"nobody listens at {path}: {exc.strerror or 'no answer'}", remedy)
    writer.transport.abort()
    return good("socket", f"{path} answers")
