"""A ZeroMQ socket on an event loop.

Theory of operation. libzmq shows one descriptor for each socket, which becomes readable when something *changed*; any
call may take that sign away. So after whatever was done with a socket, its ``EVENTS`` are read again before the loop
waits: `LoopSocket.written` and `LoopSocket.touched` see to that. What there is to read is taken in one callback, many
messages at a time and yet a bounded number, so that the links of other sockets have their turn too.

zmq.asyncio makes a future and a task of each message; this costs half of what that does.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import struct
import sys
from collections.abc import Callable
from typing import Final, TypeAlias, cast

import zmq

Socket: TypeAlias = "zmq.Socket[bytes]"
Context: TypeAlias = "zmq.Context[zmq.Socket[bytes]]"

TURN_BYTES: Final = 1024 * 1024
TURN_COST: Final = 16 * 1024
"""What a message counts beyond its bytes: at most 64 of them are taken in one turn."""

AGAIN: Final = 0.02
"""Seconds until a full peer is tried again, should the sign that it has room have been lost in a call to another."""

MAX_SOCKETS: Final = 16_384

# As plain integers: an operation on a flag of pyzmq takes a microsecond.
NOW: Final = int(zmq.NOBLOCK)
NOW_AND_MORE: Final = int(zmq.NOBLOCK | zmq.SNDMORE)
READABLE: Final = int(zmq.POLLIN)

logger = logging.getLogger("swergio.zeromq")

_contexts: dict[int, Context] = {}
_numbers = itertools.count()
_EVENT = struct.Struct("=HI")


def new_context() -> Context:
    """
    Return a context of its own: authentication is per context, so each listener has one.
    """
    context: Context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, MAX_SOCKETS)
    return context


def shared_context() -> Context:
    """
    Return the context of all dialling sides of this process; a fork has none of its parent's threads, and gets its own.
    """
    context = _contexts.get(os.getpid())
    if context is None:
        mine = new_context()
        context = _contexts.setdefault(os.getpid(), mine)
        if context is not mine:  # another thread was quicker
            mine.term()
    return context


def receive(socket: Socket) -> list[zmq.Frame]:
    """
    Return the parts of the next message, which must be there.
    """
    frame = socket.recv(NOW, copy=False)
    parts = [frame]
    while frame.more:
        frame = socket.recv(NOW, copy=False)
        parts.append(frame)
    return parts


class LoopSocket:
    """
    Calls ``take`` for each message that can be read, and ``retry`` when there may be room to write again.

    Args:
        socket: The socket, used on the thread of the running loop only.
        take: Reads one message, and returns its size.
        retry: Tries again to write what found no room, once ``wait`` was called; returns whether some still has none.

    Attributes:
        paused: Nothing is read for now; ``touched`` goes on.
    """

    def __init__(self, socket: Socket, take: Callable[[], int], retry: Callable[[], bool] | None = None) -> None:
        self.socket = socket
        self._take = take
        self._retry = retry
        self._loop = asyncio.get_running_loop()
        self._descriptor = cast("int", socket.getsockopt(zmq.FD))
        self.paused = False
        self._scheduled = self._working = self._blocked = False
        self._timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(self._descriptor, self._turn)
        self.touched()

    def touched(self) -> None:
        """
        Look at the socket before the loop waits: something was done with it, or is wanted of it.
        """
        if not self._scheduled and not self._working:  # who works there looks at it once more
            self._scheduled = True
            self._loop.call_soon(self._scheduled_turn)

    def written(self) -> None:
        """
        See whether writing took away the sign that there is something to read, or to write again.

        At once: a turn of the loop only for this costs more than to ask once for each message.
        """
        if self._scheduled or self._working or self.socket.closed:
            return
        if self._blocked or self._readable():
            self.touched()

    def wait(self) -> None:
        """
        Have ``retry`` called until it says that all is written.
        """
        self._blocked = True
        self.touched()

    def drain(self, limit: int = sys.maxsize) -> None:
        """
        Take all that can be read now, or that many messages of it.
        """
        while limit > 0 and not self.socket.closed and self._readable():
            self._take()
            limit -= 1
        self.touched()

    def close(self, linger: int = 0) -> None:
        """
        Close the socket; what was given to it is still sent for ``linger`` milliseconds.
        """
        if self.socket.closed:
            return
        if self._timer is not None:
            self._timer.cancel()
        if not self._loop.is_closed():
            self._loop.remove_reader(self._descriptor)
        self.socket.close(linger)

    def _readable(self) -> bool:
        # Asked for in any case: this is what resets the descriptor.
        return bool(cast("int", self.socket.getsockopt(zmq.EVENTS)) & READABLE) and not self.paused

    def _scheduled_turn(self) -> None:
        self._scheduled = False
        self._turn()

    def _turn(self) -> None:
        if self.socket.closed:
            return
        self._working = True
        more = True
        try:
            more = self._work()
        except zmq.ZMQError:
            logger.exception("a ZeroMQ socket failed")
        finally:
            self._working = False
        if more and not self.socket.closed:
            self.touched()

    def _work(self) -> bool:
        """
        Take and retry; return whether there is more to do in the next turn.
        """
        room = TURN_BYTES
        while self._readable():
            room -= self._take() + TURN_COST
            if self.socket.closed:
                return False
            if room <= 0:
                return True
        if not self._blocked or self._retry is None:
            return False
        self._blocked = self._retry()
        if self.socket.closed:
            return False
        if self._blocked:
            self._try_again()
        return self._readable()  # writing may have taken the sign away

    def _try_again(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(AGAIN, self._timed_turn)

    def _timed_turn(self) -> None:
        self._timer = None
        self._turn()


class Monitor:
    """
    Tells what happens to the connections of a socket.

    Args:
        context: That of the socket.
        socket: The socket, before it is bound or connected.
        handle: Called with each event and its value: a descriptor, or an error number.
    """

    EVENTS: Final = (
        zmq.EVENT_ACCEPTED
        | zmq.EVENT_CONNECTED
        | zmq.EVENT_CONNECT_RETRIED
        | zmq.EVENT_CLOSED
        | zmq.EVENT_DISCONNECTED
        | zmq.EVENT_HANDSHAKE_SUCCEEDED
        | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
        | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    )

    def __init__(self, context: Context, socket: Socket, handle: Callable[[int, int], None]) -> None:
        endpoint = f"inproc://monitor-{next(_numbers)}"
        self._watched = socket
        self._handle = handle
        socket.monitor(endpoint, self.EVENTS)
        pair = context.socket(zmq.PAIR)
        pair.setsockopt(zmq.RCVHWM, 0)  # a full one would hold libzmq's own thread
        pair.connect(endpoint)
        self._loop_socket = LoopSocket(pair, self._take)

    def drain(self) -> None:
        """
        Tell all that has happened until now.
        """
        self._loop_socket.drain()

    def close(self) -> None:
        """
        Tell nothing more. To be called before the socket that is watched is closed.
        """
        if not self._watched.closed:
            self._watched.disable_monitor()
        self._loop_socket.close()

    def _take(self) -> int:
        event, value = _EVENT.unpack(receive(self._loop_socket.socket)[0].bytes)
        self._handle(event, value)
        return 0
