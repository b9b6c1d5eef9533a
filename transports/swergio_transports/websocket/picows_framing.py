"""Frames by picows, in Cython.

Theory of operation. picows comes as a whole: a protocol object that shakes hands, parses, writes and closes. Used as
it documents it, it would leave out what a link promises: when any byte last came (a large packet on a slow line is no
silence), an end on which the peer learns why, a limit for those who are still shaking hands. So the handshake stays
with websockets, and the protocol object is put in the place of the link under the transport when that is over, and
told of a handshake that it would have liked. From then on bytes go from the transport straight into its parser.

It ends a connection itself, behind a close frame, when it sees something malformed. `Underneath` stands between it
and the transport and keeps it from closing that, and `Parser` looks after each read whether it has sent a close frame.

What it does not check is checked here: reserved bits, and that fragments follow each other. What it does otherwise
than RFC 6455 has it, and stays: it masks with what the C library's ``rand`` gives, which can be foretold. A mask keeps
text that a web page chose from being taken for HTTP by proxies; nothing that a page says goes through a component.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, cast

from picows import WSFrame, WSTransport
from websockets.exceptions import ProtocolError
from websockets.frames import Close, CloseCode
from websockets.protocol import Side
from websockets.utils import accept_key

from swergio.hub.link import Buffer
from swergio_transports.websocket.framing import Encode, Encoded, Engine, Frames, Framing
from swergio_transports.websocket.picows_parser import BINARY, CLOSE, CONTINUATION, LARGE, Parser, Underneath
from swergio_transports.websocket.tcp import half_close
from swergio_transports.websocket.wire import Wire

SHARED: Final = 64 * 1024
"""Bytes from which a server's frame is kept by reference where a socket does not take it, and not copied."""

PATIENCE: Final = 1.0
"""Seconds without a `LARGE` packet after which the memory that it took is given back."""

HEADROOM: Final = bytes(14)
"""Where picows puts the header of a frame."""

REQUEST: Final = (
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
RESPONSE: Final = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n"
)


def encode(mask: bool, packet: Sequence[Buffer]) -> Encoded:
    """
    Return ``packet`` as `PicowsFraming.send` takes it: in memory with room for a header, or in parts.

    A packet with an array goes out of a server in two fragments, the array as it is: joining would be a copy.
    """
    if mask or sum(map(len, packet)) < SHARED:
        return bytearray().join((HEADROOM, *packet))
    *front, last = packet
    return (b"".join(front), last) if front and len(last) >= SHARED else (b"".join(packet),)


class PicowsFraming(Framing):
    """
    A parser in the link's place, and what it does not do.

    Attributes:
        large_at: When a large frame last came, if the parser's memory has grown.
        outgrown: The parser's memory is larger than what comes needs, and empty.
    """

    def __init__(
        self, frames: Frames, wire: Wire, transport: asyncio.Transport, encode: Encode, max_packet: int
    ) -> None:
        self.outgrown = False
        self._link = frames
        self._client = wire.side is Side.CLIENT
        self._transport = transport
        self._encode = encode
        self._max_packet = max_packet
        self._closing = self._over = False
        self._halfway = self._resumed = False
        self.large_at: float | None = None
        self._install()

    def _install(self) -> None:
        self.outgrown = False
        self.large_at = None
        self._parser = Parser(self, self._link, client=self._client, max_packet=self._max_packet)
        underneath = Underneath(self._transport)
        self._parser.connection_made(underneath)
        self._socket: WSTransport = self._parser.transport
        self._parser.feed(self._handshake())
        underneath.shaking_hands = False
        self._transport.set_protocol(self._parser)

    def _handshake(self) -> bytes:
        if not self._client:
            return REQUEST
        return RESPONSE.format(accept_key(self._socket.request.headers["Sec-WebSocket-Key"])).encode()

    # Called by the link.

    def take(self, data: bytes | bytearray | memoryview) -> None:
        if not self._over:  # what came right behind the handshake
            self._parser.feed(data)
            self.look_after()

    def send(self, packet: Sequence[Buffer]) -> None:
        frame = self._encode(packet)
        if type(frame) is bytearray:
            self._socket.send_reuse_external_bytearray(BINARY, frame, len(HEADROOM))
        elif len(frame) == 1:
            self._socket.send(BINARY, cast("Buffer", frame[0]))
        else:
            self._halfway = True
            self._socket.send(BINARY, cast("Buffer", frame[0]), False)  # noqa: FBT003  fin
            self._socket.send(CONTINUATION, cast("Buffer", frame[1]))
            self._halfway = False
            if self._resumed:
                self.resume_writing()

    def close(self, code: int, reason: str) -> None:
        self._say_close(code, reason)

    def fail(self, code: int, reason: str) -> None:
        self._say_close(code, reason)
        self._stop()

    def end_of_stream(self) -> None:
        self._over = True

    # Called by the parser.

    def resume_writing(self) -> None:
        """
        Have the owner go on, but not in the middle of a packet: a transport may call this from inside a write.
        """
        self._resumed = self._halfway
        if not self._halfway:
            self._link.resume_writing()

    def weigh(self, frame: WSFrame) -> None:
        """
        Note how large the packets are: the memory that a parser has read a large one into, it keeps.
        """
        if frame.payload_size >= LARGE:
            self.large_at = self._link.received_at
        elif self.large_at is not None and not frame.tail_size:
            self.outgrown = self._link.received_at - self.large_at > PATIENCE

    def pong(self, data: bytes) -> None:
        """
        Answer a ping.
        """
        if not self._closing and not self._transport.is_closing():
            self._socket.send_pong(data)

    def closed(self, data: bytes) -> None:
        """
        Answer a close frame, unless it is an answer.
        """
        if self._over:
            return
        try:
            close = Close.parse(data)
        except (ProtocolError, UnicodeDecodeError) as exc:
            self.malformed(str(exc))
            return
        if not self._closing and close.code == CloseCode.NO_STATUS_RCVD:
            self._closing = True
            self._socket.send(CLOSE, None)
        self._say_close(close.code, close.reason)
        self._stop()
        self._link.closed(close)

    def malformed(self, problem: str) -> None:
        """
        End the connection.
        """
        if self._over:
            return
        self._say_close(CloseCode.PROTOCOL_ERROR, problem)
        self._stop()
        self._link.failed(Close(CloseCode.PROTOCOL_ERROR, problem))

    def look_after(self) -> None:
        """
        See whether the parser has given up, or holds more memory than it needs.
        """
        if self._over:
            return
        sent = self._socket.close_handshake.sent if self._socket.is_close_frame_sent else None
        if sent is not None and not self._closing:
            self._closing = True
            self._stop()
            self._link.failed(Close(cast("int", sent.code), sent.reason))
        elif self.outgrown and not self._closing:
            self._install()

    def _say_close(self, code: int, reason: str) -> None:
        if not self._closing and not self._transport.is_closing():
            self._closing = True
            self._socket.send_close(cast("Any", code), reason.encode())

    def _stop(self) -> None:
        """
        Parse nothing more. The server is the one who ends the stream, as RFC 6455 has it.
        """
        if self._over:
            return
        self._over = True
        self._link.closing()
        if self._transport.is_closing():
            return
        self._transport.set_protocol(cast("asyncio.BaseProtocol", self._link))
        if not self._client:
            half_close(self._transport)


PICOWS: Final = Engine("picows", encode, PicowsFraming)
