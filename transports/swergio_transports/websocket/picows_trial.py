"""Tries picows out, on a connection that leads nowhere."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import Any, cast

from websockets.client import ClientProtocol
from websockets.frames import Close, CloseCode
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from swergio.hub.link import Packet
from swergio_transports.websocket.picows_framing import PicowsFraming, encode
from swergio_transports.websocket.wire import Wire, wire_logger

PACKET = bytes(range(256)) * 1024


def check() -> None:
    """
    Have both sides send each other a packet, and close.

    Raises:
        Exception: Whatever shows that this version cannot be used as it is here.
    """
    with socket.socket() as unconnected:
        for sides in ((_server, _client), (_client, _server)):
            _exchange(*(_End(side(), unconnected) for side in sides))


def _server() -> Wire:
    return ServerProtocol(logger=wire_logger)


def _client() -> Wire:
    return ClientProtocol(parse_uri("ws://localhost"), logger=wire_logger)


def _exchange(near: _End, far: _End) -> None:
    near.framing.send((b"one", PACKET))
    near.framing.send((b"two",))
    near.framing.close(CloseCode.NORMAL_CLOSURE, "enough")
    far.framing.take(near.written())
    near.framing.take(far.written())
    enough = [Close(CloseCode.NORMAL_CLOSURE, "enough")]
    if far.received != b"one" + PACKET + b"two" or far.ends != enough or near.ends != enough:
        raise RuntimeError("frames do not arrive as they were sent")


class _End(asyncio.Transport):
    """
    The transport and the link of one side.
    """

    def __init__(self, wire: Wire, unconnected: socket.socket) -> None:
        super().__init__({"socket": unconnected})
        self.received_at = 0.0
        self.peer = "nowhere"
        self.received = bytearray()
        self.ends: list[object] = []
        self._written = bytearray()
        masks = isinstance(wire, ClientProtocol)
        self.framing = PicowsFraming(self, wire, self, partial(encode, masks), len(PACKET) + 3)

    # The transport.

    def get_write_buffer_size(self) -> int:
        return 1  # or the unconnected socket would be written to

    def write(self, data: Any) -> None:
        self._written += data

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def written(self) -> bytes:
        return bytes(self._written)

    # The link.

    def packet(self, packet: Packet) -> None:
        self.received += cast("bytes", packet)

    def costly(self, opcode: int, data: bytes | bytearray | memoryview, *, last: bool) -> None:
        self.received += data

    def resume_writing(self) -> None:
        pass

    def closing(self) -> None:
        pass

    def closed(self, close: Close) -> None:
        self.ends.append(close)

    def failed(self, problem: object) -> None:
        self.ends.append(problem)

    def crashed(self, exc: Exception) -> None:
        self.ends.append(exc)
