"""A cluster: which slot is on which node, and what to do when that changes.

Theory of operation. The nodes that have slots are asked for the map of all slots; of several maps the one of the node
with the newest epoch holds. It is asked for again every few seconds, and soon after any sign that it is old: a command
or subscription that belongs elsewhere (``MOVED``), a channel that the server took off us, a node that is lost. A
channel lives in the slot of its name (sharded pub/sub); when the slot moves, it is subscribed at the new node, which
is a hole.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import defaultdict
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from hiredis import ReplyError
from redis.crc import key_slot

from swergio.errors import AccessRefused, ConnectFailed, IncompatiblePeer
from swergio_transports.redis import maps
from swergio_transports.redis.address import Address, Place
from swergio_transports.redis.calls import Call, Command
from swergio_transports.redis.deployment import Deployment, ReaderEvents
from swergio_transports.redis.errors import BrokerLost, BrokerRefused
from swergio_transports.redis.maps import Map
from swergio_transports.redis.node import Manners, Node
from swergio_transports.redis.wire import Landed

# Not the global one: an application that seeds it draws the same with us and without.
_chance = random.Random()

LOOK: Final = 5.0
"""Seconds between looks at the map."""

SOON: Final = 0.2
"""Seconds between two looks when something is wrong."""

SLOTS: Final = 16384
REDIRECTS: Final = 5

logger = logging.getLogger("swergio.redis")


class Cluster(Deployment):
    """
    The masters of a cluster.
    """

    def __init__(self, address: Address, manners: Manners, events: ReaderEvents) -> None:
        super().__init__(events)
        self._seeds = address.places
        self._manners = manners
        self._nodes: dict[Place, Node] = {}
        self._slots: dict[int, Place] = {}
        self._channels: dict[bytes, Place] = {}  # of subscriptions that were confirmed, where
        self._adrift: set[bytes] = set()  # taken off us by a server
        self._soon = asyncio.Event()
        self._mapped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """
        Begin to connect.
        """
        self._spawn(self._follow())

    async def close(self) -> None:
        """
        Release everything.
        """
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not self._mapped.done():
            self._mapped.set_exception(BrokerLost("closed"))
            self._mapped.exception()
        await asyncio.gather(*(node.close() for node in self._nodes.values()))

    @property
    def nodes(self) -> Sequence[Node]:
        """
        Those that have slots.
        """
        return list(self._nodes.values())

    @property
    def stands(self) -> bool:
        """
        Whether each slot has a node that stands.
        """
        return len(self._slots) == SLOTS and super().stands

    # -- commands -------------------------------------------------------------------------------------------------

    async def exchange(self, calls: Sequence[Call | Command], *, whole: bool = False) -> list[Any]:
        """
        Send to each node what is its, and again to another one what has moved there.
        """
        replies: list[Any] = [None] * len(calls)
        left: dict[int, tuple[Place | None, bool]] = dict.fromkeys(range(len(calls)), (None, False))
        for _ in range(REDIRECTS):
            await self._send(calls, left, replies, whole=whole)
            left = {at: elsewhere for at in left if (elsewhere := self._redirected(replies[at])) is not None}
            if not left:
                return replies
        raise BrokerLost("the cluster sends us from node to node")

    def post(self, calls: Sequence[Call | Command], landed: Landed) -> None:
        """
        Send to each node what is its.
        """
        self._spawn(self._post(calls, landed))

    async def _post(self, calls: Sequence[Call | Command], landed: Landed) -> None:
        try:
            replies = await self.exchange(calls)
        except BrokerLost as exc:
            landed(exc)
        else:
            landed(replies)

    async def _send(
        self,
        calls: Sequence[Call | Command],
        left: dict[int, tuple[Place | None, bool]],
        replies: list[Any],
        *,
        whole: bool,
    ) -> None:
        parts: dict[Node, list[int]] = defaultdict(list)
        for at, (place, _) in left.items():
            parts[self._node_at(place or self._place_of(calls[at].key))].append(at)
        sent = []
        for node, ats in parts.items():
            commands = []
            for at in ats:
                commands += (
                    [("ASKING",), calls[at].words(whole=whole)] if left[at][1] else [calls[at].words(whole=whole)]
                )
            futures = iter(node.send(commands))
            for at in ats:
                if left[at][1]:
                    next(futures)  # the answer to ASKING says nothing
                sent.append((at, next(futures)))
        for at, future in sent:
            replies[at] = await future

    def _redirected(self, reply: Any) -> tuple[Place, bool] | None:
        if not isinstance(reply, ReplyError) or not str(reply).startswith(("MOVED ", "ASK ")):
            return None
        code, slot, target = str(reply).split(" ")[:3]
        place = maps.place_of(target, self._seeds[0])
        if code == "MOVED":
            self._slots[int(slot)] = place
            self._soon.set()
        return place, code == "ASK"

    def _place_of(self, key: bytes) -> Place:
        place = self._slots.get(key_slot(key))
        if place is None:
            raise BrokerLost(self.problem)
        return place

    def _node_at(self, place: Place) -> Node:
        node = self._nodes.get(place)
        if node is None:
            node = self._begin(place)
        return node

    def _begin(self, place: Place) -> Node:
        async def find() -> Place:
            return place

        node = self._nodes[place] = Node(find, self._manners, self)
        node.start()
        return node

    # -- subscriptions --------------------------------------------------------------------------------------------

    async def subscribe(self, channels: Sequence[bytes]) -> None:
        """
        Subscribe each at the node of its slot.
        """
        await asyncio.gather(*(self._subscribe(channel) for channel in channels))

    async def _subscribe(self, channel: bytes) -> None:
        while True:
            try:
                place = self._place_of(channel)
                await self._node_at(place).subscribe([channel])
            except BrokerRefused as exc:
                if self._redirected(ReplyError(str(exc))) is None:
                    raise
            except BrokerLost:
                await self._next_map()
            else:
                self._channels[channel] = place
                return

    async def unsubscribe(self, channels: Sequence[bytes]) -> None:
        """
        Unsubscribe each at the node that has it.
        """
        parts: dict[Node, list[bytes]] = defaultdict(list)
        for channel in channels:
            place = self._channels.pop(channel, None)
            if place in self._nodes:
                parts[self._nodes[place]].append(channel)
        await asyncio.gather(*(node.unsubscribe(part) for node, part in parts.items()))

    def moved(self, node: Node, channel: bytes) -> None:
        """
        A server took a channel off us.
        """
        self._adrift.add(channel)
        self._soon.set()

    def changed(self, node: Node, problem: str | None) -> None:
        """
        If a node is lost, another one may have its slots.
        """
        if problem is not None:
            self._soon.set()
        super().changed(node, problem)

    # -- the map --------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            self._soon.clear()
            try:
                self._apply(await self._newest())
            except (AccessRefused, IncompatiblePeer) as exc:
                self.failed(exc)
                return
            except ConnectFailed as exc:
                self.problem = f"{exc.url}: {exc.reason}"
                self._soon.set()
            except Exception as exc:  # of a map that cannot be read; the next one may be
                logger.exception("the map of the cluster cannot be used")
                self.problem = f"{type(exc).__name__}: {exc}"
                self._soon.set()
            mapped, self._mapped = self._mapped, asyncio.get_running_loop().create_future()
            mapped.set_result(None)
            await asyncio.sleep(SOON)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._soon.wait()

    async def _next_map(self) -> None:
        self._soon.set()
        await asyncio.shield(self._mapped)

    async def _newest(self) -> Map:
        asked = [maps.of_node(place, node) for place, node in self._nodes.items() if node.stands]
        found = [answer for answer in await asyncio.gather(*asked) if answer is not None]
        if not found:
            known = list(dict.fromkeys([*self._nodes, *self._seeds]))
            found = [await maps.of_any(_chance.sample(known, len(known)), self._manners)]
        return max(found, key=lambda answer: (answer.whole, answer.epoch))

    def _apply(self, newest: Map) -> None:
        self._slots = newest.slots
        places = set(newest.slots.values())
        for place in places - self._nodes.keys():
            self._begin(place)
        for place in self._nodes.keys() - places:
            self._spawn(self._nodes.pop(place).close())
        for channel, before in list(self._channels.items()):
            now = newest.slots.get(key_slot(channel), before)
            if now != before or channel in self._adrift:
                if before in self._nodes:
                    self._nodes[before].forget([channel])
                self._channels[channel] = now
                self._spawn(self._follow_channel(channel))
        self._adrift.clear()
        self.look()

    async def _follow_channel(self, channel: bytes) -> None:
        """
        Subscribe a channel where its slot is now, unless it was left meanwhile.
        """
        while (place := self._channels.get(channel)) is not None:
            try:
                await self._node_at(place).subscribe([channel], again="its slot is on another node now")
            except BrokerRefused as exc:
                if self._redirected(ReplyError(str(exc))) is None:
                    logger.error("channel %r cannot be subscribed again: %s", channel, exc)
                    return
            except BrokerLost:
                pass
            else:
                return
            await self._next_map()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="swergio cluster")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
