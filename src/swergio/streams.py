"""What iterators over a room read from: taps that queue batches until the iterator reaches them."""

from __future__ import annotations

import asyncio
import queue
from collections import deque

from swergio.core import Core
from swergio.messages import Message
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
