"""One link over ZeroMQ, whichever end of it.

Theory of operation. A link goes through

    handshake --(WELCOME)--> open --(close, BYE, failure, the connection is gone)--> ending --> lost

``_open`` says that packets may leave, ``_deaf`` that none is handed to the owner any more. A link that is closed here
sends BYE behind what is queued and waits for the peer's BYE, which says that all of it arrived; a timer bounds that.

ROUTER and DEALER take a few messages for each peer and then refuse (`zmq.Again`; nothing is dropped). What is refused
waits in the link's own queue, and the owner is told to wait with more. An owner that does not is cut off when the
queue is full.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Final, TypeAlias

import zmq

from swergio.hub.link import Buffer, Link, LinkEvents
from swergio_transports.zeromq.connection import Connection
from swergio_transports.zeromq.sockets import NOW, NOW_AND_MORE, Socket
from swergio_transports.zeromq.wire import Word, bye, printable

CLOSE_TIMEOUT: Final = 2.0
"""Seconds for what is queued to leave and for the peer to answer, once the link is ending."""

ZERO_COPY: Final = 128 * 1024
"""Bytes from which a part is handed over without a copy; below, what libzmq and pyzmq do for that costs more."""

KEPT: Final = 32 * 1024
"""Bytes from which a received part is kept where it came; below, it is copied out of libzmq's memory."""

PACKET_COST: Final = 1024
STALE: Final = 1.0

Part: TypeAlias = "Buffer | zmq.Frame"

logger = logging.getLogger("swergio.zeromq")


class Gone(Exception):
    """
    There is no connection under the link any more.
    """


class ZeroMQLink(Link):
    """
    What both ends of a link share: everything but the handshake.
    """

    def __init__(self, max_packet: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.peer = "unknown"
        self.writable = True
        self.connection: Connection | None = None
        self._received_at = self._loop.time()
        self._max_packet = max_packet
        self._owner: LinkEvents | None = None
        self._process = os.getpid()
        self._queue: deque[Sequence[Part]] = deque()
        self._queued = 0
        self._open = self._deaf = self._closing = self._ended = self._told = False
        self._cause = ""
        self._final = False
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def received_at(self) -> float:
        """
        When any byte last came.

        Of a message that is on its way only the kernel knows; it is asked when nothing else is a sign of life.
        """
        now = self._loop.time()
        if now - self._received_at > STALE and self.connection is not None:
            silence = self.connection.silence()
            if silence is not None:
                self._received_at = max(self._received_at, now - silence)
        return self._received_at

    @received_at.setter
    def received_at(self, value: float) -> None:
        self._received_at = value

    # Called by the owner.

    def send(self, packet: Sequence[Buffer]) -> None:
        """
        Give one message to the socket, or queue it if that takes none now.
        """
        if self._open and self._process == os.getpid():
            self._write(self._cut(packet))

    def close(self, reason: str = "") -> None:
        """
        Say BYE behind what is queued; hand nothing more to the owner.
        """
        if not self._open:
            return
        self._stop(f"closed here: {reason}" if reason else "closed here")
        self._closing = True
        self._deadline = self._loop.call_later(CLOSE_TIMEOUT, self.abort)
        self._write(bye(reason))

    def abort(self) -> None:
        """
        Drop the connection. Safe at any time.
        """
        self._stop("aborted here")
        self._queue.clear()
        self._end(at_once=True)

    # Called by whoever reads the socket.

    def begin(self, owner: LinkEvents) -> None:
        """
        Tell ``owner`` what comes from now on, or that nothing will.
        """
        self._owner = owner
        if self._ended:
            self._tell()

    def take(self, parts: list[zmq.Frame]) -> None:
        """
        Take one message.
        """
        self._received_at = self._loop.time()
        try:
            if len(parts) > 1 and not len(parts[0]):
                self._take_word(parts[1].bytes)
            elif not self._deaf:
                self._take_packet(parts)
        except Exception as exc:
            logger.exception("what came from %s could not be handled", self.peer)
            self._stop(f"failed here: {exc!r}")
            self.abort()

    def retry(self) -> bool:
        """
        Send what is queued; return whether some of it still is.
        """
        try:
            while self._queue:
                if not self._put(self._queue[0]):
                    return True
                self._queued -= _cost(self._queue.popleft())
        except Gone:
            self.lost("connection lost")
        if not self.writable:
            self.writable = True
            self._resume()
        return bool(self._queue)

    def lost(self, reason: str) -> None:
        """
        Note that the connection is gone.
        """
        self._stop(reason)
        self._queue.clear()
        self._end(at_once=True)

    # Between the two.

    @abstractmethod
    def _cut(self, packet: Sequence[Buffer]) -> Sequence[Part]:
        """
        Return the parts in which ``packet`` travels; the first one is empty only if it is the only one.
        """

    @abstractmethod
    def _put(self, parts: Sequence[Part]) -> bool:
        """
        Give a message to the socket; return false if it takes none now.

        Raises:
            Gone: It never will.
        """

    @abstractmethod
    def _release(self, at_once: bool) -> None:
        """
        Give the connection up: at once, or when the peer has had the time to read what was said last.
        """

    @abstractmethod
    def _waits(self) -> None:
        """
        See to it that ``retry`` is called.
        """

    def _opened(self) -> None:
        self._open = True

    def _write(self, parts: Sequence[Part]) -> None:
        try:
            if not self._queue and self._put(parts):
                return
        except Gone:
            self.lost("connection lost")
            return
        self._queue.append(parts)
        self._queued += _cost(parts)
        self.writable = False
        self._waits()
        if self._queued > 2 * self._max_packet and len(self._queue) > 2:
            self._stop(f"{self._queued} bytes wait, and the peer does not read")
            self.abort()

    def _take_packet(self, parts: list[zmq.Frame]) -> None:
        if self._owner is None:
            return
        size = sum(map(len, parts))
        if size > self._max_packet:
            self._stop(f"ended here: a packet of {size} bytes, and the limit is {self._max_packet}")
            self.abort()
        elif len(parts) == 1 and size < KEPT:
            self._owner.packet_received(parts[0].bytes)
        else:
            self._owner.packet_received([_kept(part) for part in parts])

    def _take_word(self, said: bytes) -> None:
        if said[:1] != bytes((Word.BYE,)):
            self._stop(f"ended here: the peer said {said[:1].hex()}")
            self.abort()
            return
        if not self._closing:
            self._stop(f"closed by the peer: {printable(said[1:])}")
            self._answer_bye()
        self._end(at_once=False)

    def _answer_bye(self) -> None:
        self._queue.clear()
        with contextlib.suppress(Gone):
            self._put(bye(""))

    def _resume(self) -> None:
        if not self._open or self._owner is None:
            return
        try:
            self._owner.writable_again()
        except Exception as exc:
            logger.exception("the owner of the link to %s failed when it could write again", self.peer)
            self._stop(f"failed here: {exc!r}")
            self.abort()

    # Ways to end.

    def _stop(self, cause: str) -> None:
        self._open = False
        self._deaf = True
        self._cause = self._cause or cause

    def _end(self, *, at_once: bool) -> None:
        if self._ended:
            return
        self._ended = True
        if self._deadline is not None:
            self._deadline.cancel()
        self._release(at_once)
        if not self._loop.is_closed():
            self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        if self._owner is None or self._told:
            return
        self._told = True
        try:
            self._owner.link_lost(self._cause, final=self._final)
        except Exception:
            logger.exception("the owner of the link to %s failed when it was lost", self.peer)


def hand_over(socket: Socket, parts: Sequence[Part], *to: bytes) -> bool:
    """
    Give a message to a socket; return false if it takes none now, and then nothing of it was taken.

    Raises:
        Gone: There is no such peer.
    """
    try:
        for name in to:
            socket.send(name, NOW_AND_MORE)
        for part in parts[:-1]:
            _send(socket, part, NOW_AND_MORE)
        _send(socket, parts[-1], NOW)
    except zmq.Again:
        return False
    except zmq.ZMQError as exc:
        raise Gone from exc
    return True


def _send(socket: Socket, part: Part, flags: int) -> None:
    if len(part) < ZERO_COPY:
        socket.send(part, flags)
        return
    # A whole part that came in goes out as it is: libzmq counts its users, and no memory is touched.
    whole = part.obj if isinstance(part, memoryview) else part
    if isinstance(whole, zmq.Frame) and len(whole) == len(part):
        socket.send(whole, flags, copy=False)
    else:
        socket.send(part, flags, copy=not isinstance(whole, bytes | zmq.Frame))


def _kept(part: zmq.Frame) -> bytes | memoryview:
    return part.bytes if len(part) < KEPT else part.buffer.toreadonly()


def _cost(parts: Sequence[Part]) -> int:
    return sum(map(len, parts)) + PACKET_COST
