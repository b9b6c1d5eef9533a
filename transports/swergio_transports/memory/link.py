"""The link inside one process.

Both ends have an event loop, usually on threads of their own. What is meant for the other end is put into its `Inbox`,
or asked of its loop. A packet is not copied, once its buffers are joined.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Final

from swergio.hub.link import Buffer, Link, LinkEvents
from swergio_transports.memory.inbox import Inbox

DROPPED: Final = "connection lost: the other end dropped it"
UNREACHABLE: Final = "connection lost: the event loop of the other end is closed"

logger = logging.getLogger("swergio.memory")


class MemoryLink(Link):
    """
    One end of a connection, made on the thread of its loop.

    It is ``connect``-ed to the other end first, from when on it can send, and hands nothing over before ``begin``.

    Attributes:
        inbox: What the other end has sent.
    """

    def __init__(self, url: str, max_packet: int) -> None:
        self.peer = url
        self.writable = True
        self.inbox = Inbox()
        self._loop = asyncio.get_running_loop()
        self.received_at = self._loop.time()
        self._max_packet = max_packet
        self._other: MemoryLink | None = None
        self._owner: LinkEvents | None = None
        self._left: Callable[[], None] | None = None
        self._open = False
        self._gone = False

    def connect(self, other: MemoryLink) -> None:
        """
        Say where packets go.
        """
        self._other = other
        self._open = True

    def begin(self, owner: LinkEvents, left: Callable[[], None] | None = None) -> None:
        """
        Hand over what has come, and what will; call ``left`` before the owner hears that the link is gone.
        """
        self._owner = owner
        self._left = left
        self.look()

    # Called by the owner.

    def send(self, packet: Sequence[Buffer]) -> None:
        """
        Hand one packet to the other end.
        """
        if not self._open or self._other is None:
            return
        wake, self.writable = self._other.inbox.put(b"".join(packet))
        if not self._other.reachable or (wake and not self._other.ask(self._other.look, self._loop)):
            self._open = False
            self._loop.call_soon(self._lose, UNREACHABLE)

    def close(self, reason: str = "") -> None:
        """
        Let the other end have what was sent, and nothing after it.
        """
        said = f": {reason}" if reason else ""
        self._finish(f"closed here{said}", f"closed by the peer{said}", drop=False)

    def abort(self) -> None:
        """
        Let the other end have nothing more.
        """
        self._finish("aborted here", DROPPED, drop=True)

    # Called on the thread of the other end.

    @property
    def reachable(self) -> bool:
        """
        Whether anything asked for can still happen.
        """
        return not self._loop.is_closed()

    def ask(self, callback: Callable[[], None], asker: asyncio.AbstractEventLoop) -> bool:
        """
        Have ``callback`` run on this link's loop; return false if that will never be.
        """
        try:
            if asker is self._loop:
                self._loop.call_soon(callback)
            else:
                self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop is closed
            return False
        return True

    # Asked for by the other end, run on this one's thread.

    def look(self) -> None:
        """
        Hand over what is in the inbox.
        """
        if self._owner is None or self._other is None:
            return
        self.received_at = self._loop.time()
        batch = self.inbox.take()
        for packet in batch.packets:
            if self._open:
                self._deliver(self._owner, packet)
        if self.inbox.done(batch):
            self._other.ask(self._other.resume, self._loop)
        if batch.end is not None:
            self._lose(batch.end)

    def resume(self) -> None:
        """
        Let the owner go on: the other end has caught up.
        """
        if not self._open or self._owner is None or self.writable:
            return
        self.writable = True
        try:
            self._owner.writable_again()
        except Exception as exc:
            logger.exception("the owner of the link to %s failed when it could write again", self.peer)
            self._fail(exc)

    def _deliver(self, owner: LinkEvents, packet: bytes) -> None:
        if len(packet) > self._max_packet:
            problem = f"a packet of {len(packet)} bytes, and the limit is {self._max_packet}"
            self._finish(f"ended here: {problem}", f"ended by the peer: {problem}", drop=True)
            return
        try:
            owner.packet_received(packet)
        except Exception as exc:
            logger.exception("what came from %s could not be handled", self.peer)
            self._fail(exc)

    # Ways to end.

    def _fail(self, exc: Exception) -> None:
        self._finish(f"failed here: {exc!r}", DROPPED, drop=True)

    def _finish(self, cause: str, told: str, *, drop: bool) -> None:
        if not self._open or self._other is None:
            return
        self._open = False
        if self._other.inbox.finish(told, drop=drop):
            self._other.ask(self._other.look, self._loop)
        with contextlib.suppress(RuntimeError):  # our own loop is closed, and nobody is left to be told
            self._loop.call_soon(self._lose, cause)

    def _lose(self, cause: str) -> None:
        if self._gone:
            return
        self._open, self._gone = False, True
        if self._left is not None:
            self._left()
        try:
            if self._owner is not None:
                self._owner.link_lost(cause)
        except Exception:
            logger.exception("the owner of the link to %s failed when it was lost", self.peer)
