"""Telling the server what was handled: late enough to be cheap, and early enough for those who wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from swergio_transports.redis.access import Access
from swergio_transports.redis.calls import Call
from swergio_transports.redis.errors import BrokerLost
from swergio_transports.redis.receiving import Receiver
from swergio_transports.redis.scripts import script

DELAY: Final = 0.02
COST: Final = 1024 * 1024


class Reports:
    """
    Reports what a receiver's handlers have done: at once after a mebibyte, else within 20 ms.

    Args:
        access: The way to the server.
        receiver: Knows what was handled.
        connected: Whether there is a connection; everything is reported again when there is one.
    """

    def __init__(self, access: Access, receiver: Receiver, connected: Callable[[], bool]) -> None:
        self._instance = access.instance
        self._broker = access.broker
        self._receiver = receiver
        self._connected = connected
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._cost = 0

    def due(self, cost: int = 0) -> None:
        """
        Something of this cost was handled.
        """
        self._cost += cost
        if self._cost >= COST and self._task is None and self._connected():
            self._begin()
        elif self._timer is None:
            self._timer = self._loop.call_later(DELAY, self._begin)

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is None and self._connected():
            self._task = asyncio.create_task(self.send(), name="swergio redis report")
            self._task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if self._receiver.unreported and not task.cancelled():
            self.due()

    async def send(self) -> None:
        """
        Report now. What could not be said is said later.
        """
        self._cost = 0
        readings = list(self._receiver.reports())
        if not readings:
            return
        report = script("report")
        calls = [Call(report, (reading.keys.cursors,), (self._instance, reading.consumed)) for reading in readings]
        try:
            await self._broker.run_all(calls)
        except BrokerLost:
            for reading in readings:
                reading.reported = 0
                if self._receiver.is_read(reading):
                    self._receiver.unreported[reading] = None

    async def close(self) -> None:
        """
        Cease.
        """
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=1)
