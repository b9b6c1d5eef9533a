"""What makes frames of packets and packets of frames, once a connection is open: one of two libraries.

The handshake is always the work of websockets, so that who gets a link is decided in one place. Behind it stands a
`Framing`, chosen by the setting ``websocket``: over websockets, which is always there, or over picows, a parser in
Cython that the extra ``speed`` brings. Both keep what `WebSocketLink` promises; the tests of a link run over both.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from websockets.frames import Close

from swergio.hub.link import Buffer, Packet
from swergio_transports.websocket.wire import Wire

Encoded: TypeAlias = "bytes | bytearray | tuple[Buffer, ...]"
Encode: TypeAlias = Callable[[Sequence[Buffer]], Encoded]
"""Makes of a packet what the `Framing` of the same library writes."""


class Frames(Protocol):
    """
    What a framing tells its link. Nothing of it raises.
    """

    peer: str
    received_at: float

    def packet(self, packet: Packet) -> None:
        """
        A packet came in one frame.
        """

    def costly(self, opcode: int, data: bytes | bytearray | memoryview, *, last: bool) -> None:
        """
        Any other frame came but a close frame: text, a fragment, a ping or a pong.
        """

    def resume_writing(self) -> None:
        """
        There is room to write again.
        """

    def closing(self) -> None:
        """
        The peer has closed, or passed a bound: what came before is still to be handed over, and nothing may be sent.
        """

    def closed(self, close: Close) -> None:
        """
        The peer's close frame came, and was answered.
        """

    def failed(self, problem: object) -> None:
        """
        What came is against the protocol, and a close frame has said so.
        """

    def crashed(self, exc: Exception) -> None:
        """
        There is an error in the program.
        """


class Framing(ABC):
    """
    The frames of one open connection.
    """

    @abstractmethod
    def take(self, data: bytes | bytearray | memoryview) -> None:
        """
        Take what was read. ``data`` is not kept.
        """

    @abstractmethod
    def send(self, packet: Sequence[Buffer]) -> None:
        """
        Write one binary frame.
        """

    @abstractmethod
    def close(self, code: int, reason: str) -> None:
        """
        Write a close frame, and read on until the peer's comes.
        """

    @abstractmethod
    def fail(self, code: int, reason: str) -> None:
        """
        Write a close frame if there was none, and discard what comes.
        """

    @abstractmethod
    def end_of_stream(self) -> None:
        """
        Take it that nothing more can come.
        """


class Engine(NamedTuple):
    """
    A library that makes frames.

    Attributes:
        name: What the setting calls it.
        encode: An `Encode`, once it is known whether this side masks.
        framing: Makes the `Framing` of a connection: for whom, after which handshake, over which transport, with which
            `Encode`, and how large a packet may be.
    """

    name: str
    encode: Callable[[bool, Sequence[Buffer]], Encoded]
    framing: Callable[[Frames, Wire, asyncio.Transport, Encode, int], Framing]
