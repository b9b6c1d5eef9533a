"""One WebSocket connection as a `Link`: the sans-I/O protocol of websockets right under an asyncio transport.

Theory of operation. Bytes go from the transport into ``websockets``, come back as frames, and whole packets go on to
the owner, all inside one callback: no task, queue or future exists for a packet. A connection goes through

    handshake --(HTTP 101)--> open --(close, failure, end of stream)--> ending --(transport gone)--> lost

A subclass for each side does the handshake. ``_open`` says that packets may leave, ``_deaf`` that none is handed to
the owner any more; they differ only while the last packets before the peer's close frame are delivered. Whatever
leads to *ending* also starts a timer, so that a peer that does not answer or does not read cannot hold a connection.

An exception that escapes from a callback of a transport would leave a connection that is neither alive nor lost, so
each callback ends in `WebSocketLink._crashed`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from abc import abstractmethod
from collections.abc import Sequence
from typing import Final, cast

from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from swergio.hub.link import Buffer, Link, LinkEvents
from swergio_transports.websocket.guards import ControlBudget, Flood, Fragments
from swergio_transports.websocket.owners import Nobody
from swergio_transports.websocket.tcp import peer_of, read_buffer, tune
from swergio_transports.websocket.wire import printable

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

    def __init__(self, wire: ServerProtocol | ClientProtocol) -> None:
        self._loop = asyncio.get_running_loop()
        self.peer = "unknown"
        self.writable = True
        self.received_at = self._loop.time()
        self._wire = wire
        self._read_buffer = read_buffer()
        self._owner: LinkEvents = Nobody()
        self._open = False
        self._deaf = False
        self._cause = ""
        self._final = False
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._control = ControlBudget()
        self._fragments = Fragments()

    # Called by the owner.

    def send(self, packet: Sequence[Buffer]) -> None:
        """
        Write one binary frame, at once if the socket takes it.
        """
        if not self._open or self._transport is None or self._transport.is_closing():
            return
        try:
            self._transport.write(self._encode(packet))
        except Exception as exc:
            logger.exception("sending to %s failed", self.peer)
            self._crashed(exc)

    def close(self, reason: str = "") -> None:
        """
        Start the closing handshake behind what is queued; hand nothing more to the owner.
        """
        if self._open:
            self._stop(f"closed here: {reason}" if reason else "closed here")
            self._wire.send_close(CloseCode.NORMAL_CLOSURE, _clipped(reason))
            self._flush()
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
            # A copy, since websockets may keep what it is given and the buffer is about to be another connection's.
            self._take(bytes(self._read_buffer[:nbytes]))
        except Exception as exc:
            logger.exception("what came from %s could not be handled", self.peer)
            self._crashed(exc)

    def eof_received(self) -> None:
        """
        Let the transport close: without the peer, nothing is left to say.
        """
        self._open = False
        try:
            self._wire.receive_eof()
            self._flush()
            self._bound()
        except Exception as exc:
            logger.exception("the end of the stream from %s could not be handled", self.peer)
            self._crashed(exc)

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
            self._crashed(exc)

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

    # Between the two.

    @abstractmethod
    def _handshake(self, message: Request | Response) -> None:
        """
        Take the peer's half of the handshake, and call ``_opened`` and set ``_owner`` if it is a good one.
        """

    @abstractmethod
    def _encode(self, packet: Sequence[Buffer]) -> bytes:
        """
        Return the frame that carries ``packet``.
        """

    def _opened(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._open = True

    def _take(self, data: bytes) -> None:
        wire = self._wire
        wire.receive_data(data)
        ending = wire.close_expected()
        if ending:
            self._open = False
        self._flush()  # pongs, or the answer to a close frame
        for event in wire.events_received():
            if isinstance(event, Frame):
                self._take_frame(event)
            else:
                self._handshake(event)
        if ending:
            self._ended()

    def _take_frame(self, frame: Frame) -> None:
        if self._deaf:
            return
        if frame.opcode is Opcode.BINARY and frame.fin:
            self._owner.packet_received(bytes(frame.data))
        elif frame.opcode is Opcode.TEXT:
            self._fail(CloseCode.UNSUPPORTED_DATA, "packets are binary frames")
        elif frame.opcode is not Opcode.CLOSE:
            self._take_costly(frame)

    def _take_costly(self, frame: Frame) -> None:
        try:
            if frame.opcode in {Opcode.PING, Opcode.PONG}:
                self._control.spend(self.received_at)
            elif (packet := self._fragments.add(frame.data, last=frame.fin)) is not None:
                self._owner.packet_received(packet)
        except Flood as exc:
            self._fail(CloseCode.POLICY_VIOLATION, str(exc))

    def _flush(self) -> None:
        writes = self._wire.data_to_send()
        if not writes or self._transport is None or self._transport.is_closing():
            return
        if data := b"".join(writes):
            self._transport.write(data)
        if not writes[-1]:  # websockets' sign for the end of the stream
            self._half_close(self._transport)

    def _half_close(self, transport: asyncio.Transport) -> None:
        # Closing with bytes unread would reset the connection, and the peer would lose the close frame that says why.
        if not transport.can_write_eof():  # TLS
            transport.close()
            return
        with contextlib.suppress(OSError, RuntimeError):  # the peer was quicker
            transport.write_eof()

    # Ways to end.

    def _fail(self, code: CloseCode, reason: str) -> None:
        self._stop(f"ended here: {code.value} {reason}")
        if self._wire.state is State.OPEN:
            self._wire.fail(code, reason)
        self._flush()
        self._bound()

    def _ended(self) -> None:
        """
        The wire has read or written a close frame, or gave the handshake up.
        """
        if self._wire.close_rcvd is not None and not self._cause:
            self._final = self._wire.close_rcvd.code == REFUSED_FOR_GOOD
            self._stop(f"closed by the peer: {printable(str(self._wire.close_rcvd))}")
        self._stop(f"ended here: {self._wire.close_sent or self._wire.handshake_exc}")
        self._bound()

    def _crashed(self, exc: Exception) -> None:
        self._stop(f"failed here: {exc!r}")
        self.abort()

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
