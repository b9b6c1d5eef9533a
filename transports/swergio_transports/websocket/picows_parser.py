"""The parser of picows, as it stands under a link."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from picows import WSAutoPingStrategy, WSFrame, WSListener, WSMsgType, WSTransport
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # its stub leaves it out

from swergio.hub.link import Buffer
from swergio_transports.websocket.framing import Frames

if TYPE_CHECKING:
    from swergio_transports.websocket.picows_framing import PicowsFraming

READ_SIZE: Final = 64 * 1024
"""Bytes that are read at once, until a packet needs more."""

LARGE: Final = 256 * 1024
"""Bytes of a frame from which it counts as a large one, for which the parser's memory has grown."""

BINARY: Final = WSMsgType.BINARY
CONTINUATION: Final = WSMsgType.CONTINUATION
TEXT: Final = WSMsgType.TEXT
PING: Final = WSMsgType.PING
CLOSE: Final = WSMsgType.CLOSE


class Silent(logging.LoggerAdapter[logging.Logger]):
    """
    Lets nothing through: strangers could fill the log, and what matters the link tells.
    """

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - its name in the standard library
        return False


logger = logging.getLogger("swergio.websocket")
silent: Final = Silent(logging.getLogger("swergio.websocket.wire"))


class Underneath:
    """
    The transport as picows sees it: one that it cannot close.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.get_extra_info = transport.get_extra_info
        self.get_write_buffer_size = transport.get_write_buffer_size
        self.shaking_hands = True
        self._write = transport.write
        self._writelines = transport.writelines

    def write(self, data: Buffer) -> None:
        """
        Write, unless it is a handshake.
        """
        if not self.shaking_hands:
            self._write(data)

    def writelines(self, header_and_message: Sequence[Buffer]) -> None:
        """
        Write a frame. Its header is in memory that picows uses again, and not every transport copies it in time.
        """
        header, message = header_and_message
        self._writelines((bytes(header), message))

    def close(self) -> None:
        """
        Leave that to the link.
        """

    abort = close


class Listener(WSListener):
    """
    Whom the parser tells what came.
    """

    def __init__(self, framing: PicowsFraming, link: Frames) -> None:
        self._framing = framing
        self._link = link
        self._cut = False

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """
        Take a frame, whose memory is the parser's again after this.
        """
        try:
            kind = frame.msg_type
            if self._framing.large_at is not None or frame.payload_size >= LARGE:
                self._framing.weigh(frame)
            if frame.rsv1 or frame.rsv2 or frame.rsv3:
                self._framing.malformed("reserved bits")
            elif kind is BINARY and frame.fin and not self._cut:
                self._link.packet(frame.get_payload_as_bytes())
            else:
                self._take_costly(frame, kind)
        except Exception as exc:
            logger.exception("what came from %s could not be handled", self._link.peer)
            self._link.crashed(exc)

    def _take_costly(self, frame: WSFrame, kind: WSMsgType) -> None:
        data = frame.get_payload_as_bytes()
        if kind is CLOSE:
            self._framing.closed(data)
            return
        if kind in {BINARY, TEXT, CONTINUATION}:
            if self._cut is not (kind is CONTINUATION):
                self._framing.malformed("a fragment out of its place")
                return
            self._cut = not frame.fin
        self._link.costly(int(kind), data, last=bool(frame.fin))  # type: ignore[call-overload]  # an IntEnum
        if kind is PING:
            self._framing.pong(data)


class Parser(WSProtocol):  # type: ignore[misc]  # see the import
    """
    The protocol of the transport while the connection is open.
    """

    def __init__(self, framing: PicowsFraming, link: Any, *, client: bool, max_packet: int) -> None:
        self._framing = framing
        self._link = link
        self._time = asyncio.get_running_loop().time
        listener = Listener(framing, link)
        no = False
        super().__init__(
            *("localhost", "/", client, lambda *handshake: listener, silent),
            *(True, None),  # an exception ends the connection; there is no handshake to limit
            *(no, 1, 1, WSAutoPingStrategy.PING_WHEN_IDLE),  # no pings
            *(no, max_packet, None, READ_SIZE),  # pings are answered here; no more headers
        )

    def feed(self, data: Buffer) -> None:
        """
        Take what did not come from the transport.
        """
        rest = memoryview(data)
        while rest:
            room = self.get_buffer(-1)
            size = min(len(room), len(rest))
            room[:size] = rest[:size]
            WSProtocol.buffer_updated(self, size)
            rest = rest[size:]

    def buffer_updated(self, nbytes: int) -> None:
        """
        Parse what was read.
        """
        link = self._link
        link.received_at = self._time()
        try:
            WSProtocol.buffer_updated(self, nbytes)
        except Exception as exc:
            logger.exception("what came from %s could not be handled", link.peer)
            link.crashed(exc)
        if self.transport.is_close_frame_sent or self._framing.outgrown:
            self._framing.look_after()

    def eof_received(self) -> None:
        """
        See `WebSocketLink`, as for the next ones.
        """
        self._link.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.connection_lost(exc)

    def pause_writing(self) -> None:
        self._link.pause_writing()

    def resume_writing(self) -> None:
        self._framing.resume_writing()
