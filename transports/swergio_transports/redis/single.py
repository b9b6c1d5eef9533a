"""One server, or the master that sentinels name."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

from swergio.errors import ConnectFailed
from swergio_transports.redis.address import Address, Kind, Place, shown
from swergio_transports.redis.calls import Call, Command
from swergio_transports.redis.deployment import Deployment, ReaderEvents
from swergio_transports.redis.errors import BrokerLost
from swergio_transports.redis.node import Manners, Node
from swergio_transports.redis.sentinels import Sentinels
from swergio_transports.redis.wire import Landed

LOOK: Final = 1.0
"""Seconds between questions to the sentinels: a master that hangs, or is cut off with us, says nothing itself."""


class Single(Deployment):
    """
    A deployment of one node.
    """

    def __init__(self, address: Address, manners: Manners, events: ReaderEvents) -> None:
        super().__init__(events)
        self._address = address
        self._sentinels: Sentinels | None = None
        if address.kind is Kind.SENTINELS:
            timing = manners.heartbeat, manners.dead_after
            self._sentinels = Sentinels(address.places, address.service, manners.who, *timing)
        self._node = Node(self._find, manners, self)
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> None:
        """
        Begin to connect.
        """
        self._node.start()
        if self._sentinels is not None:
            self._watch = asyncio.create_task(self._follow(self._sentinels), name="swergio sentinels")

    async def close(self) -> None:
        """
        Release everything.
        """
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self._node.close()
        if self._sentinels is not None:
            self._sentinels.close()

    @property
    def nodes(self) -> Sequence[Node]:
        """
        The one.
        """
        return (self._node,)

    async def exchange(self, calls: Sequence[Call | Command], *, whole: bool = False) -> list[Any]:
        """
        Send all in one write.
        """
        return [await reply for reply in self._node.send([call.words(whole=whole) for call in calls])]

    def post(self, calls: Sequence[Call | Command], landed: Landed) -> None:
        """
        Send all in one write.
        """
        try:
            self._node.post([call.words() for call in calls], landed)
        except BrokerLost as exc:
            landed(exc)

    async def subscribe(self, channels: Sequence[bytes]) -> None:
        """
        See `Node.subscribe`.
        """
        await self._node.subscribe(channels)

    async def unsubscribe(self, channels: Sequence[bytes]) -> None:
        """
        See `Node.unsubscribe`.
        """
        await self._node.unsubscribe(channels)

    def moved(self, node: Node, channel: bytes) -> None:
        """
        Only a cluster does that.
        """

    async def _find(self) -> Place:
        return await self._sentinels.find() if self._sentinels else self._address.places[0]

    async def _follow(self, sentinels: Sentinels) -> None:
        while True:
            await asyncio.sleep(LOOK)
            with contextlib.suppress(ConnectFailed):  # told by who connects; who is connected needs no sentinel
                place = await sentinels.find()
                if self._node.place not in {None, place}:
                    self._node.drop(f"the sentinels have made {shown(place)} the master")
