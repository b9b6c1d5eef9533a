"""Frames by websockets, in Python."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, cast

from websockets.frames import Frame, Opcode
from websockets.protocol import State

from swergio.hub.link import Buffer
from swergio_transports.websocket.framing import Encode, Engine, Frames, Framing
from swergio_transports.websocket.wire import Wire, flush

KEPT: Final = 32 * 1024
"""Bytes from which a packet is handed over as it was read, without another copy into bytes."""


def encode(mask: bool, packet: Sequence[Buffer]) -> bytes:
    """
    Return the frame that carries ``packet``.
    """
    return Frame(Opcode.BINARY, b"".join(packet)).serialize(mask=mask)


class WebsocketsFraming(Framing):
    """
    The protocol object that did the handshake goes on.
    """

    def __init__(
        self, frames: Frames, wire: Wire, transport: asyncio.Transport, encode: Encode, max_packet: int
    ) -> None:
        self._frames = frames
        self._wire = wire
        self._transport = transport
        self._encode = encode

    def take(self, data: bytes | bytearray | memoryview) -> None:
        wire = self._wire
        wire.receive_data(data)  # type: ignore[arg-type]  # any buffer: it is added to a bytearray
        ending = wire.close_expected()
        if ending:
            self._frames.closing()
        flush(wire, self._transport)  # pongs, or the answer to a close frame
        for frame in wire.events_received():
            if isinstance(frame, Frame):
                self._hand_over(frame)
        if ending and wire.close_rcvd is not None:
            self._frames.closed(wire.close_rcvd)
        elif ending:
            self._frames.failed(wire.close_sent)

    def _hand_over(self, frame: Frame) -> None:
        data = frame.data
        if frame.opcode is Opcode.BINARY and frame.fin:
            self._frames.packet(bytes(data) if len(data) < KEPT else memoryview(data).toreadonly())
        elif frame.opcode is not Opcode.CLOSE:
            self._frames.costly(frame.opcode, data, last=frame.fin)

    def send(self, packet: Sequence[Buffer]) -> None:
        self._transport.write(cast("bytes", self._encode(packet)))

    def close(self, code: int, reason: str) -> None:
        self._wire.send_close(code, reason)
        flush(self._wire, self._transport)

    def fail(self, code: int, reason: str) -> None:
        if self._wire.state is State.OPEN:
            self._wire.fail(code, reason)
        flush(self._wire, self._transport)

    def end_of_stream(self) -> None:
        self._wire.receive_eof()
        flush(self._wire, self._transport)


WEBSOCKETS: Final = Engine("websockets", encode, WebsocketsFraming)
