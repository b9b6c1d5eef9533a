"""Listening for WebSocket links."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from asyncio import AbstractServer

from swergio.errors import ConfigurationError
from swergio.hub.link import Accept, LinkOptions, Listener
from swergio_transports.websocket.address import Address, parse
from swergio_transports.websocket.engines import choose
from swergio_transports.websocket.link import CLOSE_TIMEOUT
from swergio_transports.websocket.server import Reception, ServerLink
from swergio_transports.websocket.tls import server_context

BACKLOG = 1024

log = logging.getLogger("swergio.websocket")


async def listen(url: str, accept: Accept, options: LinkOptions) -> Listener:
    """
    Accept links at ``ws://host:port/path`` or ``wss://host:port/path``; port 0 takes a free one.

    One address is listened on; a name that has several stands for its first one, IPv4 before IPv6. Requests for
    another path get 404, except for ``GET /health``, which answers 200 to anyone.

    Raises:
        ConfigurationError: The URL or a certificate cannot be used, or anyone beyond this host could come in, or
            listen in: there is no TLS, or ``options.authorize(None)`` is true, and ``options.insecure`` is not set.
        OSError: The address cannot be taken.
    """
    address = parse(url)
    numeric = await _resolve(address)
    if not options.insecure:
        _refuse_exposure(address, numeric, options)
    context = server_context(options) if address.secure else None
    engine = choose(options.websocket)
    reception = Reception(address.path, accept, options, engine)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: ServerLink(reception),
        numeric,
        address.port,
        backlog=BACKLOG,
        ssl=context,
        ssl_handshake_timeout=options.handshake_timeout if context else None,
        ssl_shutdown_timeout=CLOSE_TIMEOUT if context else None,
    )
    port = server.sockets[0].getsockname()[1]
    url = str(address._replace(port=port))
    log.info("frames at %s are the work of %s, on %s", url, engine.name, type(loop).__module__.partition(".")[0])
    return WebSocketListener(url, server, reception)


class WebSocketListener(Listener):
    """
    A listening socket.
    """

    def __init__(self, url: str, server: AbstractServer, reception: Reception) -> None:
        self.url = url
        self._server = server
        self._reception = reception

    async def close(self) -> None:
        """
        Stop accepting, and end the handshakes that are going on.
        """
        # Not wait_closed(): since Python 3.12 that waits for the links, which go on.
        self._server.close()
        self._reception.close()
        await asyncio.sleep(0)


async def _resolve(address: Address) -> str:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    found.sort(key=lambda info: info[0] != socket.AF_INET)
    return str(found[0][4][0])


def _refuse_exposure(address: Address, numeric: str, options: LinkOptions) -> None:
    if ipaddress.ip_address(numeric).is_loopback:
        return
    missing = []
    if options.authorize(None):
        missing.append("a token that every component has to show")
    if not address.secure:
        missing.append("TLS (a wss:// URL with tls_cert and tls_key)")
    if missing:
        raise ConfigurationError(
            f"{address} can be reached from other hosts",
            " and ".join(missing),
            "Listen on 127.0.0.1, or say 'insecure' if something else protects this network.",
        )
