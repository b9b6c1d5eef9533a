"""One WebSocket connection as a `Link`, right on top of an asyncio transport.

Theory of operation. Bytes go from the transport into a parser, come back as frames, and whole packets go on to the
owner, all inside one callback: no task, queue or future exists for a packet. A connection goes through

    handshake --(HTTP 101)--> open --(close, failure, end of stream)--> ending --(transport gone)--> lost

A subclass for each side does the handshake, with the sans-I/O protocol of websockets. From then on frames are the work
of a `Framing`, which may take the place of this protocol under the transport. ``_open`` says that packets may leave,
``_deaf`` that none is handed to the owner any more; they differ only while the last packets before the peer's close
frame are delivered. Whatever leads to *ending* also starts a timer, so that a peer that does not answer or does not
read cannot hold a connection.

An exception that escapes from a callback of a transport would leave a connection that is neither alive nor lost, so
each callback ends in `WebSocketLink.crashed`.
"""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Sequence
from typing import Final, cast

from websockets.frames import Close, CloseCode, Opcode
from websockets.http11 import Request, Response

from swergio.hub.link import Buffer, Link, LinkEvents, Packet
from swergio_transports.websocket.framing import Encode, Engine, Framing
from swergio_transports.websocket.guards import ControlBudget, Flood, Fragments
from swergio_transports.websocket.owners import Nobody
from swergio_transports.websocket.tcp import peer_of, read_buffer, tune
from swergio_transports.websocket.wire import Head, Wire, flush, printable

REFUSED_FOR_GOOD: Final = 4401
"""Close code of a peer that will never want us: HTTP's 401, in the range that is free for private use."""

CLOSE_TIMEOUT: Final = 2.0
"""Seconds for what is queued to leave and for the peer to answer, once the connection is ending."""

HIGH_WATER: Final = 256 * 1024
LOW_WATER: Final = 64 * 1024

REASON_BYTES: Final = 120

logger = logging.getLogger("swergio.websocket")


class WebSocketLink(Link, asyncio.BufferedProtocol):
    """
    What both ends of a connection share: everything but the handshake.
    """

    def __init__(self, wire: Wire, engine: Engine, encode: Encode, max_packet: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.peer = "unknown"
        self.writable = True
        self.received_at = self._loop.time()
        self._wire = wire
        self._engine = engine
        self._encode = encode
        self._max_packet = max_packet
        self._head = Head()
        self._framing: Framing | None = None
        self._read_buffer = read_buffer()
        self._owner: LinkEvents = Nobody()
        self._open = False
        self._deaf = False
        self._cause = ""
        self._final = False
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._control = ControlBudget()
        self._fragments = Fragments(max_packet)

    # Called by the owner.

    def send(self, packet: Sequence[Buffer]) -> None:
        """
        Write one binary frame, at once if the socket takes it.
        """
        if not self._open or self._transport is None or self._transport.is_closing() or self._framing is None:
            return
        try:
            self._framing.send(packet)
        except Exception as exc:
            logger.exception("sending to %s failed", self.peer)
            self.crashed(exc)

    def close(self, reason: str = "") -> None:
        """
        Start the closing handshake behind what is queued; hand nothing more to the owner.
        """
        if self._open and self._framing is not None:
            self._stop(f"closed here: {reason}" if reason else "closed here")
            self._framing.close(CloseCode.NORMAL_CLOSURE, _clipped(reason))
            self._bound()

    def abort(self) -> None:
        """
        Drop the connection. Safe at any time, also before there is one.
        """
        self._stop("aborted here")
        if self._transport is not None:
            self._transport.abort()

    # Called by the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Set the connection up.
        """
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER, low=LOW_WATER)
        self.peer = peer_of(transport)
        tune(transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """
        Return the buffer that all connections of this thread read into, one at a time.
        """
        return self._read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """
        Take what was read.
        """
        self.received_at = self._loop.time()
        try:
            if self._framing is not None:
                self._framing.take(self._read_buffer[:nbytes])
            else:
                self._take_head(bytes(self._read_buffer[:nbytes]))
        except Exception as exc:
            logger.exception("what came from %s could not be handled", self.peer)
            self.crashed(exc)

    def eof_received(self) -> None:
        """
        Let the transport close: without the peer, nothing is left to say.
        """
        self._open = False
        try:
            if self._framing is not None:
                self._framing.end_of_stream()
            else:
                self._wire.receive_eof()
                flush(self._wire, self._transport)
            self._bound()
        except Exception as exc:
            logger.exception("the end of the stream from %s could not be handled", self.peer)
            self.crashed(exc)

    def pause_writing(self) -> None:
        """
        Tell the owner to wait.
        """
        self.writable = False

    def resume_writing(self) -> None:
        """
        Let the owner go on.
        """
        # uvloop may call this from inside write(): nothing here or in send() may depend on what comes after it.
        self.writable = True
        if not self._open:
            return
        try:
            self._owner.writable_again()
        except Exception as exc:
            logger.exception("the owner of the link to %s failed when it could write again", self.peer)
            self.crashed(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        """
        Tell the owner, once, why the link is gone.
        """
        self._stop(f"connection lost: {exc or 'it ended without a closing handshake'}")
        if self._deadline is not None:
            self._deadline.cancel()
        try:
            self._owner.link_lost(self._cause, final=self._final)
        except Exception:
            logger.exception("the owner of the link to %s failed when it was lost", self.peer)

    # Called by the framing.

    def packet(self, packet: Packet) -> None:
        """
        Hand a packet over.
        """
        if not self._deaf:
            self._owner.packet_received(packet)

    def costly(self, opcode: int, data: bytes | bytearray | memoryview, *, last: bool) -> None:
        """
        Take a fragment, or count a control frame. Anything else is against the rules.
        """
        if self._deaf:
            return
        try:
            if opcode in {Opcode.PING, Opcode.PONG}:
                self._control.spend(self.received_at)
            elif opcode == Opcode.TEXT:
                self._fail(CloseCode.UNSUPPORTED_DATA, "packets are binary frames")
            elif (packet := self._fragments.add(data, last=last)) is not None:
                self._owner.packet_received(packet)
        except Flood as exc:
            self._fail(exc.code, str(exc))

    def closing(self) -> None:
        """
        Send nothing more.
        """
        self._open = False

    def closed(self, close: Close) -> None:
        """
        Wait for the transport to go, with the reason that the peer gave, unless the end began here.
        """
        if not self._cause:
            self._final = close.code == REFUSED_FOR_GOOD
            self._stop(f"closed by the peer: {printable(str(close))}")
        self._bound()

    def failed(self, problem: object) -> None:
        """
        Wait for the transport to go.
        """
        self._stop(f"ended here: {problem}")
        self._bound()

    def crashed(self, exc: Exception) -> None:
        """
        Drop the connection.
        """
        self._stop(f"failed here: {exc!r}")
        self.abort()

    # Between the three.

    @abstractmethod
    def _handshake(self, message: Request | Response, *, early: bool) -> None:
        """
        Take the peer's half of the handshake, and call ``_opened`` and set ``_owner`` if it is a good one.

        ``early`` says that the peer did not wait for an answer.
        """

    def _opened(self, transport: asyncio.Transport) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._framing = self._engine.framing(self, self._wire, transport, self._encode, self._max_packet)
        self._open = True

    def _take_head(self, data: bytes) -> None:
        head, rest = self._head.split(data)
        self._wire.receive_data(head)
        ending = self._wire.close_expected()
        flush(self._wire, self._transport)
        for event in self._wire.events_received():
            if isinstance(event, (Request, Response)):
                self._handshake(event, early=bool(rest))
        if ending:
            self._ended()
        if rest and self._framing is not None:
            self._framing.take(rest)
        elif rest:
            self._take_head(rest)

    def _ended(self) -> None:
        """
        The handshake was given up.
        """
        self.failed(self._wire.handshake_exc)

    # Ways to end.

    def _fail(self, code: CloseCode, reason: str) -> None:
        self._stop(f"ended here: {code.value} {reason}")
        if self._framing is not None:
            self._framing.fail(code, reason)
        self._bound()

    def _stop(self, cause: str) -> None:
        self._open = False
        self._deaf = True
        self._cause = self._cause or cause

    def _bound(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(CLOSE_TIMEOUT, self.abort)


def _clipped(reason: str) -> str:
    return reason.encode()[:REASON_BYTES].decode(errors="ignore")
