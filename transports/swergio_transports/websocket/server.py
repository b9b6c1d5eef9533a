"""The listening end of WebSocket links.

Whoever has not finished the handshake gets little: a deadline, 16 KiB for its request, and one of a bounded number of
places, where the oldest has to go when a new one comes. A crowd that connects and never says anything thus costs the
others nothing. (TLS handshakes are bounded in time only: asyncio shows no connection before its end.)
"""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Final

from websockets.datastructures import MultipleValuesError
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Origin

from swergio.hub.link import Accept, LinkEvents, LinkOptions
from swergio_transports.websocket.encoding import SharedFrame
from swergio_transports.websocket.framing import Engine
from swergio_transports.websocket.link import WebSocketLink
from swergio_transports.websocket.wire import SUBPROTOCOL, flush, wire_logger

HEALTH_PATH: Final = "/health"
MAX_HANDSHAKES: Final = 512
MAX_REQUEST: Final = 16 * 1024


class Reception:
    """
    Decides who gets a link, and knows who has one.
    """

    def __init__(self, path: str, accept: Accept, options: LinkOptions, engine: Engine) -> None:
        self.options = options
        self.accept = accept
        self.engine = engine
        self.frame = SharedFrame(partial(engine.encode, False))  # noqa: FBT003  positional in every engine
        self._path = path
        self._links: set[ServerLink] = set()
        self._handshakes: dict[ServerLink, None] = {}  # in order of arrival
        self._closed = False

    def arrived(self, link: ServerLink) -> None:
        """
        Give a new connection a place, at the cost of the oldest one if there is none left.
        """
        if self._closed:  # it was accepted, but not shown, before
            link.abort()
            return
        if len(self._handshakes) >= MAX_HANDSHAKES:
            oldest = next(iter(self._handshakes))
            del self._handshakes[oldest]
            oldest.abort()
        self._handshakes[link] = None

    def upgraded(self, link: ServerLink) -> LinkEvents:
        """
        Return the owner of a connection that got through.
        """
        self._handshakes.pop(link, None)
        self._links.add(link)
        return self.accept(link)

    def left(self, link: ServerLink) -> None:
        """
        Forget a connection.
        """
        self._handshakes.pop(link, None)
        self._links.discard(link)

    def close(self) -> None:
        """
        Take no more connections, and end every handshake that is going on.
        """
        self._closed = True
        for link in list(self._handshakes):
            link.abort()

    def answer(self, wire: ServerProtocol, request: Request) -> Response:
        """
        Return the response to a request: 101, or why not.

        Anyone may ask for ``/health``. For a link, the path and the token are looked at first, in that order, and
        the rest (method, version, origin, subprotocol) is for websockets to check.
        """
        path = request.path.partition("?")[0]
        if path == HEALTH_PATH:
            return wire.reject(HTTPStatus.OK, "ok\n")
        if path != self._path:
            return wire.reject(HTTPStatus.NOT_FOUND, "There is nothing here.\n")
        if not self.options.authorize(_token(request)):
            response = wire.reject(HTTPStatus.UNAUTHORIZED, "A valid token is needed.\n")
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        if len(self._links) >= self.options.max_links:
            return wire.reject(HTTPStatus.SERVICE_UNAVAILABLE, "All connections are taken; try again later.\n")
        return wire.accept(request)


class ServerLink(WebSocketLink):
    """
    A connection that was accepted, from its first byte on.
    """

    def __init__(self, reception: Reception) -> None:
        options = reception.options
        wire = ServerProtocol(
            origins=[None, *map(Origin, options.origins)],
            subprotocols=[SUBPROTOCOL],
            max_size=options.max_packet,
            logger=wire_logger,
        )
        super().__init__(wire, reception.engine, reception.frame.encode, options.max_packet)
        self._server = wire
        self._reception = reception
        self._request_room = MAX_REQUEST
        self._in_handshake = True
        # Counted from the moment of accepting: with TLS, connection_made comes after its handshake.
        self._deadline = self._loop.call_later(options.handshake_timeout, self.abort)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Take a place among the handshakes.
        """
        super().connection_made(transport)
        if self._deaf:
            self.abort()
        else:
            self._reception.arrived(self)

    def buffer_updated(self, nbytes: int) -> None:
        """
        Bound the request, which websockets would let grow to 1 MiB.
        """
        if self._in_handshake:
            self._request_room -= nbytes
            if self._request_room < 0:
                self.abort()
                return
        super().buffer_updated(nbytes)

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Give the place back.
        """
        self._reception.left(self)
        super().connection_lost(exc)

    def _handshake(self, message: Request | Response, *, early: bool) -> None:
        if not isinstance(message, Request) or self._server.close_expected() or self._transport is None:
            return
        response = self._reception.answer(self._server, message)
        upgraded = response.status_code == HTTPStatus.SWITCHING_PROTOCOLS
        if upgraded and early:  # nobody who knows the protocol sends frames before it was agreed on
            self.abort()
            return
        self._server.send_response(response)
        flush(self._server, self._transport)
        if upgraded:
            self._in_handshake = False
            self._opened(self._transport)
            self._owner = self._reception.upgraded(self)
        else:
            self._stop(f"refused with HTTP {response.status_code}")
            self._bound()


def _token(request: Request) -> str | None:
    try:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    except MultipleValuesError:
        return None
    return token.strip() if scheme.lower() == "bearer" else None
