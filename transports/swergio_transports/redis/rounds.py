"""Writing: everything that is ready goes out in one round trip, and a few of them are under way at a time.

Nothing waits for a round trip: its replies are settled in the callback that reads them, and what is ready by then goes
out in the same callback. A task for each cost two turns of the loop for each message of a conversation.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from swergio_transports.redis.broker import Broker
from swergio_transports.redis.errors import BrokerLost
from swergio_transports.redis.sending import Sender
from swergio_transports.redis.ways import Job

# Not the global one: an application that seeds it draws the same with us and without.
_chance = random.Random()

logger = logging.getLogger("swergio.redis")

UNDER_WAY = 4
PAUSE = 0.05


class Rounds:
    """
    Carries what a sender has to say.

    Args:
        sender: Knows what to send.
        broker: Carries it.
        settled: Called when something was acknowledged.
        stands: Whether there is a connection.
    """

    def __init__(self, sender: Sender, broker: Broker, settled: Callable[[], None], stands: Callable[[], bool]) -> None:
        self._sender = sender
        self._broker = broker
        self._settled = settled
        self._stands = stands
        self._loop = asyncio.get_running_loop()
        self._under_way = 0
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._connected = False
        self._age = 0
        self._closed = False

    def begin(self) -> None:
        """
        A connection stands.
        """
        self._connected = True
        self.pump()

    def pump(self) -> None:
        """
        Write what there is, if there is a connection.
        """
        more = True
        while more and self._connected and self._under_way < UNDER_WAY and not self._closed:
            jobs, more = self._sender.collect(self._loop.time())
            if jobs:
                self._under_way += 1
                self._broker.post([job.call for job in jobs], partial(self._landed, jobs, self._age))
        self._wait()

    def _landed(self, jobs: Sequence[Job], age: int, replies: list[Any] | BrokerLost) -> None:
        if age != self._age or self._closed:
            return  # it was taken back meanwhile
        self._under_way -= 1
        if isinstance(replies, BrokerLost):
            logger.debug("what was under way is sent again: %s", replies)
            self.broke()
            self._loop.call_later(_chance.uniform(0, PAUSE), self._go_on)
            return
        self._sender.settle(jobs, replies, self._loop.time())
        self._settled()
        self.pump()

    @property
    def idle(self) -> bool:
        """
        Whether nothing is under way.
        """
        return not self._under_way

    def _go_on(self) -> None:
        if self._stands():  # else it is begun when all is looked at again
            self.begin()

    def broke(self) -> None:
        """
        What was under way may be lost: offer it again, once a connection stands.
        """
        self._age += 1
        self._under_way = 0
        self._connected = False
        self._sender.broke()

    def _wait(self) -> None:
        due = self._sender.due()
        if due is None or (self._timer is not None and self._due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_at(due, self._again)

    def _again(self) -> None:
        self._timer = None
        self.pump()

    def close(self) -> None:
        """
        Cease.
        """
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
