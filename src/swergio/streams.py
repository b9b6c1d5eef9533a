"""Iterating over the messages of a room, and the taps that queue batches until the iterator reaches them."""

from __future__ import annotations

import asyncio
import queue
from collections import deque
from collections.abc import AsyncIterator, Iterator

from swergio.core import Core
from swergio.membership import Since, manner_of, past_of
from swergio.messages import Message, check_name
from swergio.portal import Portal
from swergio.received import Received


class Stream:
    """
    The batches of a room that an iterator has not reached. Bounded by the member's window at the hub.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._batches: deque[Received] = deque()
        self._current: Received | None = None
        self._came = asyncio.Event()

    def take(self, received: Received) -> bool:
        """
        Queue a batch.
        """
        self._batches.append(received)
        self._came.set()
        return True

    def end(self) -> None:
        """
        End the iteration.
        """
        self._came.set()

    async def next(self) -> list[Message]:
        """
        Return the messages of the next batch, none if the component is closed; the one before is done with.
        """
        if self._current is not None:
            self._core.release(self._current)
            self._current = None
        while not self._batches:
            if self._core.refusal is not None:
                return []
            self._came.clear()
            await self._came.wait()
        self._current = received = self._batches.popleft()
        return [Message(received, index) for index in range(received.count)]

    def close(self) -> None:
        """
        Give the credit of what was not reached back.
        """
        if self._current is not None:
            self._batches.appendleft(self._current)
        if self._core.refusal is None:
            for received in self._batches:
                self._core.release(received)
        self._batches.clear()


class PlainStream:
    """
    The batches of a room that an iterator has not reached. Bounded by the member's window at the hub.
    """

    def __init__(self) -> None:
        self.batches: queue.SimpleQueue[Received | None] = queue.SimpleQueue()

    def take(self, received: Received) -> bool:
        """
        Queue a batch.
        """
        self.batches.put(received)
        return True

    def end(self) -> None:
        """
        End the iteration.
        """
        self.batches.put(None)


class Reading:
    """
    The part of the asyncio component that iterates over rooms.
    """

    _core: Core

    async def messages(
        self,
        room: str,
        *,
        lossy: bool = True,
        observe: bool = False,
        echo: bool = False,
        last: int | None = None,
        since: Since | None = None,
        kept: bool = False,
    ) -> AsyncIterator[Message]:
        """
        Iterate over the messages of a room as they come, as a lossy member unless said otherwise.

        The membership begins with the first step of the iteration and ends when the iterator is closed, unless the
        component was a member before. The iteration ends when the component is closed.

        Args:
            room, lossy, observe, echo, last, since, kept: As `join`.
        """
        core = self._core
        manner, past = manner_of(lossy=lossy, observe=observe, echo=echo), past_of(last, since, kept=kept)
        stream = Stream(core)
        was_member = room in core.rooms
        core.add_tap(check_name(room, "room"), stream)
        try:
            if not was_member:
                await core.enter(room, manner, past)
            while batch := await stream.next():
                for message in batch:
                    yield message
        finally:
            core.remove_tap(room, stream)
            stream.close()
            if not was_member and core.refusal is None:
                await core.exit(room)


class PlainReading:
    """
    The part of the plain component that iterates over rooms.
    """

    _core: Core

    def _door(self) -> Portal:
        raise NotImplementedError

    def messages(
        self,
        room: str,
        *,
        lossy: bool = True,
        observe: bool = False,
        echo: bool = False,
        last: int | None = None,
        since: Since | None = None,
        kept: bool = False,
    ) -> Iterator[Message]:
        """
        Iterate over the messages of a room as they come, as a lossy member unless said otherwise.

        The membership begins with the first step of the iteration and ends when the iterator is closed, unless the
        component was a member before. The iteration ends when the component is closed.

        Args:
            room, lossy, observe, echo, last, since, kept: As `join`.
        """
        manner, past = manner_of(lossy=lossy, observe=observe, echo=echo), past_of(last, since, kept=kept)
        stream = PlainStream()
        portal, core = self._door(), self._core
        was_member = room in core.rooms
        portal.soon(core.add_tap, check_name(room, "room"), stream)
        try:
            if not was_member:
                portal.call(lambda: core.enter(room, manner, past))
            while (received := stream.batches.get()) is not None:
                for index in range(received.count):
                    yield Message(received, index)
                portal.soon(core.release, received)
        finally:
            portal.soon(core.remove_tap, room, stream)
            if not was_member and core.refusal is None:
                portal.call(lambda: core.exit(room))
