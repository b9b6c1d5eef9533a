"""What the parts of the transport share: who the component is, and its way to the server."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from swergio.messages import Instance
from swergio_transports.redis.broker import Broker
from swergio_transports.redis.calls import Call, Command
from swergio_transports.redis.errors import BrokerRefused
from swergio_transports.redis.keys import Keys


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What a log may hold: for members that are behind, and though nobody needs it.
    """

    room: int
    history: int


class Clock:
    """
    The server's time, as far as it is known: entries are dated with it, so that their age can be asked for.

    A script that asked for it with each entry would take a fifth longer.
    """

    def __init__(self) -> None:
        self._ahead = time.time() - time.monotonic()

    def set(self, milliseconds: int) -> None:
        """
        The server has just said what time it is.
        """
        self._ahead = milliseconds / 1000 - time.monotonic()

    @property
    def milliseconds(self) -> int:
        """
        The time of now.
        """
        return int((time.monotonic() + self._ahead) * 1000)


@dataclass(frozen=True, slots=True)
class Access:
    """
    One component's.

    Attributes:
        instance: Who it is.
        url: What errors call the server.
        broker: The connections.
        keys: What everything is called there.
        verb: The command that publishes.
        limits: Of every log.
        loose: Nothing is kept to recover from.
        clock: The server's.
    """

    instance: Instance
    url: str
    broker: Broker
    keys: Keys
    verb: str
    limits: Limits
    loose: bool
    clock: Clock = field(default_factory=Clock)

    async def all(self, calls: Sequence[Call | Command]) -> list[Any]:
        """
        Make calls of which none may be refused.

        Raises:
            BrokerLost: A connection broke: any of them may have been carried out.
            BrokerRefused: One was refused.
        """
        replies = await self.broker.run_all(calls) if calls else []
        for reply in replies:
            if isinstance(reply, BrokerRefused):
                raise reply
        return replies
