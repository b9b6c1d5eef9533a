"""The dialling side of a WebSocket link."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from functools import partial
from http import HTTPStatus

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request, Response
from websockets.uri import parse_uri

from swergio.errors import AccessRefused, ConfigurationError, ConnectFailed
from swergio.hub.link import Link, LinkEvents, LinkOptions
from swergio_transports.websocket.address import Address, parse
from swergio_transports.websocket.engines import choose
from swergio_transports.websocket.framing import Engine
from swergio_transports.websocket.link import WebSocketLink
from swergio_transports.websocket.owners import Early
from swergio_transports.websocket.tls import client_context
from swergio_transports.websocket.wire import SUBPROTOCOL, flush, printable, wire_logger

logger = logging.getLogger("swergio.websocket")


async def dial(url: str, events: LinkEvents, options: LinkOptions) -> Link:
    """
    Connect to ``ws://host:port/path`` or ``wss://host:port/path``, past any proxy.

    Nothing is told to ``events`` before the awaiting coroutine goes on, if it awaits this call directly. A cancelled
    call leaves no connection.

    Raises:
        ConfigurationError: The URL, the token or a certificate cannot be used.
        AccessRefused: The token was not accepted, or this client is not.
        ConnectFailed: The other end is not what was looked for, or cannot take a connection now.
        OSError: Nobody answers there; ``ConnectionRefusedError`` if nobody listens.
        TimeoutError: The handshake took longer than ``options.handshake_timeout``.
    """
    address = parse(url)
    _check_token(options.token)
    loop = asyncio.get_running_loop()
    context = client_context(options) if address.secure else None
    engine = choose(options.websocket)
    link = ClientLink(address, events, options, engine)
    with contextlib.ExitStack() as undo:
        undo.callback(link.discard)
        try:
            async with asyncio.timeout(options.handshake_timeout):
                await loop.create_connection(lambda: link, address.host, address.port, ssl=context)
                problem = await link.answered
        except TimeoutError:
            raise TimeoutError(f"no WebSocket handshake with {address} in {options.handshake_timeout:g} s") from None
        except (ssl.SSLError, ConnectionAbortedError, ConnectionResetError) as exc:
            raise ConnectFailed(str(address), _why(exc)) from exc
        if problem is not None:
            raise problem
        undo.pop_all()
    logger.debug("frames to %s are the work of %s", address, engine.name)
    loop.call_soon(link.begin)
    return link


class ClientLink(WebSocketLink):
    """
    The link of the side that dialled.

    Attributes:
        answered: Done when the handshake is: None, or the error that ``dial`` raises.
    """

    def __init__(self, address: Address, events: LinkEvents, options: LinkOptions, engine: Engine) -> None:
        wire = ClientProtocol(
            parse_uri(str(address)), subprotocols=[SUBPROTOCOL], max_size=options.max_packet, logger=wire_logger
        )
        super().__init__(wire, engine, partial(engine.encode, True), options.max_packet)  # noqa: FBT003  positional
        self._client = wire
        self._address = str(address)
        self._token = options.token
        self._events = events
        self._early = Early()
        self.answered: asyncio.Future[Exception | None] = self._loop.create_future()

    def close(self, reason: str = "") -> None:
        """
        Hand over nothing more, nor what came early.
        """
        self._early.packets.clear()
        super().close(reason)

    def abort(self) -> None:
        """
        Hand over nothing more, nor what came early.
        """
        self._early.packets.clear()
        super().abort()

    def discard(self) -> None:
        """
        End a link that nobody will have.
        """
        self.answered.cancel()
        self.abort()

    def begin(self) -> None:
        """
        Hand over what came meanwhile, and everything from now on.
        """
        self._owner = self._events
        try:
            for packet in self._early.packets:  # ends where the owner ends the link
                self._events.packet_received(packet)
            if self._early.lost:
                reason, final = self._early.lost
                self._events.link_lost(reason, final=final)
        except Exception as exc:
            logger.exception("what came from %s could not be handled", self.peer)
            self.crashed(exc)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Ask for the upgrade.
        """
        super().connection_made(transport)
        request = self._client.connect()
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        self._client.send_request(request)
        flush(self._client, self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """
        If this happens during the handshake, it is ``dial`` that has to know.
        """
        super().connection_lost(exc)
        cause = _why(exc) if isinstance(exc, ssl.SSLError) else self._cause
        self._settle(ConnectFailed(self._address, cause))

    def _handshake(self, message: Request | Response, *, early: bool) -> None:
        error = self._refusal(message) if isinstance(message, Response) else None
        if error is not None:
            self._settle(error)
        elif not self.answered.done() and self._transport is not None:
            self._opened(self._transport)
            self._owner = self._early
            self._settle(None)

    def _ended(self) -> None:
        super()._ended()
        self._settle(ConnectFailed(self._address, self._cause))

    def _settle(self, problem: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_result(problem)

    def _refusal(self, response: Response) -> ConnectFailed | None:
        problem = self._client.handshake_exc
        if isinstance(problem, InvalidStatus):
            return _status_error(self._address, response)
        if problem is not None:
            return ConnectFailed(self._address, printable(str(problem)))
        if self._client.subprotocol != SUBPROTOCOL:
            return ConnectFailed(self._address, "a WebSocket server answers there, but it does not speak swergio")
        return None


def _check_token(token: str | None) -> None:
    if token is not None and not (token.isascii() and token.isprintable() and token == token.strip() != ""):
        raise ConfigurationError("the token cannot be sent in an HTTP header", "printable ASCII characters")


def _status_error(url: str, response: Response) -> ConnectFailed:
    status = response.status_code
    if status == HTTPStatus.UNAUTHORIZED:
        return AccessRefused(url, "it does not accept this token (or needs one, if none was given)")
    detail = bytes(response.body).decode(errors="replace").partition("\n")[0]
    reason = printable(f"HTTP {status} {response.reason_phrase}{': ' if detail else ''}{detail}")
    return AccessRefused(url, reason) if status == HTTPStatus.FORBIDDEN else ConnectFailed(url, reason)


def _why(exc: OSError) -> str:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({exc.verify_message}); name its authority in tls_ca"
    if isinstance(exc, ssl.SSLError):
        return f"TLS failed ({exc.reason or exc})"
    return "it dropped the connection during the handshake"
