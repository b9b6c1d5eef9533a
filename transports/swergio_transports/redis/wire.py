"""One connection to one server: commands out, replies and messages in; it knows when it is dead.

Theory of operation. Replies come in the order of the commands, so that any number of callers share the connection,
each with a place in a queue: a future for one reply, or a flight for all those of one write, which calls back when the
last one is there (a future and a task for each would cost as much as everything else). Messages of subscriptions come
between them, marked by the protocol (RESP3). Bytes go from the transport into hiredis' parser and its objects on to
whoever waits, inside one callback.

redis-py's own connections are not used, for what they do when a connection is bad (measured with 8.1.0): pub/sub takes
ETIMEDOUT of a dead socket for "no message yet", so that ``listen()`` holds the event loop for ever; it resubscribes
without a word of what was lost meanwhile; a command whose reply is lost is sent again, ten times. Here a socket's
error ends the connection, whatever it is, and liveness is judged by what comes in: a silent server is asked for a sign
of life, and no byte for too long is death.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, cast

from hiredis import ProtocolError, PushNotification, Reader, ReplyError

from swergio_transports.redis.bodies import DOLLAR, HEAD, Body
from swergio_transports.redis.calls import Word, packed
from swergio_transports.redis.errors import BrokerLost, reason_of

with contextlib.suppress(ImportError):  # not on Windows
    import fcntl
    import termios

READ_SIZE: Final = 1024 * 1024
USER_TIMEOUT: Final = 20_000
"""Milliseconds after which the kernel gives up on bytes that nobody acknowledges."""

logger = logging.getLogger("swergio.redis")

_NOTHING: Final = object()

Landed: TypeAlias = Callable[[list[Any] | BrokerLost], None]
"""Takes the replies to some commands, or why there are none. It must not raise."""


class _ReadBuffer(threading.local):
    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_SIZE))


_read_buffer = _ReadBuffer()  # one of all connections of a thread: it is filled and parsed in one step


class Flight:
    """
    Commands that were written together.

    Args:
        count: How many.
        landed: Called once: with all replies, or with why there are none.
    """

    __slots__ = ("count", "landed", "replies")

    def __init__(self, count: int, landed: Landed) -> None:
        self.count = count
        self.landed = landed
        self.replies: list[Any] = []


class Wire(asyncio.BufferedProtocol):
    """
    A connection. Made by `swergio_transports.redis.dialing.dial`.

    Args:
        heartbeat: Seconds of silence after which the server is asked for a sign of life.
        dead_after: Seconds without a byte after which the connection is dead.

    Attributes:
        closed: Done when the connection is gone; its result says why.
        identity: Of the server at the other end, once that is known.
    """

    def __init__(self, heartbeat: float, dead_after: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[str] = self._loop.create_future()
        self.identity = ""
        self._heartbeat = heartbeat
        self._dead_after = dead_after
        self._parser = Reader(notEnoughData=_NOTHING)
        self._parser.setmaxbuf(READ_SIZE)
        self._body: Body | None = None
        self._large = False
        self._waiting: deque[asyncio.Future[Any] | Flight] = deque()
        self._transport: asyncio.Transport | None = None
        self._reason = "the server closed the connection"
        self._heard = self._looked = self._loop.time()
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None

    # -- what goes out --------------------------------------------------------------------------------------------

    def send(self, commands: Sequence[Sequence[Word]]) -> list[asyncio.Future[Any]]:
        """
        Write commands at once; each future gets its reply, a `hiredis.ReplyError` as a result too.

        A future that is cancelled changes nothing: the command was sent. Buffers must not change until then.

        Raises:
            BrokerLost: There is no connection any more. All futures end with it when that happens later.
        """
        futures = [self._loop.create_future() for _ in commands]
        self.write(commands, futures)
        return futures

    def write(self, commands: Sequence[Sequence[Word]], waiting: Sequence[asyncio.Future[Any] | Flight]) -> None:
        """
        Write commands whose replies are for those who are ``waiting``; see `send`.
        """
        if self._transport is None or self.closed.done():
            raise BrokerLost(self.closed.result() if self.closed.done() else "not connected")
        self._waiting.extend(waiting)
        buffers = packed(commands)
        if len(buffers) > 1 and sys.version_info >= (3, 12):
            self._transport.writelines(buffers)
        else:  # before 3.12 asyncio would join them, and 256 MiB take a second more
            for buffer in buffers:
                self._transport.write(buffer)

    async def ask(self, *words: Word) -> Any:
        """
        Send one command and return its reply, a `hiredis.ReplyError` as a value too.

        Raises:
            BrokerLost: There is no connection any more.
        """
        (future,) = self.send([words])
        return await future

    @property
    def unsent(self) -> int:
        """
        Bytes that the other end's kernel has not taken, as far as it is known: on Linux those of ours count too.
        """
        if self._transport is None:
            return 0
        sock = self._transport.get_extra_info("socket")
        return self._transport.get_write_buffer_size() + (outgoing(sock.fileno()) if sock is not None else 0)

    def abort(self, reason: str) -> None:
        """
        End the connection at once.
        """
        if not self.closed.done():
            self._reason = reason
            self._end()

    # -- asyncio's protocol ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        The socket is connected.
        """
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family != getattr(socket, "AF_UNIX", None):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT)
        self._look()

    def get_buffer(self, sizehint: int) -> memoryview:
        """
        Return where to read into.
        """
        if self._body is not None:
            return self._body.rest
        return _read_buffer.view[:HEAD] if self._large else _read_buffer.view

    def buffer_updated(self, count: int) -> None:
        """
        Parse what came.
        """
        self._heard = self._loop.time()
        try:
            if self._body is not None:
                self._continue(self._body, count)
                return
            data = _read_buffer.view[:count]
            if data[0] == DOLLAR and not self._parser.has_data():
                self._body = Body.begun_in(data)
                if self._body is not None:
                    return
            self._large = False
            self._parser.feed(data)  # type: ignore[arg-type]
            while (reply := self._parser.gets()) is not _NOTHING:
                if type(reply) is PushNotification:
                    self._pushed(reply)
                else:
                    self._replied(reply)
        except ProtocolError as exc:
            self.abort(f"what came is not the protocol of Redis: {exc}")
        except Exception as exc:
            # An exception that left this callback would leave a connection that is neither alive nor lost.
            logger.exception("what came from the server could not be handled")
            self.abort(f"{type(exc).__name__}: {exc}")

    def _continue(self, body: Body, count: int) -> None:
        if body.came(count):
            self._body = None
            self._large = True  # others may follow it
            self._replied(body.reply)

    def eof_received(self) -> bool:
        """
        The server closed the connection.
        """
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """
        The connection is gone.
        """
        if exc is not None and not self.closed.done():
            self._reason = reason_of(exc)
        self._end()

    def _pushed(self, push: PushNotification) -> None:
        """
        A message of a subscription came: kind, channel, and more.
        """

    def _replied(self, reply: Any) -> None:
        if not self._waiting:
            self.abort(f"the server sent what nobody asked for: {str(reply)[:80]}")
            return
        waiting = self._waiting[0]
        if type(waiting) is Flight:
            waiting.replies.append(reply)
            if len(waiting.replies) == waiting.count:
                self._waiting.popleft()
                waiting.landed(waiting.replies)
            return
        self._waiting.popleft()
        assert isinstance(waiting, asyncio.Future)
        if not waiting.done():
            waiting.set_result(reply)

    # -- its end --------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        if self.closed.done():
            return
        self.closed.set_result(self._reason)
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        left, self._waiting = self._waiting, deque()
        for waiting in left:
            if isinstance(waiting, Flight):
                waiting.landed(BrokerLost(self._reason))
            elif not waiting.done():
                waiting.set_exception(BrokerLost(self._reason))
                waiting.exception()  # whoever waited may be gone: that is no mistake

    def _look(self) -> None:
        """
        Judge, from time to time, whether the other end is there.
        """
        now = self._loop.time()
        period = min(self._heartbeat, self._dead_after / 4)
        late = now - self._looked > 2 * period + 0.5
        self._looked = now
        if self.unsent < self._unsent:
            self._heard = now  # it takes what is sent
        self._unsent = self.unsent
        silence = now - self._heard
        if silence > self._dead_after and not late:  # if this process was held up, what came is not read yet
            self.abort(f"no sign of life for {silence:.1f} s")
            return
        if silence >= self._heartbeat and not self._waiting:
            self.send([("PING",)])
        self._timer = self._loop.call_later(period, self._look)


def outgoing(file: int) -> int:
    """
    Return how many bytes the kernel holds that were not acknowledged; 0 where it does not tell.

    It holds megabytes. Over a slow line they take longer than a server may be silent, and nothing else shows that
    they are on their way.
    """
    try:
        (count,) = struct.unpack("i", fcntl.ioctl(file, termios.TIOCOUTQ, bytes(4)))
    except (NameError, OSError, ValueError):
        return 0
    return int(count)


def refused(reply: Any) -> str | None:
    """
    Return the server's error, None if the reply is none.
    """
    return str(reply) if isinstance(reply, ReplyError) else None
