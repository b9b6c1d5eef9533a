"""The listening end: one ROUTER, its connections, and the links on them.

A connection is known by its descriptor from the moment of accepting, and the id that ROUTER gives its peer comes with
the first message, which also tells the descriptor. Whoever has not begun with HELLO gets little: a deadline, and one
of a bounded number of places, where the oldest has to go when a new one comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Final

import zmq

from swergio.hub.link import Accept, Buffer, LinkOptions
from swergio_transports.zeromq.connection import Connection
from swergio_transports.zeromq.link import CLOSE_TIMEOUT, ZERO_COPY, Gone, Part, ZeroMQLink, hand_over
from swergio_transports.zeromq.options import HIGH_WATER
from swergio_transports.zeromq.sockets import NOW, Context, LoopSocket, Monitor, Socket, receive
from swergio_transports.zeromq.wire import Refusal, read_hello, refuse, welcome

MAX_HANDSHAKES: Final = 512
REMEMBERED: Final = 4096
"""Ids of links that are over: what still comes from one is no stranger's."""

LAST_WORDS: Final = 2 * HIGH_WATER
"""Messages that are looked through for the last ones of a peer that is gone. ROUTER takes from its peers in turn."""

logger = logging.getLogger("swergio.zeromq")


class Place:
    """
    A connection that was accepted.

    Attributes:
        link: What it carries, once it has said HELLO.
    """

    def __init__(self, connection: Connection, deadline: asyncio.TimerHandle) -> None:
        self.connection = connection
        self.link: ServerLink | None = None
        self._deadline = deadline

    def cut_in(self, seconds: float) -> None:
        """
        End the connection then, if it is still there.
        """
        self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(seconds, self.connection.cut)

    def stay(self) -> None:
        """
        Let time do nothing to it.
        """
        self._deadline.cancel()


class Reception:
    """
    Decides who gets a link, knows who has one, and reads and writes for all of them.

    Args:
        context: That of the socket.
        socket: A ROUTER that is configured and not bound.
        accept: Called for each link.
        options: Limits, and who may come in.
        emptied: Called when the listener is closed and the last link is over.
    """

    def __init__(
        self, context: Context, socket: Socket, accept: Accept, options: LinkOptions, emptied: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._accept = accept
        self._options = options
        self._emptied = emptied
        self._places: dict[int, Place] = {}
        self._strangers: dict[int, None] = {}  # in order of arrival
        self._links: dict[bytes, ServerLink] = {}
        self._past: dict[bytes, None] = {}
        self._blocked: dict[ServerLink, None] = {}
        self._closed = False
        self.unbound: asyncio.Future[None] = self._loop.create_future()
        self._monitor = Monitor(context, socket, self._happened)
        self.socket = LoopSocket(socket, self._read, self._retry)

    @property
    def empty(self) -> bool:
        """
        Whether there is no link.
        """
        return not self._links

    def close(self) -> None:
        """
        Take no more connections, and end every handshake that is going on.
        """
        self._closed = True
        self._monitor.drain()
        for descriptor in list(self._strangers):
            self._places[descriptor].connection.cut()
        self._check_empty()

    def dispose(self) -> None:
        """
        Close the socket; answers to the BYEs of peers may still leave.
        """
        for place in self._places.values():
            place.stay()
        self._monitor.close()
        self.socket.close(int(CLOSE_TIMEOUT * 1000))

    def wait(self, link: ServerLink) -> None:
        """
        Have ``link`` retry when its peer may take more.
        """
        self._blocked[link] = None
        self.socket.wait()

    def forget(self, link: ServerLink, at_once: bool) -> None:
        """
        Give a link up: cut its connection, or leave the peer some time to do that.
        """
        self._blocked.pop(link, None)
        if self._links.pop(link.id, None) is not None:
            self._past[link.id] = None
            if len(self._past) > REMEMBERED:
                del self._past[next(iter(self._past))]
        if at_once and link.connection is not None:
            link.connection.cut()
        elif link.place is not None:
            link.place.cut_in(CLOSE_TIMEOUT)
        self._check_empty()

    # What the socket tells.

    def _happened(self, event: int, value: int) -> None:
        if event == zmq.EVENT_ACCEPTED:
            self._arrived(value)
        elif event == zmq.EVENT_DISCONNECTED:
            self._left(value)
        elif event == zmq.EVENT_CLOSED and not self.unbound.done():
            self.unbound.set_result(None)

    def _arrived(self, descriptor: int) -> None:
        self._left(descriptor)  # the event may have been lost
        if len(self._strangers) >= MAX_HANDSHAKES:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            self._places[oldest].connection.cut()
        connection = Connection(descriptor)
        if self._closed:
            connection.cut()
        deadline = self._loop.call_later(self._options.handshake_timeout, connection.cut)
        self._places[descriptor] = Place(connection, deadline)
        self._strangers[descriptor] = None

    def _left(self, descriptor: int) -> None:
        self._strangers.pop(descriptor, None)
        place = self._places.pop(descriptor, None)
        if place is None:
            return
        place.stay()
        if place.link is not None:
            self._loop.call_soon(self._part, place.link)

    def _part(self, link: ServerLink) -> None:
        self.socket.drain(LAST_WORDS)  # what came before the end is still there
        link.lost("connection lost")

    def _check_empty(self) -> None:
        if self._closed and not self._links:
            self._loop.call_soon(self._emptied)

    def _read(self) -> int:
        name = self.socket.socket.recv(NOW)
        parts = receive(self.socket.socket)
        link = self._links.get(name)
        if link is not None:
            link.take(parts)
        else:
            self._meet(name, parts)
        return sum(map(len, parts))

    def _meet(self, name: bytes, parts: list[zmq.Frame]) -> None:
        if name in self._past:
            return
        self._monitor.drain()
        descriptor = _source(parts)
        place = self._places.get(descriptor)
        if place is None or place.link is not None:
            return  # of a connection that is gone already, or soon will be
        said = read_hello(parts[1].bytes) if len(parts) == 2 and not len(parts[0]) else read_hello(b"")
        refusal = said if isinstance(said, Refusal) else self._refusal(said)
        if refusal is None:
            self._strangers.pop(descriptor, None)
            self._admit(name, place)
        else:
            logger.info("refused %s: %s", place.connection.peer, refusal.reason)
            self._say(name, refuse(refusal))
            place.cut_in(CLOSE_TIMEOUT)
            self._past[name] = None

    def _refusal(self, token: str | None) -> Refusal | None:
        if self._closed:
            return Refusal("the hub goes away", final=False)
        if not self._options.authorize(token):
            return Refusal("it does not accept this token (or needs one, if none was given)", final=True)
        if len(self._links) >= self._options.max_links:
            return Refusal("all connections are taken; try again later", final=False)
        return None

    def _admit(self, name: bytes, place: Place) -> None:
        place.stay()
        link = ServerLink(self, name, place, self._options.max_packet)
        self._say(name, welcome())
        self._links[name] = place.link = link
        try:
            link.begin(self._accept(link))
        except Exception:
            logger.exception("a link to %s could not be taken", link.peer)
            link.abort()

    def _say(self, name: bytes, parts: Sequence[bytes]) -> None:
        with contextlib.suppress(Gone):
            self.put(name, parts)

    def put(self, name: bytes, parts: Sequence[Part]) -> bool:
        """
        Give a message for one peer to the socket; return false if it takes none now.

        Raises:
            Gone: There is no such peer.
        """
        try:
            return hand_over(self.socket.socket, parts, name)
        finally:
            self.socket.written()

    def _retry(self) -> bool:
        for link in list(self._blocked):
            if not link.retry():
                self._blocked.pop(link, None)
        return bool(self._blocked)


def _source(parts: list[zmq.Frame]) -> int:
    try:
        return int(parts[0].get(zmq.SRCFD))
    except zmq.ZMQError:  # of some garbage libzmq does not know where it came from
        return -1


class ServerLink(ZeroMQLink):
    """
    The link of a peer that said HELLO.

    Attributes:
        id: What ROUTER calls the peer.
        place: Its connection.
    """

    def __init__(self, reception: Reception, id: bytes, place: Place, max_packet: int) -> None:
        super().__init__(max_packet)
        self.id = id
        self.place = place
        self.connection = place.connection
        self.peer = place.connection.peer
        self._reception = reception
        self._open = True

    def _cut(self, packet: Sequence[Buffer]) -> Sequence[Part]:
        if max(map(len, packet), default=0) < ZERO_COPY:
            return packet if len(packet) == 1 else (b"".join(packet),)
        parts: list[Part] = []
        small: list[Buffer] = []
        for buffer in packet:
            if len(buffer) < ZERO_COPY:
                small.append(buffer)
                continue
            if any(small):
                parts.append(b"".join(small))
            small = []
            parts.append(buffer)
        if any(small):
            parts.append(b"".join(small))
        return parts

    def _put(self, parts: Sequence[Part]) -> bool:
        return self._reception.put(self.id, parts)

    def _waits(self) -> None:
        self._reception.wait(self)

    def _release(self, at_once: bool) -> None:
        self._reception.forget(self, at_once)
